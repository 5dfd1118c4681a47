"""Linking: same questions form groups with a frequency, near-misses never do, open questions find a reference."""

import json
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from eval.linking import Judged, judged_precision, load_judged, scores
from ingest.asked import conflict, read
from ingest.banks import add, remove, restore_links, unlink
from ingest.chunking import chunk_all
from ingest.index import build
from ingest.likeness import COVERS_WEIGHTS, SAME, SAME_WEIGHTS
from ingest.linking import Linker, link
from ingest.parsing import parse_file
from ingest.undone import read_undone
from tests.fakes import WordEmbeddings
from tutor.cli import main
from tutor.errors import IndexFault, TutorError
from tutor.library import Library
from tutor.records import Link, Question
from tutor.ui.items import frequency

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
NEAR_MISSES = [
    ("什么是梯度消失？", "什么是梯度爆炸？"),
    ("Pre-LN 的做法是什么？", "Post-LN 的做法是什么？"),
    ("MQA 怎样减少显存？", "GQA 怎样减少显存？"),
    ("FP16 能表示的范围有多大？", "BF16 能表示的范围有多大？"),
    ("ZeRO-1 切分了什么？", "ZeRO-2 切分了什么？"),
    ("训练时怎样省显存？", "推理时怎样省显存？"),
    ("LoRA 的优点有哪些？", "LoRA 的缺点有哪些？"),
    ("INT8 量化掉点多吗？", "INT4 量化掉点多吗？"),
    ("7B 模型要多少显存？", "70B 模型要多少显存？"),
    ("模型训练要 8 张卡吗？", "模型训练要 16 张卡吗？"),
]
ANSWERS = """{"question": "梯度检查点是什么？", "answer": "梯度检查点只保存少数层的激活，反向时重新计算，用时间换显存。"}
{"question": "KV cache 为什么能加速解码？", "answer": "KV cache 保存已经算过的 key 和 value，解码时不必重新计算；代价是显存。"}
{"question": "混合精度训练怎样工作？", "answer": "前向与反向用半精度，权重更新用 FP32；用 loss scaling 防止梯度下溢。"}
"""
OPEN = "# 别人的\n\n## 显存\n\n- 梯度检查点是什么？\n- 混合精度推理也要用 loss scaling 防止梯度下溢吗？\n- 面试官喜欢什么颜色的领带？\n"


def question(name: str, text: str, reference: str = "", **fields) -> Question:
    return Question(
        id=name, bank=fields.pop("bank", "b"), path="b.md", line=1, text=text, reference=reference, **fields
    )


def alike(*questions: Question, nearness: float = 1.0) -> Linker:
    """A linker over questions of which every two texts have the same cosine."""
    chunks = [piece for piece in chunk_all(questions) if piece.embedded]
    own = np.eye(len(chunks) + 1, dtype=np.float32)[:-1] * (1 - nearness) ** 0.5
    own[:, -1] = nearness**0.5
    return Linker(questions, chunks, own)


def embedded(questions):
    chunks = [piece for piece in chunk_all(questions) if piece.embedded]
    vectors = WordEmbeddings().embed_documents([piece.text for piece in chunks])
    return list(questions), chunks, np.asarray(vectors, dtype=np.float32)


@pytest.fixture
def banks(tmp_path):
    answered, asked = tmp_path / "answers.jsonl", tmp_path / "asked.md"
    answered.write_text(ANSWERS, "utf-8")
    asked.write_text(OPEN, "utf-8")
    return answered, asked


def opened(settings, embeddings):
    library = Library(settings.index, embeddings)
    snapshot = library.snapshot()
    library.close()
    return snapshot


def find(snapshot, text):
    return next(one for one in snapshot.questions() if text in one.text and not one.reference)


@pytest.mark.parametrize(("one", "other"), NEAR_MISSES)
def test_a_near_miss_is_never_the_same_however_near_the_vectors(one, other):
    linker = alike(question("a", one), question("b", other))
    assert linker.same(0, 1).chance == linker.same(1, 0).chance == 0.0
    assert linker.same(0, 1).conflict
    assert linker.groups() == []


@pytest.mark.parametrize(("one", "other"), NEAR_MISSES[:4])
def test_a_rival_is_not_answered_by_the_reference_of_the_other(one, other):
    linker = alike(question("a", one), question("b", other, "它的做法是把输入先归一化。"))
    (found,) = linker.covers(0, [1])
    assert found.chance == 0.0 and found.conflict


def test_a_reference_about_both_rivals_may_answer_either():
    both = read(question("b", "MQA 与 GQA 有什么区别？", "MQA 共享一组 K、V，GQA 分组共享。"))
    assert conflict(read(question("a", "什么是 GQA？")).own_rivals, both.rivals, opposites=False) == ""


