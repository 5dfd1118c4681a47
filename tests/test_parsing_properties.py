"""What holds for every bank and for every text."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.corpus_bank import render
from ingest.lines import digest, slug, split_lines
from ingest.parsing import FORMATS, parse_file
from tests.strategies_bank import banks, soups
from tutor.errors import BankError

TEXT_FORMATS = [name for name in FORMATS if name != "xlsx"]
slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def parse_text(text, form=None, name="x.txt"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", newline="")
        return parse_file(path, format=form)


def without_lines(bank):
    questions = tuple(replace(q, line=0, path="") for q in bank.questions)
    notes = tuple((note.text, note.trail) for note in bank.notes)
    return bank.name, bank.title, questions, notes


@slow
@given(banks())
def test_a_rendered_bank_is_read_back_as_it_was(bank):
    assert without_lines(parse_text(render(bank)).bank) == without_lines(bank)


@slow
@given(banks())
def test_rendering_what_was_read_changes_nothing_more(bank):
    once = render(parse_text(render(bank)).bank)
    assert render(parse_text(once).bank) == once


@pytest.mark.parametrize("form", [None, *TEXT_FORMATS])
@settings(parent=slow, max_examples=60)
@given(text=soups())
def test_no_text_crashes_a_parser_and_no_line_is_lost(form, text):
    try:
        parsed = parse_text(text, form)
    except BankError as error:
        assert error.problems
        return
    lines = split_lines(text)
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    assert [use.line for use in parsed.lines] == filled
    assert all(use.reason for use in parsed.lines if use.use == "ignored")
    assert all(1 <= q.line <= len(lines) and q.text.strip() for q in parsed.bank.questions)
    ids = [q.id for q in parsed.bank.questions] + [note.id for note in parsed.bank.notes]
    assert len(set(ids)) == len(ids)
    parents = {q.parent for q in parsed.bank.questions} - {""}
    assert parents <= set(ids)


@slow
@given(st.binary(min_size=0, max_size=300), st.sampled_from(["x.md", "x.xlsx", "x.csv", "x.jsonl"]))
def test_no_bytes_crash_the_reader(data, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            parse_file(path)
        except BankError as error:
            assert str(path) == error.path


@slow
@given(st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_ids_depend_on_the_words_and_the_trail_alone(text, other, trail):
    assert digest(f"  {text} ", trail) == digest(text, trail)
    assert digest(text, [*trail, "x"]) != digest(text, trail)


@slow
@given(st.text(min_size=1))
def test_a_bank_name_is_always_a_slug(stem):
    assert slug(stem).strip("-") == slug(stem) != ""
    assert set(slug(stem)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_an_edit_elsewhere_keeps_the_ids():
    text = "# 标题\n\n- 什么是量化？\n- 什么是剪枝？\n- 什么是量化？\n"
    before = [q.id for q in parse_text(text).bank.questions]
    after = [q.id for q in parse_text(text.replace("- 什么是剪枝？", "- 什么是蒸馏？\n- 什么是稀疏？")).bank.questions]
    assert (before[0], before[2]) == (after[0], after[3])
    assert before[2] == before[0] + "-2"
