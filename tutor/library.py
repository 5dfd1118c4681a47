"""The open index: questions, notes, links and two searches. Knows where an index lives, not how it is built.

`index/CURRENT` names the folder of the version that serves. A version is complete and never changes; a new one is built
beside it and takes over when the pointer is replaced. A reader notices at its next question.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tutor.embedding import GemmaEmbeddings
from tutor.errors import IndexFault
from tutor.lexical import LexicalIndex, plain
from tutor.outside import read_vectors
from tutor.records import (
    Calculation,
    Chunk,
    KeyPoint,
    Link,
    Misconception,
    Note,
    Option,
    Quantity,
    Question,
)
from tutor.store import VectorStore

T = TypeVar("T")
LAYOUT = 3
"""Version of the folder layout and of the chunking; an index of another version is refused."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One open version of the index. Everything in it belongs together.

    :ivar items: questions and notes by id.
    :ivar chunks: by id; `order` lists their ids as the lexical index counts them.
    :ivar links: by the id of the question that has no reference of its own.
    :ivar groups: question id -> ids of all questions that ask the same thing, itself included.
    :ivar places: item id -> where its chunks are in `order`.
    :ivar asked: plain text of every question and alias -> ids of the questions that are asked so.
    :ivar banks: what `tutor bank list` shows, one mapping a bank.
    :ivar outside: vectors of what the banks are not about, one a row (see `tutor.outside`).
    """

    version: str
    items: Mapping[str, Question | Note]
    chunks: Mapping[str, Chunk]
    order: tuple[str, ...]
    links: Mapping[str, Link]
    groups: Mapping[str, tuple[str, ...]]
    places: Mapping[str, tuple[int, ...]]
    asked: Mapping[str, tuple[str, ...]]
    banks: tuple[Mapping[str, Any], ...]
    store: VectorStore
    lexical: LexicalIndex
    outside: np.ndarray

    def question(self, question_id: str) -> Question:
        """The question with this id. :raises IndexFault: there is none."""
        item = self.items.get(question_id)
        if not isinstance(item, Question):
            raise IndexFault(f"no question has the id {question_id!r}; find ids with `tutor search`")
        return item

    def questions(self) -> list[Question]:
        """All questions, bank by bank, in the order of the files."""
        return [item for item in self.items.values() if isinstance(item, Question)]

    def reference(self, question: Question) -> tuple[str, str]:
        """The reference to show or grade with, and the id it comes from: own, else linked, else ("", "")."""
        if question.reference:
            return question.reference, question.id
        link = self.links.get(question.id)
        target = self.items.get(link.target_id) if link else None
        return (target.reference, target.id) if isinstance(target, Question) else ("", "")


class Library:
    """Keeps the current snapshot open. Thread-safe.

    :param index: the index folder. :param embeddings: must be the model that the index was built with.
    """

    def __init__(self, index: Path, embeddings: GemmaEmbeddings) -> None:
        self._index = index
        self.embeddings = embeddings
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """The version that the pointer names now, opened if it is new.

        :raises IndexFault: there is no index, or it was built with another model or another version of this program.
        """
        with self._lock:
            version = current_version(self._index)
            if version is None:
                raise IndexFault("there is no index yet; run `tutor index`")
            if self._snapshot is None or self._snapshot.version != version:
                previous = self._snapshot
                self._snapshot = load_snapshot(self._index / version, self.embeddings.identity)
                if previous is not None:
                    previous.store.close()
            return self._snapshot

    def close(self) -> None:
        """Close the open version, if any."""
        with self._lock:
            if self._snapshot is not None:
                self._snapshot.store.close()
                self._snapshot = None


def current_version(index: Path) -> str | None:
    """Name of the version folder that serves, or None."""
    pointer = index / "CURRENT"
    try:
        return pointer.read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a version folder. :raises IndexFault: it is missing or unreadable."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise IndexFault(f"{folder}: the index is incomplete ({error}); run `tutor index --rebuild`") from error
    return manifest


def check_manifest(manifest: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    """:raises IndexFault: the index does not belong to this program and this embedding model."""
    if manifest.get("layout") != LAYOUT:
        raise IndexFault(
            f"the index has layout {manifest.get('layout')}, this program needs {LAYOUT}; run `tutor index --rebuild`"
        )
    built = manifest.get("embedding", {})
    wrong = [
        f"{key} {built.get(key)!r} instead of {value!r}" for key, value in identity.items() if built.get(key) != value
    ]
    if wrong:
        raise IndexFault(f"the index was built with another embedding: {'; '.join(wrong)}; run `tutor index --rebuild`")


def read_links(folder: Path) -> dict[str, Link]:
    """The links of a version, by the id of the question that has no reference. :raises IndexFault: unreadable."""
    return {row["question_id"]: Link(**row) for row in _rows(folder / "links.jsonl")}


def load_snapshot(folder: Path, identity: Mapping[str, str]) -> Snapshot:
    """Open a version folder. :raises IndexFault: it is incomplete or does not match `identity`."""
    manifest = read_manifest(folder)
    check_manifest(manifest, identity)
    items: dict[str, Question | Note] = {}
    for row in _rows(folder / "questions.jsonl"):
        question = question_from_dict(row)
        items[question.id] = question
    for row in _rows(folder / "notes.jsonl"):
        note = Note(**{**row, "trail": tuple(row["trail"])})
        items[note.id] = note
    chunks = {row["id"]: Chunk(**row) for row in _rows(folder / "chunks.jsonl")}
    links = read_links(folder)
    groups: dict[str, tuple[str, ...]] = {}
    for row in _rows(folder / "groups.jsonl"):
        groups.update(dict.fromkeys(row["ids"], tuple(row["ids"])))
    store = VectorStore(folder / "chroma")
    embedded = sum(1 for piece in chunks.values() if piece.embedded)
    if store.count() != embedded:
        raise IndexFault(
            f"{folder}: {store.count()} vectors for {embedded} texts; the index is damaged, run `tutor index --rebuild`"
        )
    return Snapshot(
        version=folder.name,
        items=items,
        chunks=chunks,
        order=tuple(chunks),
        links=links,
        groups=groups,
        places=_group((chunk.item_id, i) for i, chunk in enumerate(chunks.values())),
        asked=_group(
            (plain(text), item.id)
            for item in items.values()
            if isinstance(item, Question)
            for text in dict.fromkeys((item.text, *item.aliases))
        ),
        banks=tuple(manifest["banks"]),
        store=store,
        lexical=LexicalIndex([piece.text for piece in chunks.values()]),
        outside=read_vectors(folder / "outside.npy"),
    )


def _group(pairs: Iterable[tuple[str, T]]) -> dict[str, tuple[T, ...]]:
    found: dict[str, list[T]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def write_rows(path: Path, records: Sequence[Any]) -> None:
    """Write frozen records (or plain dicts) as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            row = record if isinstance(record, dict) else asdict(record)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def question_from_dict(row: Mapping[str, Any]) -> Question:
    """Inverse of `dataclasses.asdict` for a Question, after a trip through JSON."""
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    fields["options"] = tuple(Option(**option) for option in row["options"])
    fields["points"] = tuple(KeyPoint(**{**point, "aliases": tuple(point["aliases"])}) for point in row["points"])
    fields["misconceptions"] = tuple(Misconception(**one) for one in row["misconceptions"])
    calculation = row["calculation"]
    if calculation is not None:
        fields["calculation"] = Calculation(
            given=tuple(Quantity(**one) for one in calculation["given"]),
            steps=tuple((name, expression) for name, expression in calculation["steps"]),
            results=tuple(Quantity(**one) for one in calculation["results"]),
        )
    return Question(**fields)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except (OSError, json.JSONDecodeError) as error:
        raise IndexFault(f"{path}: unreadable ({error}); run `tutor index --rebuild`") from error
