"""The command line: arguments in, `tutor.commands` called, errors shown in one line. Knows nothing else."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from tutor import __version__
from tutor.errors import TutorError


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run`, a function of (settings, arguments)."""
    from tutor import bank_commands, commands

    parser = argparse.ArgumentParser(
        prog="tutor", description="LLM/ML interview tutor: offline, cited, graded point by point."
    )
    parser.add_argument("--version", action="version", version=f"interview-tutor {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    serve = verbs.add_parser("serve", help="start the web app")
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port (default 7860)")
    serve.set_defaults(run=commands.serve)

    ask = verbs.add_parser("ask", help="answer a question with citations")
    ask.add_argument("question", nargs="?", help="the question")
    ask.add_argument("--batch", type=Path, metavar="FILE", help='JSON lines {"q":..} or {"turns":[..]}')
    ask.add_argument(
        "--style", choices=["full", "brief", "spoken"], default="full",
        help="after the answer also: what to remember (brief), how to say it in a minute (spoken)",
    )  # fmt: skip
    ask.set_defaults(run=commands.ask)

    search = verbs.add_parser("search", help="retrieval alone")
    search.add_argument("query", nargs="?")
    search.add_argument("-k", type=int, default=5, help="how many passages (default 5)")
    search.add_argument("--batch", type=Path, metavar="FILE", help='JSON lines {"q":..} or {"turns":[..]}')
    search.set_defaults(run=commands.search)
    for verb in (ask, search):
        verb.add_argument("--bank", action="append", default=[], help="only this bank (repeatable)")
        verb.add_argument("--skill", action="append", default=[], help="only this skill (repeatable)")
        verb.add_argument("--kind", action="append", default=[], choices=["open", "choice", "calculation", "topic"])

    grade = verbs.add_parser("grade", help="grade a reply point by point")
    grade.add_argument("--question-id", help="id of a question, as shown by search")
    grade.add_argument("--answer", help="the reply to grade")
    grade.add_argument(
        "--batch", type=Path, metavar="FILE", help='JSON lines {"id","question","reference","answer"[,"points"]}'
    )
    grade.add_argument("--no-feedback", action="store_true", help="skip the prose")
    grade.set_defaults(run=commands.grade)

    bank = verbs.add_parser("bank", help="add, list, check, remove, show question banks; undo links")
    actions = bank.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add bank files and index them")
    add.add_argument("paths", nargs="+", type=Path)
    check = actions.add_parser("check", help="say what every line of a file becomes")
    check.add_argument("paths", nargs="+", type=Path)
    for action in (add, check):
        action.add_argument("--format", help="read as this format instead of sniffing")
    listing = actions.add_parser("list", help="list the banks")
    remove = actions.add_parser("remove", help="remove a bank that was added")
    show = actions.add_parser("show", help="list the questions of a bank")
    for action in (remove, show):
        action.add_argument("bank")
    unlink = actions.add_parser("unlink", help="undo the link of a question to the reference of another one")
    unlink.add_argument("question_id", help="id of the question without a reference, as shown by `bank show`")
    unlink.add_argument("--restore", action="store_true", help="allow it again")
    for action, run in (
        (add, bank_commands.bank_add),
        (check, bank_commands.bank_check),
        (listing, bank_commands.bank_list),
        (remove, bank_commands.bank_remove),
        (show, bank_commands.bank_show),
        (unlink, bank_commands.bank_unlink),
    ):
        action.add_argument("--json", action="store_true", help="print JSON only")
        action.set_defaults(run=run)

    index = verbs.add_parser("index", help="build the index of the corpus and the added banks")
    index.add_argument("--rebuild", action="store_true", help="build from nothing, embed everything again")
    index.set_defaults(run=commands.index)
    weights = verbs.add_parser("weights", help="fetch the pinned model files")
    weights.add_argument("--verify", action="store_true", help="hash every file again")
    weights.add_argument("--from", dest="source", type=Path, metavar="FOLDER", help="take files from this folder first")
    weights.add_argument("names", nargs="*", help="models (default: all)")
    weights.set_defaults(run=commands.weights)
    doctor = verbs.add_parser("doctor", help="check the installation")
    doctor.add_argument("--offline", action="store_true", help="prove that everything works with sockets blocked")
    doctor.set_defaults(run=commands.doctor)
    measure = verbs.add_parser("eval", help="run a measurement: speed, retrieval, grading...")
    measure.add_argument("name")
    measure.add_argument("rest", nargs=argparse.REMAINDER)
    measure.set_defaults(run=commands.evaluate)
    export = verbs.add_parser("export", help="write the attempts as Markdown, JSON or Anki cards")
    export.add_argument("path", type=Path, help="target file: .md, .json or .csv (Anki)")
    export.set_defaults(run=commands.export)
    for verb in (ask, search, grade, index, weights, doctor, export):
        verb.add_argument("--json", action="store_true", help="print JSON only")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code: 0 worked, 1 failed, 2 wrong usage, 130 interrupted."""
    _quieten()
    arguments = build_parser().parse_args(argv)
    from tutor import settings

    try:
        return int(arguments.run(settings.load(), arguments) or 0)
    except TutorError as error:
        print(f"tutor: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # the reader of our output went away; keep Python from complaining about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("tutor: interrupted", file=sys.stderr)
        return 130


def _quieten() -> None:
    """No telemetry, no hub look-ups, no library chatter on the screen."""
    for name in ("GRADIO_ANALYTICS_ENABLED", "ANONYMIZED_TELEMETRY"):
        os.environ[name] = "False"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
