"""The bank files that an index is made of: those that ship with the tutor and those that the learner added."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ingest.parsing import parse_file
from tutor.errors import BankError, Problem
from tutor.library import current_version, read_manifest
from tutor.records import Bank
from tutor.settings import Settings


@dataclass(frozen=True, slots=True)
class Source:
    """A bank file of the index. `path` is what the learner named; `file` is where its content is read from."""

    bank: str
    path: str
    file: Path
    format: str | None
    shipped: bool


def sources(settings: Settings) -> list[Source]:
    """The banks of the current version that the learner added."""
    version = current_version(settings.index)
    if version is None:
        return []
    folder = settings.index / version
    return [
        Source(
            bank=row["bank"], path=row["path"], file=folder / "banks" / row["file"], format=row["format"], shipped=False
        )
        for row in read_manifest(folder)["sources"]
        if not row["shipped"]
    ]


def shipped_sources(settings: Settings) -> list[Source]:
    """The banks of the corpus folder."""
    return [
        Source(bank="", path=f"corpus/{file.name}", file=file, format="corpus", shipped=True)
        for file in bank_files(settings.corpus)
    ]


def bank_files(folder: Path) -> list[Path]:
    """The banks of our format in a folder: its Markdown files that have a front matter."""
    return [file for file in sorted(folder.glob("*.md")) if _opens_with_front_matter(file)]


def _opens_with_front_matter(file: Path) -> bool:
    with file.open("rb") as content:
        return content.readline(8).strip() == b"---"


def parse_all(chosen: Sequence[Source]) -> list[Bank]:
    """Parse the files; names of banks and ids of questions must be unique. :raises BankError: a file was refused."""
    banks: list[Bank] = []
    taken: dict[str, str] = {}
    ids: dict[str, str] = {}
    for source in chosen:
        bank = parse_file(source.file, name=source.bank or None, format=source.format).bank
        if bank.name in taken:
            raise BankError(source.path, [Problem(0, f"the bank name {bank.name!r} is taken by {taken[bank.name]}")])
        taken[bank.name] = source.path
        for question in bank.questions:
            if question.id in ids:
                raise BankError(
                    source.path, [Problem(question.line, f"the id {question.id!r} is taken by {ids[question.id]}")]
                )
            ids[question.id] = f"{source.path}:{question.line}"
        banks.append(
            replace(
                bank,
                path=source.path,
                questions=tuple(replace(question, path=source.path) for question in bank.questions),
                notes=tuple(replace(note, path=source.path) for note in bank.notes),
            )
        )
    return banks


def describe(source: Source) -> dict[str, Any]:
    """What the manifest records of a source."""
    return {
        "bank": source.bank,
        "path": source.path,
        "format": source.format,
        "shipped": source.shipped,
        "sha256": hashlib.sha256(source.file.read_bytes()).hexdigest(),
    }