def test_what_an_answer_must_show_is_missed():
    linker = alike(
        question("a", "LayerNorm 的代码怎么写？"), question("b", "LayerNorm 是什么？", "对每个 token 的特征归一化。")
    )
    (found,) = linker.covers(0, [1])
    assert found.chance == 0.0 and found.conflict == "code"


def test_the_same_wording_is_the_same_question_whatever_the_marks():
    linker = alike(question("a", "什么是 LoRA？"), question("b", "什么是LoRA?"), nearness=0.0)
    assert linker.same(0, 1).chance == 1.0
    assert linker.groups() == [(0, 1)]


def test_a_group_never_holds_two_that_are_at_odds():
    texts = ["MQA 怎样减少显存？", "GQA 怎样减少显存？", "怎样减少显存？", "MQA怎样减少显存"]
    linker = alike(*(question(str(i), text) for i, text in enumerate(texts)))
    for group in linker.groups():
        assert all(linker.same(i, j).chance > 0 for i in group for j in group if i != j)


def test_a_choice_question_is_not_grouped_with_an_open_one():
    linker = alike(question("a", "什么是 LoRA？"), question("b", "什么是 LoRA？", kind="choice"))
    assert linker.groups() == []


def test_the_same_question_in_two_banks_is_a_group_with_a_frequency(settings, embeddings, banks):
    add(settings, embeddings, banks)
    snapshot = opened(settings, embeddings)
    one = find(snapshot, "梯度检查点")
    assert frequency(one, snapshot) == 2
    assert {snapshot.question(i).bank for i in snapshot.groups[one.id]} == {"answers", "asked"}


def test_an_open_question_has_the_reference_of_its_group_else_one_that_covers_it(settings, embeddings, banks):
    add(settings, embeddings, banks)
    snapshot = opened(settings, embeddings)
    same, covered = find(snapshot, "梯度检查点"), find(snapshot, "loss scaling")
    assert snapshot.links[same.id].kind == "same" and snapshot.links[same.id].confidence == 1.0
    assert snapshot.reference(same)[0].startswith("梯度检查点只保存")
    assert snapshot.links[covered.id].kind == "covers" and 0.5 <= snapshot.links[covered.id].confidence < 1
    assert "loss scaling" in snapshot.reference(covered)[0]


def test_a_question_that_nothing_answers_stays_without_a_link(settings, embeddings, banks):
    add(settings, embeddings, banks)
    snapshot = opened(settings, embeddings)
    lonely = find(snapshot, "领带")
    assert lonely.id not in snapshot.links and snapshot.reference(lonely) == ("", "")


def test_questions_with_a_reference_or_a_key_are_not_linked():
    questions = [
        question("a", "什么是 LoRA？", "低秩适配。"),
        question("b", "什么是 LoRA？", kind="choice", key="B"),
        question("c", "什么是 LoRA？"),
    ]
    links, _ = link(*embedded(questions))
    assert [(one.question_id, one.target_id) for one in links] == [("c", "a")]


def test_nothing_yields_nothing():
    assert link([], [], np.zeros((0, 0), dtype=np.float32)) == ([], [])


def test_the_order_of_questions_does_not_matter():
    questions = [
        question("a", "梯度检查点是什么？", "只保存少数层的激活，反向时重新计算。"),
        question("b", "KV cache 为什么能加速解码？", "保存已经算过的 key 和 value。"),
        question("c", "混合精度训练怎样工作？", "前向与反向用半精度，用 loss scaling 防止下溢。"),
        question("d", "什么是梯度检查点？"),
        question("e", "怎样用 loss scaling 防止混合精度训练的梯度下溢？"),
        question("f", "KV cache 为什么能加速解码"),
    ]

    def result(chosen):
        links, groups = link(*embedded(chosen))
        return set(links), {frozenset(group) for group in groups}

    expected = result(questions)
    assert len(expected[0]) >= 2 and expected[1]
    for shift in range(1, len(questions)):
        assert result(questions[shift:] + questions[:shift]) == expected
    assert result(questions[::-1]) == expected


def test_an_undone_link_stays_undone_until_it_is_restored(settings, embeddings, banks, tmp_path):
    add(settings, embeddings, banks)
    one = find(opened(settings, embeddings), "梯度检查点")
    embedded_before = len(embeddings.embedded)
    report = unlink(settings, embeddings, one.id)
    assert report.changed and len(embeddings.embedded) == embedded_before
    after = opened(settings, embeddings)
    assert one.id not in after.links and one.id not in after.groups
    more = tmp_path / "more.md"
    more.write_text("# 更多\n\n## 题\n\n- 什么是权重衰减？\n- 什么是预热？\n- 什么是早停？\n", "utf-8")
    add(settings, embeddings, [more])
    build(settings, embeddings, rebuild=True)
    assert one.id not in opened(settings, embeddings).links
    assert not build(settings, embeddings).changed
    restore_links(settings, embeddings, one.id)
    assert opened(settings, embeddings).links[one.id].kind == "same"


