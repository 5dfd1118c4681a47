from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tutor import settings
from tutor.errors import SettingsError, WeightsError
from tutor.judge import PointJudge, adapter
from tutor.judge.body import Body, BodyConfig, embed, load_embeddings, load_final_norm
from tutor.judge.model import BASE
from tutor.judge.network import CLASSES, Tokens, Upper
from tutor.judge.packing import POINT, QUESTION, REPLY, Row, stack
from tutor.judge.windows import sentences, windows
from tutor.records import PointProbabilities

HIDDEN, INNER, HEADS, HEAD, LAYERS, VOCABULARY = 24, 32, 3, 8, 4, 96
QUESTION_TEXT = "why divide by root d"
REPLY_TEXT = "the variance grows with the dimension, so the scores are divided. softmax would saturate."
POINTS = ["the variance of the product grows", "softmax saturates", "dividing brings the variance back to one"]


def write_base(folder: Path, seed: int = 0) -> None:
    """A tiny model with the layout of the real one, with random weights, and a tokenizer of single characters."""
    folder.mkdir(parents=True)
    make = torch.Generator().manual_seed(seed)
    shapes = {
        "self_attn.q_proj": (HEADS * HEAD, HIDDEN),
        "self_attn.k_proj": (HEAD, HIDDEN),
        "self_attn.v_proj": (HEAD, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HEADS * HEAD),
        "mlp.gate_proj": (INNER, HIDDEN),
        "mlp.up_proj": (INNER, HIDDEN),
        "mlp.down_proj": (HIDDEN, INNER),
        "self_attn.q_norm": (HEAD,),
        "self_attn.k_norm": (HEAD,),
    }
    shapes |= {
        f"{name}_layernorm": (HIDDEN,) for name in ("input", "post_attention", "pre_feedforward", "post_feedforward")
    }
    tensors = {
        f"layers.{n}.{name}.weight": torch.randn(shape, generator=make) * 0.3
        for n in range(LAYERS)
        for name, shape in shapes.items()
    }
    tensors["norm.weight"] = torch.randn(HIDDEN, generator=make) * 0.1
    tensors["embed_tokens.weight"] = torch.randn(VOCABULARY, HIDDEN, generator=make)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": "gemma3_text",
                "num_key_value_heads": 1,
                "hidden_size": HIDDEN,
                "intermediate_size": INNER,
                "num_attention_heads": HEADS,
                "head_dim": HEAD,
                "num_hidden_layers": LAYERS,
                "rms_norm_eps": 1e-6,
                "rope_local_base_freq": 1e4,
                "rope_theta": 1e6,
                "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
            }
        )
    )
    characters = ["<bos>", "<eos>", "<unk>", *map(chr, range(97, 123)), " ", ".", ","]
    tokenizer = Tokenizer(models.WordLevel({c: i for i, c in enumerate(characters)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 0), ("<eos>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def write_adapter(folder: Path, base: Path, reply_tokens: int = 200) -> adapter.AdapterConfig:
    torch.manual_seed(1)
    weights = base / "model.safetensors"
    config = adapter.AdapterConfig(
        adapter.fingerprint(weights), 2, 2.0, 40, reply_tokens, 60, temperature=0.7, bias=(0.1, -0.1, 0.0, 0.0)
    )
    upper = Upper(BodyConfig.read(base), weights, config.first)
    low_rank = {
        name: (torch.randn(2, linear.in_features), torch.randn(linear.out_features, 2))
        for name, linear in adapter.projections(upper)
    }
    adapter.save(upper, low_rank, config, folder)
    return config


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judge")
    write_base(folder / BASE)
    write_adapter(folder / "adapter", folder / BASE)
    return folder


@pytest.fixture(scope="module")
def judge(place: Path) -> PointJudge:
    return PointJudge.load(place, "float32", place / "adapter")


def numbers(record: PointProbabilities) -> tuple[float, ...]:
    return record.covered, record.partial, record.missing, record.contradicted


def close(left: PointProbabilities, right: PointProbabilities) -> bool:
    return numbers(left) == pytest.approx(numbers(right), abs=1e-5)


def test_probabilities_sum_to_one_and_come_in_the_order_of_the_points(judge: PointJudge) -> None:
    found = judge.verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS)
    assert all(sum(numbers(record)) == pytest.approx(1) for record in found)
    backwards = judge.verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS[::-1])
    assert all(close(a, b) for a, b in zip(found, backwards[::-1], strict=True))


def test_a_point_is_judged_as_if_it_were_the_only_one(judge: PointJudge) -> None:
    together = judge.verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS)
    assert all(
        close(record, judge.verdicts(QUESTION_TEXT, REPLY_TEXT, [point])[0])
        for record, point in zip(together, POINTS, strict=True)
    )


