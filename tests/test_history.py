"""The history: append-only, survives a reopen, appeals can be undone, exports say what was stored."""

import json
import threading
from datetime import UTC, datetime

import pytest

from tutor.errors import TutorError
from tutor.exporting import export
from tutor.history import open_history
from tutor.records import Citation, CitedAnswer, Grade, Passage, PointVerdict

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GRADE = Grade(
    50.0,
    (PointVerdict("要点", 2, "covered", 0.9, "原话", 1.0), PointVerdict("另一点", 2, "missing", 0.8)),
    ("injection",),
    "评语",
    "参考",
)


def test_attempts_and_turns_survive_a_reopen(tmp_path):
    answer = CitedAnswer(
        "答。[1]", (Passage(1, "q", "b", "p", 1, "t", "x", 0.9),), (Citation(1, "答。", "supported"),), done=True
    )
    history = open_history(tmp_path / "h.db")
    history.add_attempt("me", "q1", "作答", GRADE, NOW)
    history.add_turn("me", "c1", "问题", answer, NOW)
    history.close()
    again = open_history(tmp_path / "h.db")
    assert again.attempts("me")[0].grade == GRADE
    assert again.turns("me", "c1")[0].answer == answer
    assert again.conversations("me") == [("c1", "问题")]
    again.close()


def test_learners_do_not_see_each_other(tmp_path):
    history = open_history(tmp_path / "h.db")
    history.add_attempt("a", "q1", "作答", GRADE, NOW)
    assert history.attempts("b") == []
    history.close()


def test_an_appeal_adds_a_wording_and_can_be_undone(tmp_path):
    history = open_history(tmp_path / "h.db")
    attempt = history.add_attempt("me", "q1", "作答", GRADE, NOW)
    after = PointVerdict("另一点", 2, "covered", 0.9, "换个说法", 1.0)
    appeal = history.add_appeal(attempt, 1, "我的意思是……", GRADE.points[1], after, "换个说法", NOW)
    assert history.aliases("me", "q1") == {1: ("换个说法",)}
    assert history.appeals("me")[0].before == GRADE.points[1]
    history.undo_appeal(appeal, NOW)
    history.undo_appeal(appeal, NOW)
    assert history.aliases("me", "q1") == {} and history.appeals("me")[0].undone
    assert history.attempts("me")[0].grade == GRADE
    history.close()


def test_an_appeal_that_does_not_exist_cannot_be_undone(tmp_path):
    history = open_history(tmp_path / "h.db")
    with pytest.raises(TutorError, match="no appeal 7"):
        history.undo_appeal(7, NOW)
    history.close()


def test_writers_do_not_lose_each_others_rows(tmp_path):
    history = open_history(tmp_path / "h.db")
    threads = [
        threading.Thread(target=lambda: [history.add_attempt("me", "q", "r", GRADE, NOW) for _ in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(history.attempts("me")) == 40
    history.close()


@pytest.mark.parametrize("ending", ["md", "json", "csv"])
def test_exports_hold_every_attempt(tmp_path, ending):
    history = open_history(tmp_path / "h.db")
    history.add_attempt("me", "q1", "作答一", GRADE, NOW)
    path = tmp_path / f"out.{ending}"
    export(history.attempts("me"), path)
    text = path.read_text("utf-8")
    assert "q1" in text and "另一点" in text
    if ending == "json":
        assert json.loads(text)[0]["reply"] == "作答一"
    with pytest.raises(TutorError, match="md"):
        export(history.attempts("me"), tmp_path / "out.pdf")
    history.close()
