"""The command line: errors in one line on standard error, JSON alone on standard output, exit codes that mean something."""

import json
from pathlib import Path

import pytest

from ingest.index import build
from tests.fakes import WordEmbeddings
from tutor import cli, settings
from tutor.console import read_jsonl, turns_of
from tutor.errors import TutorError


def run(capsys, *arguments):
    code = cli.main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_without_an_index_the_message_says_what_to_run(capsys):
    code, out, err = run(capsys, "bank", "list", "--json")
    assert code == 1 and out == "" and "tutor index" in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02binary", "只有一行".encode("utf-16")])
def test_a_file_that_is_no_bank_is_refused_with_its_name(capsys, tmp_path, content):
    path = tmp_path / "bad.md"
    path.write_bytes(content)
    code, out, _ = run(capsys, "bank", "check", str(path), "--json")
    row = json.loads(out)
    assert code == 1 and row["path"] == str(path) and row["problems"]


def test_a_missing_file_is_refused(capsys, tmp_path):
    code, out, _ = run(capsys, "bank", "check", str(tmp_path / "none.md"))
    assert code == 1 and "none.md" in out


def test_check_of_the_corpus_is_clean_and_leaves_its_guide_and_log_out(capsys):
    code, out, _ = run(capsys, "bank", "check", str(Path(__file__).parents[1] / "corpus"), "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["path"] for row in rows if row["problems"]] == []
    assert not {"README.md", "REVIEW.md"} & {Path(row["path"]).name for row in rows}


def test_check_reports_the_contract_fields(capsys, outline):
    code, out, _ = run(capsys, "bank", "check", str(outline), "--json")
    row = json.loads(out)
    assert code == 0
    assert {"path", "format", "confidence", "kinds", "lines", "problems"} <= set(row)
    assert set(row["kinds"]) == {"open", "choice", "calculation", "topic"}
    assert sum(row["kinds"].values()) == 3


def test_list_reports_the_contract_fields(capsys, monkeypatch, corpus):
    monkeypatch.setenv("TUTOR_CORPUS", str(corpus))
    build(settings.load(), WordEmbeddings())
    code, out, _ = run(capsys, "bank", "list", "--json")
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert set(row) == {"bank", "title", "path", "format", "questions", "with_reference", "linked", "notes"}
    assert row["questions"] == row["with_reference"] == 5


def test_an_unusable_setting_is_one_sentence(capsys, monkeypatch):
    monkeypatch.setenv("TUTOR_PORT", "many")
    code, out, err = run(capsys, "bank", "list")
    assert code == 1 and out == "" and "port" in err


@pytest.mark.parametrize("arguments", [["ask"], ["search"], ["grade"], ["grade", "--question-id", "x"]])
def test_nothing_to_do_is_said(capsys, monkeypatch, arguments, corpus):
    monkeypatch.setenv("TUTOR_ENGINE", "none")
    if arguments[0] == "grade":
        pytest.importorskip("torch")
    code, _, err = run(capsys, *arguments)
    assert code == 1 and err.startswith("tutor: ")


def test_a_batch_names_the_bad_line(tmp_path):
    path = tmp_path / "batch.jsonl"
    path.write_text('{"q": "好"}\n\n{坏}\n', "utf-8")
    rows = read_jsonl(path)
    assert next(rows) == {"q": "好"}
    with pytest.raises(TutorError, match=r"batch\.jsonl:3"):
        next(rows)


def test_a_batch_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TutorError, match="no such file"):
        list(read_jsonl(tmp_path / "none.jsonl"))


def test_turns_need_text():
    assert turns_of({"q": "甲"}, Path("f")) == ["甲"]
    assert turns_of({"turns": ["甲", "乙"]}, Path("f")) == ["甲", "乙"]
    for bad in ({}, {"turns": []}, {"turns": [1]}):
        with pytest.raises(TutorError, match="each line needs"):
            turns_of(bad, Path("f"))
