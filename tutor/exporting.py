"""Write a learner's attempts as Markdown, JSON, or CSV that Anki imports."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tutor.errors import TutorError
from tutor.records import Attempt


def export(attempts: Sequence[Attempt], path: Path) -> None:
    """Write the attempts in the format that the ending of `path` names.

    :raises TutorError: the ending is another one than .md, .json or .csv, or the file cannot be written.
    """
    writers = {".md": _as_markdown, ".json": _as_json, ".csv": _as_csv}
    if path.suffix not in writers:
        raise TutorError(f"{path}: export writes .md, .json or .csv, not {path.suffix or 'a file without ending'}")
    try:
        writers[path.suffix](attempts, path)
    except OSError as error:
        raise TutorError(f"{path}: cannot be written ({error.strerror})") from error


def _as_markdown(attempts: Sequence[Attempt], path: Path) -> None:
    blocks = ["# 作答记录"]
    for attempt in attempts:
        points = "\n".join(f"- {point.verdict} [{point.weight:g}] {point.text}" for point in attempt.grade.points)
        blocks.append(
            f"## {attempt.question_id} — {attempt.grade.score:g}\n\n{attempt.at}\n\n{attempt.reply}\n\n{points}"
        )
    path.write_text("\n\n".join(blocks) + "\n", "utf-8")


def _as_json(attempts: Sequence[Attempt], path: Path) -> None:
    path.write_text(json.dumps([asdict(attempt) for attempt in attempts], ensure_ascii=False, indent=1), "utf-8")


def _as_csv(attempts: Sequence[Attempt], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for attempt in attempts:
            missed = "\n".join(point.text for point in attempt.grade.points if point.verdict != "covered")
            writer.writerow(
                [attempt.question_id, attempt.grade.reference or missed, missed, f"{attempt.grade.score:g}"]
            )
