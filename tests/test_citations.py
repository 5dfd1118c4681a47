"""The citation gate: numbers shown are numbers offered, however the stream is cut, and every one is checked."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import judge_by_words
from tutor.citations import Attribution, CitationStream, check, is_claim, sentences, without
from tutor.records import Passage

TEXT = st.text(alphabet="ab 因为所以。，[]【】0123456789`\n,", max_size=60)


def run(pieces, numbers):
    stream = CitationStream(numbers)
    return "".join(stream.feed(piece) for piece in pieces) + stream.finish()


@given(TEXT, st.lists(st.integers(0, 60), max_size=5))
def test_the_result_does_not_depend_on_how_the_stream_is_cut(text, cuts):
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    assert run(pieces, {1: 2, 2: 1}) == run([text], {1: 2, 2: 1})


@given(TEXT.filter(lambda text: "`" not in text))
def test_only_offered_numbers_are_shown(text):
    shown = run([text], {1: 3, 2: 1})
    assert {int(n) for n in re.findall(r"\[(\d+)\]", shown)} <= {1, 3}


def test_marks_are_mapped_and_normalised():
    assert run(["先归一化【1】，再缩放[1, 2]。[9]"], {1: 4, 2: 5}) == "先归一化[4]，再缩放[4][5]。"


def test_code_keeps_its_brackets():
    code = "用 `x[7]` 取值[1]\n```python\ny = x[9]\n```\n"
    assert run([code], {1: 1}) == code


def test_an_unfinished_bracket_is_not_lost():
    assert run(["见 [1"], {1: 1}) == "见 [1"


def test_a_mark_belongs_to_the_sentence_before_it():
    found = sentences("方差会变大。[1] 所以要缩放[2]。没有依据的话。")
    assert [(s.text, s.numbers) for s in found] == [
        ("方差会变大。", (1,)),
        ("所以要缩放。", (2,)),
        ("没有依据的话。", ()),
    ]


def test_a_swapped_citation_is_caught():
    passages = (
        Passage(1, "a", "b", "p", 1, "缩放", "点积的方差随维度线性增长，softmax 饱和", 0.9),
        Passage(2, "c", "b", "p", 2, "显存", "LoRA 冻结原权重，只训练低秩矩阵", 0.8),
    )
    right = check("点积的方差随维度线性增长。[1]", passages, judge_by_words)
    wrong = check("点积的方差随维度线性增长。[2]", passages, judge_by_words)
    assert right[0].support == "supported"
    assert wrong[0].support == "unsupported"


PASSAGES = (
    Passage(1, "a", "b", "p", 1, "缩放", "点积的方差随维度线性增长，softmax 饱和", 0.9),
    Passage(2, "c", "b", "p", 2, "显存", "LoRA 冻结原权重，只训练低秩矩阵", 0.8),
)


def attributed(pieces, passages=PASSAGES):
    stream = Attribution(passages, judge_by_words)
    return "".join(stream.feed(piece) for piece in pieces) + stream.finish()


def test_claims_without_a_number_get_that_of_the_passage_that_supports_them():
    said = "点积的方差随维度线性增长。[1] LoRA 冻结原权重，只训练低秩矩阵。所以 softmax 会饱和。"
    assert attributed([said]) == (
        "点积的方差随维度线性增长。[1] LoRA 冻结原权重，只训练低秩矩阵。[2] 所以 softmax 会饱和。[1]"
    )


def test_headings_questions_and_code_get_no_number():
    said = "**要点如下：**\n为什么要缩放呢，你想过吗？\n```\nx = scale(q @ k)。done\n```"
    assert attributed([said]) == said


def test_english_sentences_end_at_their_stop_but_not_inside():
    said = "Scaling matters, e.g. softmax saturates early. LoRA trains low rank matrices."
    assert attributed([said]) == "Scaling matters, e.g. softmax saturates early. [1] LoRA trains low rank matrices.[1]"


@given(TEXT, st.lists(st.integers(0, 60), max_size=5))
def test_numbers_are_only_added_and_wherever_the_stream_is_cut(text, cuts):
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    whole = attributed([text])
    assert attributed([text[a:b] for a, b in zip(edges, edges[1:], strict=False)]) == whole
    assert re.sub(r"\[\d+\]|\s", "", whole) == re.sub(r"\[\d+\]|\s", "", text)


@given(TEXT.filter(lambda text: "`" not in text and "[" not in text))
def test_every_claim_has_a_number(text):
    assert all(one.numbers for one in sentences(attributed([text])) if is_claim(one.text))


def test_nothing_to_cite_leaves_the_text_alone():
    assert attributed(["点积的方差随维度线性增长。"], ()) == "点积的方差随维度线性增长。"


@given(TEXT)
def test_without_removes_the_named_sentences_and_nothing_else(text):
    found = [one.text for one in sentences(text)]
    assert without(text, []) == text.strip()
    for gone in found[:1]:
        assert gone not in [one.text for one in sentences(without(text, [gone]))]
