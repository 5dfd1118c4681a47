"""Bank files -> a new version of the index, beside the one that serves; then one pointer is replaced.

A version holds everything: copies of the learner's bank files, questions, chunks, links, vectors, manifest. So adding a
bank, removing one and rebuilding are the same act, and a crash at any moment leaves the old version serving.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ingest.chunking import chunk_all
from ingest.likeness import revision
from ingest.linking import link
from ingest.sources import Source, describe, parse_all, shipped_sources, sources
from ingest.undone import Pair, forget_absent, read_undone
from ingest.vectors import VectorCache
from tutor.embedding import GemmaEmbeddings
from tutor.errors import IndexFault, IndexLocked
from tutor.library import LAYOUT, current_version, read_manifest, write_rows
from tutor.outside import read_landmarks, uncovered
from tutor.records import Bank, Chunk, Note, Question
from tutor.settings import Settings
from tutor.store import VectorStore

Progress = Callable[[int, int], None]
_SELF_RECALL_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a build did. `embedded` counts texts that had no vector yet; `changed` is False when nothing was to do."""

    version: str
    banks: tuple[dict[str, Any], ...]
    chunks: int
    embedded: int
    embed_seconds: float
    seconds: float
    changed: bool = True


def build(
    settings: Settings,
    embeddings: GemmaEmbeddings,
    *,
    change: Callable[[list[Source]], list[Source]] = lambda added: added,
    rebuild: bool = False,
    progress: Progress = lambda done, total: None,
) -> IndexReport:
    """Build the index of the corpus and the learner's banks, verify it, and make it the current one.

    :param change: from the learner's banks of the current version to those of the new one; runs under the lock, and may
        change the undone links.
    :param rebuild: build even when nothing changed, and forget all vectors.
    :raises BankError: a bank was refused; the index is as before.
    :raises IndexLocked: another process is building.
    :raises IndexFault: the new version failed its checks or the disk is full; the index is as before.
    """
    started = time.monotonic()
    with _exclusive(settings.index):
        chosen = [*shipped_sources(settings), *change([] if rebuild and _broken(settings) else sources(settings))]
        version = current_version(settings.index)
        plan = [describe(source) for source in chosen]
        undone = read_undone(settings.index)
        if version and not rebuild and _same(settings.index / version, plan, embeddings, undone):
            manifest = read_manifest(settings.index / version)
            return IndexReport(
                version, tuple(manifest["banks"]), manifest["chunks"], 0, 0.0, time.monotonic() - started, False
            )
        cache_folder = settings.home / "cache" / "vectors"
        if rebuild:
            shutil.rmtree(cache_folder, ignore_errors=True)
        banks = parse_all(chosen)
        undone = forget_absent(settings.index, {question.id for bank in banks for question in bank.questions})
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
        folder = settings.index / f".{name}.partial"
        try:
            with _disk_errors(folder):
                cache = VectorCache(cache_folder, embeddings.identity)
                report = _write_version(folder, name, chosen, banks, undone, cache, embeddings, progress)
                _publish(settings.index, folder, name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return replace(report, seconds=time.monotonic() - started)


def _write_version(
    folder: Path,
    name: str,
    chosen: Sequence[Source],
    banks: Sequence[Bank],
    undone: frozenset[Pair],
    cache: VectorCache,
    embeddings: GemmaEmbeddings,
    progress: Progress,
) -> IndexReport:
    (folder / "banks").mkdir(parents=True)
    rows = []
    for source, bank in zip(chosen, banks, strict=True):
        file = "" if source.shipped else f"{bank.name}{source.file.suffix.lower()}"
        if file:
            shutil.copyfile(source.file, folder / "banks" / file)
        rows.append({**describe(source), "bank": bank.name, "format": bank.format, "file": file})
    items: list[Question | Note] = []
    for bank in banks:
        items += [*bank.questions, *bank.notes]
    questions = [item for item in items if isinstance(item, Question)]
    chunks = chunk_all(items)
    with_vector = [piece for piece in chunks if piece.embedded]
    embedded = 0
    started = time.monotonic()

    def count(done: int, total: int) -> None:
        nonlocal embedded
        embedded = done
        progress(done, total)

    landmarks = read_landmarks()
    texts = [*(piece.text for piece in with_vector), *landmarks]
    made = cache.embed(texts, embeddings.embed_documents, count)
    vectors, outside = made[: len(with_vector)], made[len(with_vector) :]
    embed_seconds = time.monotonic() - started
    links, groups = link(questions, with_vector, vectors, undone)
    store = VectorStore(folder / "chroma", create_for=len(with_vector))
    try:
        store.add(with_vector, vectors)
        _verify(store, with_vector, vectors)
    finally:
        store.close()
    asked = [i for i, piece in enumerate(with_vector) if piece.part == "question"]
    np.save(folder / "outside.npy", uncovered(outside, vectors[asked]), allow_pickle=False)
    write_rows(folder / "questions.jsonl", questions)
    write_rows(folder / "notes.jsonl", [item for item in items if isinstance(item, Note)])
    write_rows(folder / "chunks.jsonl", chunks)
    write_rows(folder / "links.jsonl", links)
    write_rows(folder / "groups.jsonl", [{"ids": list(group)} for group in groups])
    linked = {one.question_id for one in links}
    summary = tuple(
        {
            "bank": bank.name,
            "title": bank.title,
            "path": bank.path,
            "format": bank.format,
            "questions": len(bank.questions),
            "with_reference": sum(1 for q in bank.questions if q.reference or q.key),
            "linked": sum(1 for q in bank.questions if q.id in linked),
            "notes": len(bank.notes),
        }
        for bank in banks
    )
    manifest = {
        "layout": LAYOUT,
        "embedding": embeddings.identity,
        "chromadb": importlib.metadata.version("chromadb"),
        "sources": rows,
        "banks": summary,
        "linking": revision(),
        "landmarks": _digest(landmarks),
        "undone": sorted(undone),
        "chunks": len(chunks),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1), "utf-8")
    cache.compact(texts)
    return IndexReport(name, summary, len(chunks), embedded, embed_seconds, 0.0)