def test_the_same_texts_give_the_same_numbers_from_every_thread_and_after_other_work(
    place: Path, judge: PointJudge
) -> None:
    first = judge.verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS)
    judge.verdicts("", "something else", ["another point"])
    with ThreadPoolExecutor(4) as pool:
        later = list(pool.map(lambda _: judge.verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS), range(8)))
    assert all(found == first for found in later)
    assert PointJudge.load(place, "float32", place / "adapter").verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS) == first


def test_question_reply_and_point_all_matter(judge: PointJudge) -> None:
    usual = judge.verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS[:1])[0]
    assert not close(usual, judge.verdicts("", REPLY_TEXT, POINTS[:1])[0])
    assert not close(usual, judge.verdicts(QUESTION_TEXT, "something else", POINTS[:1])[0])
    assert not close(usual, judge.verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS[1:2])[0])


def test_nothing_to_judge_is_no_work(judge: PointJudge) -> None:
    assert judge.verdicts(QUESTION_TEXT, REPLY_TEXT, []) == []


@limits(deadline=None)
@given(reply=st.text(max_size=300), point=st.text(max_size=80), question=st.text(max_size=60))
def test_any_text_gets_probabilities(judge: PointJudge, reply: str, point: str, question: str) -> None:
    (record,) = judge.verdicts(question, reply, [point])
    assert all(0 <= p <= 1 for p in numbers(record))
    assert sum(numbers(record)) == pytest.approx(1)


def test_a_long_reply_is_read_to_its_end(place: Path, judge: PointJudge) -> None:
    noise = "words about other things. " * 40
    assert not close(judge.verdicts("", noise, POINTS)[0], judge.verdicts("", noise + "the variance grows.", POINTS)[0])


def test_the_clearest_window_decides_and_contradiction_outvotes_silence(tmp_path: Path) -> None:
    from tutor.judge.model import _combine

    silent, says = torch.tensor([0.03, 0.02, 0.94, 0.01]), torch.tensor([0.92, 0.04, 0.03, 0.01])
    denies = torch.tensor([0.02, 0.02, 0.06, 0.90])
    assert _combine([silent, says, silent]).covered > 0.8
    assert _combine([silent, silent, denies]).contradicted > 0.8
    assert 0.3 < _combine([says, denies]).contradicted < 0.6
    assert numbers(_combine([says])) == pytest.approx(says.tolist())
    doubtful = torch.tensor([0.2, 0.5, 0.1, 0.2])
    assert numbers(_combine([doubtful, says, silent])) == pytest.approx(says.tolist())  # others do not water it down


def test_an_adapter_for_other_weights_is_refused(place: Path, tmp_path: Path) -> None:
    write_base(tmp_path / BASE, seed=5)
    with pytest.raises(WeightsError, match="trained on other weights"):
        PointJudge.load(tmp_path, "float32", place / "adapter")


def test_missing_or_foreign_files_are_named(place: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"adapter\.json is missing"):
        PointJudge.load(place, "float32", tmp_path)
    (tmp_path / "adapter.json").write_text("{}")
    with pytest.raises(WeightsError, match="not a description"):
        PointJudge.load(place, "float32", tmp_path)
    with pytest.raises(WeightsError, match=r"model\.safetensors is missing"):
        PointJudge.load(tmp_path, "float32", place / "adapter")
    config = adapter.read_config(place / "adapter")
    save_file({"roles": torch.zeros(3, HIDDEN)}, tmp_path / "adapter.safetensors")
    (tmp_path / "adapter.json").write_text(json.dumps({**vars_of(config)}))
    with pytest.raises(WeightsError, match=r"does not fit"):
        PointJudge.load(place, "float32", tmp_path)


