"""JSONL, CSV and XLSX: people's own cards. Read strictly: every broken line is reported and nothing is taken."""

from __future__ import annotations

import csv
import json
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from ingest.cards import FIELDS, Cards
from ingest.lines import Ledger, LineUse, Parsed, Source
from ingest.markup import unwrap
from tutor.errors import BankError, Problem
from tutor.records import Bank

JSONL, CSV, XLSX = "jsonl", "csv", "xlsx"

MAX_ROWS = 50_000
MAX_COLUMNS = 64
MAX_UNPACKED = 200 * 1024 * 1024
MAX_RATIO = 200
_MANY = 1024 * 1024  # below this size no ratio is suspicious

_DELIMITERS = ",;\t|"
_ANKI = re.compile(r"^#\s*(separator|html|tags|columns|notetype|deck|guid)\b[^:]*:\s*(.*)$", re.IGNORECASE)
_ANKI_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_NAMES = {name for names in FIELDS.values() for name in names}
_QUESTION_NAMES = set(FIELDS["question"])


def likeness_jsonl(source: Source) -> float:
    """Say how much the text looks like JSON objects, one a line or in one array (0-1)."""
    first = next((line.strip() for line in source.lines if line.strip()), "")
    return 0.97 if re.match(r'^(?:\{\s*(?:"|$)|\[\s*(?:\{|$))', first) else 0.0


def likeness_csv(source: Source) -> float:
    """Say how much the text looks like a table with a heading line that we know (0-1)."""
    first = next((line for line in source.lines if line.strip()), "")
    if _ANKI.match(first):
        return 0.97
    names = {name.strip().strip('"').casefold() for name in re.split(f"[{_DELIMITERS}]", first)}
    return 0.97 if len(names) > 1 and names & _QUESTION_NAMES and len(names & _NAMES) > 1 else 0.0


def parse_jsonl(source: Source) -> Parsed:
    """Read JSON objects, one a line, or one array of objects.

    :raises BankError: a line is not such an object, or a field cannot be used.
    """
    cards, ledger = Cards(source), Ledger(source.lines)
    first = next((line.strip() for line in source.lines if line.strip()), "")
    for line, last, value in _array(source, cards) if first.startswith("[") else _objects(source, cards):
        ledger.mark_all(range(line, last + 1), "question")
        if isinstance(value, dict):
            cards.add(line, value)
        else:
            cards.errors.append(Problem(line, 'expected a JSON object such as {"question": …, "answer": …}'))
    for number, text in enumerate(source.lines, 1):
        if text.strip() and not ledger.is_marked(number):
            ledger.mark(number, "metadata")
    return _finish(cards, JSONL, ledger.close())


def _objects(source: Source, cards: Cards) -> Iterator[tuple[int, int, Any]]:
    for number, line in enumerate(source.lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            cards.errors.append(Problem(number, f"not valid JSON ({getattr(error, 'msg', error)})"))
            continue
        yield number, number, value


def _array(source: Source, cards: Cards) -> Iterator[tuple[int, int, Any]]:
    text = "\n".join(source.lines)
    decoder = json.JSONDecoder()
    at, line = text.index("[") + 1, text.count("\n", 0, text.index("[")) + 1
    while True:
        step = re.compile(r"[\s,]*").match(text, at)
        start = step.end() if step else at
        line += text.count("\n", at, start)
        if text[start : start + 1] in ("]", ""):
            if not text[start : start + 1]:
                cards.errors.append(Problem(line, "the JSON array is never closed"))
            elif text[start + 1 :].strip():
                cards.errors.append(Problem(line, "text after the JSON array"))
            return
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            where = getattr(error, "lineno", line)
            cards.errors.append(Problem(where, f"not valid JSON ({getattr(error, 'msg', error)})"))
            return
        last = line + text.count("\n", start, end)
        yield line, last, value
        at, line = end, last


def parse_csv(source: Source) -> Parsed:
    """Read a table in text: CSV, TSV, or an export of Anki.

    :raises BankError: there is no column for the question, a row has too many cells, or a field cannot be used.
    """
    cards, ledger = Cards(source), Ledger(source.lines)
    start, delimiter, names, html = 0, "", None, False
    while start < len(source.lines) and (_ANKI.match(source.lines[start]) or not source.lines[start].strip()):
        found = _ANKI.match(source.lines[start])
        if found and found[1].casefold() == "separator":
            delimiter = _ANKI_SEPARATORS.get(found[2].strip().casefold(), found[2].strip()[:1])
            names = ["question", "answer"]
        html = html or bool(found and found[1].casefold() == "html" and found[2].strip().casefold() == "true")
        ledger.mark(start + 1, "metadata")
        start += 1
    header = source.lines[start] if start < len(source.lines) else ""
    delimiter = delimiter or max(_DELIMITERS, key=header.count)
    for first, last, cells in _rows(source, start, delimiter, cards):
        if not any(cell.strip() for cell in cells):
            ledger.mark_all(range(first, last + 1), "metadata")
        elif names is None:
            names = cells
            ledger.mark_all(range(first, last + 1), "metadata")
            if not _check_names(cards, first, names):
                break
        else:
            ledger.mark_all(range(first, last + 1), "question")
            if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]) and start == 0:
                cards.errors.append(Problem(first, f"{len(cells)} cells, but the heading line names {len(names)}"))
                continue
            cells = [unescape(unwrap(cell)) for cell in cells] if html else cells
            cards.add(first, dict(zip(names, cells, strict=False)))
    return _finish(cards, CSV, ledger.close())