def _verify(store: VectorStore, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
    """Every vector arrived, and a sample of them finds itself (or an equal text)."""
    if store.count() != len(chunks):
        raise IndexFault(
            f"the new index holds {store.count()} of {len(chunks)} vectors; nothing was changed, try again"
        )
    position = {piece.id: i for i, piece in enumerate(chunks)}
    step = max(1, len(chunks) // _SELF_RECALL_SAMPLE)
    for i in range(0, len(chunks), step):
        found = store.search(vectors[i].tolist(), 1)
        if not found or float(vectors[position[found[0][0]]] @ vectors[i]) < 0.999:
            raise IndexFault(
                f"the new index does not find the text {chunks[i].text[:40]!r}; nothing was changed, try again"
            )


def _publish(index: Path, folder: Path, name: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    os.replace(folder, index / name)
    pointer = index / ".CURRENT.partial"
    with pointer.open("w", encoding="utf-8") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(pointer, index / "CURRENT")
    _clean(index, keep=name)


def _clean(index: Path, keep: str | None) -> None:
    """Remove old versions and what killed builds left behind."""
    for path in index.iterdir():
        if path.is_dir() and path.name != keep:
            shutil.rmtree(path, ignore_errors=True)


def _same(folder: Path, plan: Sequence[dict[str, Any]], embeddings: GemmaEmbeddings, undone: frozenset[Pair]) -> bool:
    try:
        manifest = read_manifest(folder)
    except IndexFault:
        return False
    built = [(row["path"], row["sha256"], row["shipped"]) for row in manifest["sources"]]
    wanted = [(row["path"], row["sha256"], row["shipped"]) for row in plan]
    if manifest.get("landmarks") != _digest(read_landmarks()):
        return False
    if manifest.get("linking") != revision() or {tuple(pair) for pair in manifest.get("undone", ())} != undone:
        return False
    return manifest["layout"] == LAYOUT and manifest["embedding"] == embeddings.identity and built == wanted


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _broken(settings: Settings) -> bool:
    version = current_version(settings.index)
    return version is not None and not (settings.index / version / "manifest.json").is_file()


@contextmanager
def _exclusive(index: Path) -> Iterator[None]:
    index.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(index / ".lock", timeout=0):
            _clean(index, keep=current_version(index))
            yield
    except Timeout:
        raise IndexLocked("the index is locked: another process is building it; try again when it is done") from None


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise IndexFault(
                f"{folder.parent}: the disk is full; the index is as it was, free some space and try again"
            ) from error
        raise
