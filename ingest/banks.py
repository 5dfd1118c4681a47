"""Add and remove the learner's banks, undo links. Each is one build of the index: all of it happens, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.index import IndexReport, Progress, build
from ingest.parsing import parse_file
from ingest.sources import Source, shipped_sources
from ingest.undone import read_undone, write_undone
from tutor.embedding import GemmaEmbeddings
from tutor.errors import BankError, Problem, TutorError
from tutor.library import current_version, read_links
from tutor.settings import Settings


def add(
    settings: Settings,
    embeddings: GemmaEmbeddings,
    paths: Sequence[Path],
    *,
    format: str | None = None,
    progress: Progress = lambda done, total: None,
) -> IndexReport:
    """Add bank files, or replace those that were added from the same path before.

    :param format: read all of them as this format instead of sniffing.
    :raises BankError: at least one file was refused; the message names every problem of every file; nothing was added.
    """
    new = _check(paths, format)

    def change(added: list[Source]) -> list[Source]:
        replaced = {source.path for source in new}
        names = {source.path: source.bank for source in added}
        kept = [source for source in added if source.path not in replaced]
        taken = {source.bank for source in kept} | {source.file.stem for source in shipped_sources(settings)}
        for source in new:
            name = names.get(source.path) or _free(source.bank, taken)
            taken.add(name)
            kept.append(Source(name, source.path, source.file, source.format, shipped=False))
        return kept

    return build(settings, embeddings, change=change, progress=progress)


def remove(settings: Settings, embeddings: GemmaEmbeddings, bank: str) -> IndexReport:
    """Remove a bank that the learner added, with everything made from it.

    :raises BankError: there is no such bank, or it ships with the tutor.
    """

    def change(added: list[Source]) -> list[Source]:
        kept = [source for source in added if source.bank != bank]
        if len(kept) == len(added):
            known = ", ".join(source.bank for source in added) or "none"
            raise BankError(bank, [Problem(0, f"no bank of this name was added (added: {known})")])
        return kept

    return build(settings, embeddings, change=change)


def unlink(settings: Settings, embeddings: GemmaEmbeddings, question_id: str) -> IndexReport:
    """Undo the link of a question for good: no later build links these two again.

    :raises TutorError: the question has no link.
    """

    def change(added: list[Source]) -> list[Source]:
        version = current_version(settings.index)
        target = read_links(settings.index / version).get(question_id) if version else None
        if target is None:
            raise TutorError(f"the question {question_id!r} has no link; `tutor bank show BANK --json` shows the links")
        write_undone(settings.index, {*read_undone(settings.index), (question_id, target.target_id)})
        return added

    return build(settings, embeddings, change=change)


def restore_links(settings: Settings, embeddings: GemmaEmbeddings, question_id: str) -> IndexReport:
    """Let a question be linked again. :raises TutorError: no link of it was undone."""

    def change(added: list[Source]) -> list[Source]:
        pairs = read_undone(settings.index)
        kept = {pair for pair in pairs if pair[0] != question_id}
        if len(kept) == len(pairs):
            raise TutorError(f"no link of the question {question_id!r} was undone")
        write_undone(settings.index, kept)
        return added

    return build(settings, embeddings, change=change)


def _check(paths: Sequence[Path], format: str | None) -> list[Source]:
    found: list[Source] = []
    problems: list[Problem] = []
    for path in paths:
        absolute = path.expanduser().resolve()
        try:
            bank = parse_file(absolute, format=format).bank
        except BankError as error:
            problems += error.problems if len(paths) == 1 else [Problem(0, str(error))]
            continue
        if all(source.file != absolute for source in found):
            found.append(Source(bank.name, str(absolute), absolute, bank.format, shipped=False))
    if problems:
        raise BankError(str(paths[0]) if len(paths) == 1 else "nothing was added", problems)
    return found


def _free(name: str, taken: set[str]) -> str:
    number = 2
    candidate = name
    while candidate in taken:
        candidate = f"{name}-{number}"
        number += 1
    return candidate
