"""The edge of the command line: JSON lines in and out, a progress bar, messages for people on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tutor.errors import TutorError


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON lines file; blank lines are skipped. :raises TutorError: at the first bad line, as path:line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise TutorError(f"{path}:{number}: not JSON ({error.msg})") from None
                if not isinstance(row, dict):
                    raise TutorError(f"{path}:{number}: a JSON object is needed, not {type(row).__name__}")
                yield row
    except FileNotFoundError:
        raise TutorError(f"{path}: there is no such file") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise TutorError(f"{path}: not a text file in UTF-8") from None


def turns_of(row: Mapping[str, Any], path: Path) -> list[str]:
    """The turns of a batch line, oldest first; the last one is the question. :raises TutorError: it has none."""
    turns = row.get("turns", [row["q"]] if "q" in row else None)
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
        raise TutorError(
            f'{path}: each line needs {{"q": "..."}} or {{"turns": ["...", "..."]}}, not {json.dumps(row)[:80]}'
        )
    return turns


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with time left, on standard error; silent when that is not a terminal. Yields `update(done, total)`."""
    with tqdm(total=0, desc=what, unit=unit, file=sys.stderr, disable=None) as shown:

        def update(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)
            shown.refresh()

        yield update


def print_json(row: Mapping[str, Any]) -> None:
    """Print one object as one line on standard output."""
    print(json.dumps(row, ensure_ascii=False), flush=True)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, file=sys.stderr)
