"""Check bank files: `python -m ingest check FILE...` prints what was found and exits with 1 when a file is refused."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ingest.checking import report
from ingest.parsing import FORMATS, parse_file
from tutor.errors import BankError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m ingest", description=__doc__)
    check = parser.add_subparsers(dest="command", required=True).add_parser(
        "check", help="read bank files, add nothing"
    )
    check.add_argument("files", nargs="+", type=Path)
    check.add_argument("--format", choices=FORMATS)
    given = parser.parse_args(arguments)
    refused = 0
    for path in given.files:
        try:
            found = report(parse_file(path, format=given.format))
        except BankError as error:
            refused += 1
            _print(f"{path}: refused")
            for problem in error.problems:
                _print(f"  {path}:{problem.line}: {problem.what}")
            continue
        kinds = ", ".join(f"{count} {kind}" for kind, count in found["kinds"].items() if count)
        _print(f"{path}: {found['format']} ({found['confidence']:.2f}), {found['questions']} questions ({kinds}), "
               f"{found['with_reference']} with a reference")  # fmt: skip
        for each in found["problems"]:
            _print(f"  {path}:{each['line']}: {each['what']}")
    return 1 if refused else 0


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
