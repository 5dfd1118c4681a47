"""Chunking keeps every word, respects its limit, and names chunks by their content."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import LIMIT, chunk, chunk_all, split
from tutor.records import Note, Option, Question

PROSE = st.text(alphabet="数据并行ab cd。，！\n.，,$`", max_size=1500)


@given(PROSE)
def test_split_keeps_every_character_but_outer_blanks(text):
    assert "".join("".join(piece.split()) for piece in split(text)) == "".join(text.split())


@given(PROSE)
def test_no_piece_is_empty_or_over_the_limit(text):
    assert all(0 < len(piece) <= LIMIT for piece in split(text))


def test_every_part_of_a_question_is_in_some_chunk():
    question = Question(
        "q",
        "b",
        "p",
        1,
        "为什么？",
        subpoints=("子点一",),
        options=(Option("A", "选项文字", "解析文字"),),
        reference="参考答案",
        aliases=("别名",),
    )
    together = "\n".join(piece.text for piece in chunk(question))
    assert all(word in together for word in ("为什么", "子点一", "选项文字", "解析文字", "参考答案", "别名"))


def test_ids_depend_on_content_only():
    one = Question("q1", "b", "p", 1, "问题一", reference="答案")
    two = Question("q2", "b", "p", 9, "问题二", reference="答案")
    forward, backward = chunk_all([one, two]), chunk_all([two, one])
    assert {c.id for c in forward} == {c.id for c in backward}
    assert len({c.id for c in forward}) == len(forward)


def test_a_topic_is_read_with_its_headings():
    topic = Question("q", "b", "p", 1, "定义与计算方法", kind="topic", trail=("评估指标", "困惑度"))
    assert chunk(topic)[0].text == "评估指标 / 困惑度 / 定义与计算方法"


def test_a_note_is_searchable():
    assert chunk(Note("n", "b", "p", 1, "正文", ("标题",)))[0].text == "标题 / 正文"
