"""The entry point of ingest: a bank file of any format that we know becomes a Bank, with an account of its lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ingest import tables
from ingest.checking import find_oddities
from ingest.lines import LineUse, Parsed, Source, slug, split_lines
from ingest.reading import decode, read_bytes
from ingest.sniffing import TEXT_FORMATS, sniff
from tutor.errors import BankError, Problem

__all__ = ["FORMATS", "LineUse", "Parsed", "parse_file"]

FORMATS = (*TEXT_FORMATS, tables.XLSX)
_BY_ENDING = {".jsonl": tables.JSONL, ".ndjson": tables.JSONL, ".json": tables.JSONL, ".csv": tables.CSV,
              ".tsv": tables.CSV, ".xlsx": tables.XLSX, ".xlsm": tables.XLSX}  # fmt: skip

_SURE = 0.5


def parse_file(path: Path, *, name: str | None = None, format: str | None = None) -> Parsed:
    """Read a bank file.

    :param path: the file. :param name: the bank's name; else the file's own, or a slug of the file's name.
    :param format: one of `FORMATS`; else it is found out.
    :raises BankError: the file cannot be used; carries every problem with its line. Nothing is changed.
    """
    if format is not None and format not in FORMATS:
        raise BankError(str(path), [Problem(0, f"unknown format {format!r}; known are {', '.join(FORMATS)}")])
    data = read_bytes(path)
    known = format or _BY_ENDING.get(path.suffix.lower())
    source = Source(name or slug(path.stem), str(path), path.stem, (), named=name is not None)
    notes: list[Problem] = []
    chosen, confidence = known or tables.XLSX, 1.0
    if chosen == tables.XLSX and (known or data.startswith(b"PK")):
        parsed = tables.parse_xlsx(source, path)
    else:
        text, notes = decode(path, data)
        lines = split_lines(text)
        if known not in (tables.JSONL, tables.CSV):
            # spaces at line ends mean nothing, and without them no pattern can go astray in them
            lines = tuple(line.rstrip() for line in lines)
        source = replace(source, lines=lines)
        if not known:
            chosen, confidence = sniff(source)
            if not confidence:
                raise BankError(str(path), [Problem(0, "no question found in any way that we know to write one")])
            if confidence < _SURE:
                sure = f"read as {chosen}, but not sure of that ({confidence:.2f}); the format can be named"
                notes.append(Problem(0, sure))
        parsed = TEXT_FORMATS[chosen].parse(source)
    if not parsed.bank.questions:
        raise BankError(str(path), [Problem(0, f"no question found (read as {chosen})")])
    problems = sorted(
        {*notes, *parsed.problems, *find_oddities(parsed.bank, source.lines)}, key=lambda p: (p.line, p.what)
    )
    return replace(parsed, confidence=round(confidence, 2), problems=tuple(problems))