def vars_of(config: adapter.AdapterConfig) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(config)


def test_an_unknown_dtype_is_refused(place: Path) -> None:
    with pytest.raises(SettingsError, match="float16"):
        PointJudge.load(place, "float16", place / "adapter")


def test_bfloat16_says_nearly_the_same(place: Path, judge: PointJudge) -> None:
    rough = PointJudge.load(place, "bfloat16", place / "adapter").verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS)
    for record, exact in zip(rough, judge.verdicts(QUESTION_TEXT, REPLY_TEXT, POINTS), strict=True):
        assert numbers(record) == pytest.approx(numbers(exact), abs=0.1)


def test_segments_of_a_row_see_only_what_they_may() -> None:
    row = Row()
    question = row.add(torch.ones(2, 4), QUESTION)
    reply = row.add(torch.ones(3, 4), REPLY, (question,))
    row.add(torch.ones(1, 4), POINT, (question, reply))
    row.add(torch.ones(2, 4), POINT, (question, reply))
    other = Row()
    other.add(torch.ones(1, 4), POINT)
    batch = stack([row, other])
    seen = batch.mask[0].int().tolist()
    assert seen[0] == [1, 1, 0, 0, 0, 0, 0, 0]
    assert seen[2] == [1, 1, 1, 1, 1, 0, 0, 0]
    assert seen[5] == [1, 1, 1, 1, 1, 1, 0, 0]
    assert seen[6] == [1, 1, 1, 1, 1, 0, 1, 1]
    assert batch.mask[1].int().tolist()[3] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert batch.positions[0].tolist() == [0, 1, 2, 3, 4, 5, 5, 6]
    assert batch.points == ((0, 5, 6), (0, 6, 8), (1, 0, 1))


@given(st.lists(st.text(alphabet="ab 。！.?\n", max_size=30), max_size=8).map("".join), st.integers(4, 40))
def test_windows_lose_no_character_and_are_never_too_long(text: str, limit: int) -> None:
    found = windows(text, limit, lambda part: len(part) + 2)
    assert found == [text] if len(text) + 2 <= limit else all(len(part) <= limit + len(text) // 2 for part in found)
    for sentence in sentences(text):
        if len(sentence) + 2 <= limit:
            assert any(sentence in window for window in found)


def test_the_middle_of_a_text_that_is_too_long_is_left_out(place: Path) -> None:
    tokens = Tokens(place / BASE)
    whole, cut = tokens.ids("abcdefghijkl", 100), tokens.ids("abcdefghijkl", 9)
    assert len(cut) == 9
    assert cut[:6] == whole[:6] and cut[-3:] == whole[-3:]


def test_classes_are_the_fields_of_the_record() -> None:
    assert tuple(PointProbabilities.__dataclass_fields__) == CLASSES


def test_calibration_survives_the_file(place: Path, tmp_path: Path) -> None:
    config = replace(adapter.read_config(place / "adapter"), temperature=2.5)
    upper = Upper(BodyConfig.read(place / BASE), place / BASE / "model.safetensors", config.first)
    adapter.save(upper, {}, config, tmp_path)
    assert adapter.read_config(tmp_path) == config


@pytest.mark.model
def test_the_layers_compute_what_the_published_model_computes() -> None:
    transformers = pytest.importorskip("transformers")
    base = settings.load().models / BASE
    if not base.is_dir():
        pytest.skip(f"{base} is absent; run `tutor weights`")
    config, weights = BodyConfig.read(base), base / "model.safetensors"
    ids = Tokens(base).ids("为什么缩放点积注意力要除以 √d_k？", 64)
    with torch.no_grad():
        wanted = transformers.AutoModel.from_pretrained(base, dtype=torch.float32)(
            input_ids=torch.tensor([ids])
        ).last_hidden_state
        x = embed(load_embeddings(weights, config.hidden), ids)[None]
        everything = torch.ones(1, len(ids), len(ids), dtype=torch.bool)
        states = Body(config, weights, 0, config.layers)(x, torch.arange(len(ids))[None], everything)
        found = load_final_norm(weights, config)(states)
    assert torch.allclose(found, wanted, atol=1e-2, rtol=1e-4)