def _rows(source: Source, start: int, delimiter: str, cards: Cards) -> Iterator[tuple[int, int, list[str]]]:
    reader = csv.reader((line + "\n" for line in source.lines[start:]), delimiter=delimiter, strict=True)
    while True:
        first = start + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cards.errors.append(Problem(first, f"this row cannot be read ({error})"))
            return
        yield first, start + reader.line_num, cells


def _check_names(cards: Cards, line: int, names: list[str]) -> bool:
    lowered = [name.strip().casefold() for name in names]
    if not _QUESTION_NAMES & set(lowered):
        known = ", ".join(FIELDS["question"])
        cards.errors.append(Problem(line, f"no column for the question; name one of them {known}"))
        return False
    doubled = sorted({name for name in lowered if name and lowered.count(name) > 1})
    if doubled:
        cards.errors.append(Problem(line, f"the column {doubled[0]!r} appears twice"))
    return not doubled


def parse_xlsx(source: Source, path: Path) -> Parsed:
    """Read the sheets of a workbook; lines are rows.

    :raises BankError: it is no workbook, too large unpacked, or a field cannot be used.
    """
    check_archive(path)
    cards = Cards(source)
    uses: list[LineUse] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and validations, which are of no concern here
            workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
            sheets = [(sheet.title, _sheet_rows(sheet)) for sheet in workbook.worksheets]
            workbook.close()
    except (InvalidFileException, zipfile.BadZipFile, zlib.error, ParseError, KeyError, ValueError, TypeError,
            AttributeError, IndexError, OSError, EOFError) as error:  # fmt: skip
        raise BankError(str(path), [Problem(0, f"not a workbook that can be read ({type(error).__name__})")]) from error
    filled = [(title, rows) for title, rows in sheets if rows]
    for title, rows in filled:
        if len(rows) > MAX_ROWS:
            raise BankError(str(path), [Problem(MAX_ROWS, f"sheet {title!r} has more than {MAX_ROWS} rows; split it")])
        (first, names), *rest = rows
        uses.append(LineUse(first, "metadata"))
        if not _check_names(cards, first, names):
            continue
        for number, cells in rest:
            uses.append(LineUse(number, "question"))
            cards.add(number, dict(zip(names, cells, strict=False)), (title,) if len(filled) > 1 else ())
    return _finish(cards, XLSX, tuple(uses))


def _sheet_rows(sheet: Any) -> list[tuple[int, list[str]]]:  # noqa: ANN401 (openpyxl has no type for it)
    """Return number and cells of the rows that are not empty, one more than allowed at most."""
    sheet.reset_dimensions()  # the size that a file claims may be false
    rows: list[tuple[int, list[str]]] = []
    for number, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1):
        texts = ["" if cell is None else str(cell) for cell in cells]
        if any(text.strip() for text in texts):
            rows.append((number, texts))
        if len(rows) > MAX_ROWS or number > 20 * MAX_ROWS:
            break
    return rows


def check_archive(path: Path) -> None:
    """Look at the directory of a workbook before anything of it is unpacked.

    :raises BankError: it is no ZIP archive, no workbook, or would unpack to far more than a bank needs.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BankError(str(path), [Problem(0, "not an XLSX file (it is no ZIP archive)")]) from error
    if "xl/workbook.xml" not in {member.filename for member in members}:
        raise BankError(str(path), [Problem(0, "a ZIP archive, but not an XLSX workbook")])
    if sum(member.file_size for member in members) > MAX_UNPACKED or len(members) > 5000:
        raise BankError(str(path), [Problem(0, f"unpacks to more than {MAX_UNPACKED // 2**20} MB; split it")])
    for member in members:
        if member.file_size > _MANY and member.file_size > MAX_RATIO * max(1, member.compress_size):
            raise BankError(
                str(path), [Problem(0, "packed suspiciously tight (a ZIP bomb?); save it again as XLSX or CSV")]
            )


def _finish(cards: Cards, form: str, lines: tuple[LineUse, ...]) -> Parsed:
    source = cards.source
    if cards.errors:
        raise BankError(source.path, sorted(cards.errors, key=lambda p: p.line))
    bank = Bank(source.name, source.stem, source.path, form, tuple(cards.questions))
    return Parsed(bank, 1.0, lines, tuple(cards.notes))
