"""The corpus: it parses clean, refers only to what exists, is large enough, repeats nothing, and is our own writing."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from ingest.parsing import parse_file
from tests.conftest import SHARED
from tutor.quantities import agrees, compute

FOLDER = Path(__file__).resolve().parents[1] / "corpus"
FILES = [path for path in sorted(FOLDER.glob("*.md")) if path.read_text("utf-8").startswith("---")]
BANKS = {path.name: parse_file(path, format="corpus") for path in FILES}
QUESTIONS = [question for parsed in BANKS.values() for question in parsed.bank.questions]
IDS = {question.id for question in QUESTIONS}


@pytest.mark.parametrize("name", BANKS)
def test_every_file_is_clean(name):
    assert BANKS[name].problems == ()
    assert BANKS[name].bank.name == name.removesuffix(".md")


def test_it_is_large_enough():
    counts = Counter(question.kind for question in QUESTIONS)
    assert counts["open"] >= 420 and counts["choice"] >= 150 and counts["calculation"] >= 50


def test_ids_are_unique_and_follow_ups_exist():
    assert len(IDS) == len(QUESTIONS)
    missing = {(question.id, target) for question in QUESTIONS for target in question.followups if target not in IDS}
    assert missing == set()


def test_every_calculation_comes_out():
    for question in QUESTIONS:
        if question.calculation is not None:
            values = compute(question.calculation)
            assert all(agrees(values[result.name], result) for result in question.calculation.results), question.id


def test_every_open_question_can_be_graded():
    for question in QUESTIONS:
        if question.kind == "open":
            assert 3 <= len(question.points) <= 7, question.id
            assert question.sources and question.difficulty and question.skills, question.id
            assert len(re.sub(r"\s", "", question.reference)) >= 80, question.id


def test_every_option_is_explained():
    for question in QUESTIONS:
        if question.kind == "choice":
            assert all(option.explanation for option in question.options), question.id
            assert question.key, question.id


def test_no_two_questions_have_the_same_words():
    seen = Counter(re.sub(r"\W", "", question.text.lower()) for question in QUESTIONS)
    assert [text for text, count in seen.items() if count > 1] == []


def prose(name: str) -> str:
    """What we wrote in a file: without formulas, code, ids and sources."""
    parts = []
    for question in BANKS[name].bank.questions:
        parts += [question.text, question.reference, *(point.text for point in question.points)]
        parts += [one.text for one in question.misconceptions]
        parts += [f"{option.text} {option.explanation}" for option in question.options]
    text = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$", "", "\n".join(parts), flags=re.DOTALL)
    return text


def shingles(text: str) -> set[str]:
    squeezed = re.sub(r"\s", "", text.lower())
    return {squeezed[i : i + 13] for i in range(len(squeezed) - 12)}


@pytest.fixture(scope="module")
def others() -> set[str]:
    """Shingles of other people's banks and graded answers, when they lie beside the checkout."""
    found: set[str] = set()
    for path in sorted((SHARED / "seeds").glob("*.txt")):
        found |= shingles(path.read_text("utf-8"))
    for path in [*sorted((SHARED / "data" / "banks").glob("*.jsonl")), *sorted((SHARED / "data" / "graded").glob("*_zh.jsonl"))]:
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            found |= shingles(f"{row.get('question', '')}\n{row.get('answer', '')}\n{' '.join(row.get('references', []))}")
    if not found:
        pytest.skip("other people's banks are not beside the checkout")
    return found


@pytest.mark.seeds
@pytest.mark.parametrize("name", BANKS)
def test_the_words_are_our_own(name, others):
    ours = shingles(prose(name))
    assert len(ours & others) / len(ours) < 0.02