def test_what_has_no_link_cannot_be_undone(settings, embeddings, banks):
    with pytest.raises(TutorError, match="no link"):
        unlink(settings, embeddings, "nosuch")
    add(settings, embeddings, banks)
    with pytest.raises(TutorError, match="no link"):
        unlink(settings, embeddings, find(opened(settings, embeddings), "领带").id)
    with pytest.raises(TutorError, match="was undone"):
        restore_links(settings, embeddings, find(opened(settings, embeddings), "梯度检查点").id)


def test_the_command_says_in_one_sentence_that_there_is_nothing_to_undo(settings, embeddings, monkeypatch, capsys):
    monkeypatch.setenv("TUTOR_CORPUS", str(settings.corpus))
    build(settings, embeddings)
    for arguments in (["nosuch"], ["nosuch", "--restore"]):
        code = main(["bank", "unlink", *arguments])
        shown = capsys.readouterr()
        assert code == 1 and shown.out == "" and len(shown.err.strip().splitlines()) == 1 and "nosuch" in shown.err


def test_an_index_that_was_linked_otherwise_is_linked_again_without_embedding(settings, embeddings):
    first = build(settings, embeddings)
    manifest = settings.index / first.version / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text("utf-8")), "linking": "older"}), "utf-8")
    again = build(settings, embeddings)
    assert again.changed and again.embedded == 0
    assert not build(settings, embeddings).changed


def test_removing_a_bank_forgets_the_links_undone_in_it(settings, embeddings, banks):
    add(settings, embeddings, banks)
    unlink(settings, embeddings, find(opened(settings, embeddings), "梯度检查点").id)
    assert read_undone(settings.index)
    remove(settings, embeddings, "asked")
    assert read_undone(settings.index) == frozenset()


def test_a_damaged_list_of_undone_links_is_named(settings, embeddings):
    build(settings, embeddings)
    (settings.index / "undone.jsonl").write_text('{"question_id": 1}\n', "utf-8")
    with pytest.raises(IndexFault, match=r"undone\.jsonl"):
        build(settings, embeddings)


def test_every_feature_has_a_weight():
    linker = alike(question("a", "什么是 LoRA？"), question("b", "LoRA 是怎样工作的？", "低秩适配。"), nearness=0.5)
    assert len(linker.same(0, 1).features) == len(SAME_WEIGHTS) - 1
    assert len(linker.covers(0, [1])[0].features) == len(COVERS_WEIGHTS) - 1


def test_the_asks_name_questions_of_the_corpus():
    asks = tomllib.loads(resources.files("ingest").joinpath("linking.toml").read_text("utf-8"))["asks"]
    known = {
        one.id
        for path in CORPUS.glob("*.md")
        if path.read_text("utf-8").startswith("---")
        for one in parse_file(path, format="corpus").bank.questions
    }
    assert set(asks) <= known, f"not in the corpus: {sorted(set(asks) - known)}"


def test_an_ask_is_a_way_to_ask_the_question():
    one = question("lora-rank", "LoRA 的秩怎么选？", "从 8 试起。")
    assert len(read(replace(one, id="other")).wordings) == 1
    linker = alike(question("a", "怎样合并？"), one)
    assert linker.asked[1].wordings[0] == linker.asked[1].terms


def test_scores_of_a_perfect_and_a_careless_linker():
    labels = ["same", "same", "related", "near-miss"]
    perfect = scores(labels, [1.0, SAME, 0.1, 0.0])
    assert perfect["f1"] == perfect["precision"] == perfect["recall"] == 1.0
    careless = scores(labels, [1.0, 1.0, 1.0, 1.0])
    assert careless["precision"] == 0.5 and careless["near_miss_as_same"] == careless["related_as_same"] == 1


def test_the_judged_sample_holds_ids_and_our_own_words_only():
    judged = load_judged()
    assert len({(one.draw, one.question_id, one.target_id) for one in judged}) == len(judged)
    assert all(sum(one.draw == draw for one in judged) == 200 for draw in (2, 3, 4))
    assert all(one.note and one.note.isascii() and len(one.note) < 100 for one in judged)


def test_precision_counts_the_last_draw_and_only_links_that_are_still_made():
    judged = [
        Judged(1, "a", "x", False, ""),
        Judged(2, "b", "x", True, ""),
        Judged(2, "c", "x", False, ""),
        Judged(2, "d", "x", False, ""),
    ]
    links = {one: Link(one, "x", "covers", 0.9) for one in "abc"} | {"d": Link("d", "y", "covers", 0.9)}
    assert judged_precision(judged, links)["precision"] == 0.5
    assert judged_precision(judged, links)["still_made"] == 2
    assert judged_precision(judged, {}) == {"judged": 3, "still_made": 0}
