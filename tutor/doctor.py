"""Examine an installation: what is there, what is missing, what to run. `offline` proves it with sockets blocked."""

from __future__ import annotations

import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from tutor import weights
from tutor.embedding import resolve_dtype
from tutor.errors import TutorError
from tutor.library import check_manifest, current_version, read_manifest
from tutor.settings import Settings

_NEEDED_GIB = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing examined. `detail` says what was found, and what to do when it is not `ok`."""

    what: str
    ok: bool
    detail: str


def examine(settings: Settings, *, offline: bool = False) -> list[Finding]:
    """Examine everything; with `offline`, also index, ask and grade with every socket but loopback blocked."""
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("python", _python),
        ("disk", _disk),
        ("weights", _weights),
        ("arithmetic", lambda s: f"embeddings and judge in {resolve_dtype(s.dtype)}"),
        ("index", _index),
        ("engine", _engine),
    ]
    if offline:
        checks.append(("offline", _offline))
    return [_run(what, check, settings) for what, check in checks]


def _run(what: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(what, True, check(settings))
    except TutorError as error:
        return Finding(what, False, str(error))


def _python(_: Settings) -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _disk(settings: Settings) -> str:
    place = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(place).free / 2**30
    if free < _NEEDED_GIB and not settings.models.is_dir():
        raise TutorError(f"{free:.1f} GiB are free at {place}; the models need {_NEEDED_GIB} GiB")
    return f"{free:.1f} GiB free"


def _weights(settings: Settings) -> str:
    names = ["embeddinggemma-300m", *([settings.model] if settings.engine == "llamacpp" else [])]
    for name in names:
        weights.path(settings.models, name)
    return f"{', '.join(names)} in {settings.models}"


def _index(settings: Settings) -> str:
    from tutor.assembly import open_embeddings

    version = current_version(settings.index)
    if version is None:
        raise TutorError("there is no index yet; run `tutor index`")
    manifest = read_manifest(settings.index / version)
    check_manifest(manifest, open_embeddings(settings).identity)
    questions = sum(bank["questions"] for bank in manifest["banks"])
    return f"{len(manifest['banks'])} banks, {questions} questions, {manifest['chunks']} texts"


def _engine(settings: Settings) -> str:
    if settings.engine == "none":
        return "no language model: answers are extracts"
    compiler = shutil.which("cc") or shutil.which("gcc")
    hint = "; a C compiler is here: an engine built for this CPU reads prompts faster (see README)" if compiler else ""
    return f"{settings.engine}, {settings.model}{hint if settings.engine == 'llamacpp' else ''}"


def _offline(settings: Settings) -> str:
    """Index one bank, retrieve, answer without the language model and grade, with no way out of this machine."""
    from ingest.index import build
    from ingest.sources import shipped_sources
    from tutor.answering import stream_answer
    from tutor.assembly import open_grader, open_tutor

    bank = next((source.file for source in shipped_sources(settings)), None)
    if bank is None:
        raise TutorError(f"{settings.corpus} has no bank to try with")
    with TemporaryDirectory() as folder, _blocked() as attempts:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        shutil.copy(bank, corpus)
        trial = replace(settings, home=Path(folder) / "home", corpus=corpus, engine="none")
        tutor = open_tutor(trial)
        build(trial, tutor.embeddings)
        snapshot = tutor.library.snapshot()
        question = next(one for one in snapshot.questions() if one.kind == "open" and one.reference)
        *_, answer = stream_answer(tutor, question.text)
        grade = open_grader(trial).grade(question, question.reference, snapshot)
        tutor.library.close()
    if answer.refused:
        raise TutorError("the tutor did not find a question of its own bank")
    if attempts:
        raise TutorError(f"something tried to reach {', '.join(sorted(set(attempts)))}")
    return f"indexed, answered with {len(answer.citations)} citations, graded {grade.score:g}; no connection was tried"


@contextmanager
def _blocked() -> Iterator[list[str]]:
    """Refuse connections to anything but this machine; yields the addresses that were tried."""
    attempts: list[str] = []
    original = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:  # noqa: ANN401 (whatever socket takes)
        host = address[0] if isinstance(address, tuple) else ""
        if host and not host.startswith("127.") and host not in ("::1", "localhost"):
            attempts.append(host)
            _refuse(host)
        original(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign, assignment]
    try:
        yield attempts
    finally:
        socket.socket.connect = original  # type: ignore[method-assign]


def _refuse(host: str) -> NoReturn:
    raise OSError(f"connection to {host} refused: this is the offline check")
