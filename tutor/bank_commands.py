"""The `tutor bank` commands. Results go to standard output, everything else to standard error."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tutor.console import print_json, progress_bar, say
from tutor.errors import TutorError
from tutor.settings import Settings

Arguments = argparse.Namespace


def bank_add(settings: Settings, arguments: Arguments) -> None:
    """Add bank files and index them."""
    from ingest.banks import add
    from tutor.assembly import open_embeddings

    with progress_bar("embedding", "text") as progress:
        report = add(settings, open_embeddings(settings), arguments.paths, format=arguments.format, progress=progress)
    _print_banks([dict(row) for row in report.banks], arguments.json)
    say(f"{report.embedded} texts embedded, {report.seconds:.1f} s")


def bank_list(settings: Settings, arguments: Arguments) -> None:
    """List the banks of the index."""
    from tutor.library import current_version, read_manifest

    version = current_version(settings.index)
    if version is None:
        raise TutorError("there is no index yet; run `tutor index`")
    _print_banks(read_manifest(settings.index / version)["banks"], arguments.json)


def bank_check(settings: Settings, arguments: Arguments) -> int:
    """Report what every line of the files becomes. Exits 1 when a file would be refused."""
    from ingest.checking import report
    from ingest.parsing import parse_file
    from tutor.errors import BankError

    refused = 0
    for path in _files(arguments.paths):
        try:
            row = report(parse_file(path, format=arguments.format))
        except BankError as error:
            refused += 1
            row = {
                "path": str(path),
                "format": None,
                "confidence": 0.0,
                "kinds": {},
                "lines": {},
                "problems": [{"line": p.line, "what": p.what} for p in error.problems],
            }
        if arguments.json:
            print_json(row)
            continue
        kinds = ", ".join(f"{count} {kind}" for kind, count in row["kinds"].items() if count)
        print(f"{path}: {row['format'] or 'refused'}; {kinds}")
        for problem in row["problems"]:
            print(f"  {path}:{problem['line']}: {problem['what']}")
    return 1 if refused else 0


def bank_remove(settings: Settings, arguments: Arguments) -> None:
    """Remove a bank that was added."""
    from ingest.banks import remove
    from tutor.assembly import open_embeddings

    report = remove(settings, open_embeddings(settings), arguments.bank)
    _print_banks([dict(row) for row in report.banks], arguments.json)


def bank_unlink(settings: Settings, arguments: Arguments) -> None:
    """Undo the link of a question to the reference of another one, or allow it again."""
    from ingest.banks import restore_links, unlink
    from tutor.assembly import open_embeddings

    act = restore_links if arguments.restore else unlink
    report = act(settings, open_embeddings(settings), arguments.question_id)
    _print_banks([dict(row) for row in report.banks], arguments.json)


def bank_show(settings: Settings, arguments: Arguments) -> None:
    """List the questions of a bank."""
    from tutor.assembly import open_library

    snapshot = open_library(settings).snapshot()
    questions = [question for question in snapshot.questions() if question.bank == arguments.bank]
    if not questions:
        raise TutorError(f"no bank has the name {arguments.bank!r}; see `tutor bank list`")
    for question in questions:
        if arguments.json:
            print_json({**asdict(question), "linked_to": (link := snapshot.links.get(question.id)) and asdict(link)})
        else:
            print(f"{question.id}  {question.kind}  {question.text}")


def _files(paths: list[Path]) -> list[Path]:
    """The paths, and for a folder its banks of our format or, when there are none, all of its Markdown files."""
    from ingest.sources import bank_files

    return [
        file
        for path in paths
        for file in (bank_files(path) or sorted(path.glob("*.md")) if path.is_dir() else [path])
    ]


def _print_banks(rows: list[dict[str, Any]], as_json: bool) -> None:
    for row in rows:
        if as_json:
            print_json(row)
        else:
            print(
                f"{row['bank']:24} {row['questions']:5} questions {row['with_reference']:5} with reference "
                f"{row['linked']:5} linked {row['notes']:4} notes  {row['format']}  {row['path']}"
            )
