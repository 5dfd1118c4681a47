"""What each command does. Results go to standard output, everything else to standard error."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

from tutor.console import print_json, progress_bar, read_jsonl, say, turns_of
from tutor.errors import TutorError
from tutor.records import CitedAnswer
from tutor.settings import Settings

Arguments = argparse.Namespace


def serve(settings: Settings, arguments: Arguments) -> None:
    """Start the web app and stay."""
    from dataclasses import replace

    from tutor.ui.app import launch

    launch(replace(settings, host=arguments.host or settings.host, port=arguments.port or settings.port))


def ask(settings: Settings, arguments: Arguments) -> None:
    """Answer one question, or a batch of them."""
    from tutor.answering import earlier_questions, stream_answer
    from tutor.assembly import open_tutor

    tutor = open_tutor(settings)
    filters = _filters(arguments)
    if arguments.batch:
        for row in read_jsonl(arguments.batch):
            *before, question = turns_of(row, arguments.batch)
            *_, final = stream_answer(tutor, question, earlier_questions(before), filters=filters)
            print_json({**_done(final), "passages": [asdict(passage) for passage in final.passages]})
        return
    if arguments.question is None:
        raise TutorError("nothing to answer: give a question, or --batch FILE")
    shown, sources_shown = "", False
    for answer in stream_answer(tutor, arguments.question, filters=filters):
        if not sources_shown:
            _show_sources(answer, arguments.json)
            sources_shown = True
        new = answer.text[len(shown) :] if answer.text.startswith(shown) else ""
        shown = answer.text
        if arguments.json:
            if new:
                print_json({"event": "token", "text": new})
            if answer.done:
                print_json(_done(answer))
        else:
            print(new, end="", flush=True)
            if answer.done:
                _show_end(answer)
    if arguments.style != "full":
        _restate(tutor, answer, arguments.style, arguments.json)


def search(settings: Settings, arguments: Arguments) -> None:
    """Retrieve for one query, or for a batch of them."""
    from tutor.assembly import open_library
    from tutor.followups import resolve_all
    from tutor.retrieval import retrieve

    library = open_library(settings)
    filters = _filters(arguments)

    def found(turns: list[str]) -> dict[str, Any]:
        started = time.monotonic()
        resolved = resolve_all(turns)[-1]
        result = retrieve(library.snapshot(), library.embeddings, resolved, arguments.k, filters)
        return {
            "passages": [asdict(passage) for passage in result.passages],
            "refused": result.refused,
            "seconds": round(time.monotonic() - started, 4),
            "query": resolved,
            "nearest": [asdict(passage) for passage in result.nearest] if result.refused else [],
        }

    if arguments.batch:
        for row in read_jsonl(arguments.batch):
            print_json(found(turns_of(row, arguments.batch)))
        return
    if arguments.query is None:
        raise TutorError("nothing to search: give a query, or --batch FILE")
    result = found([arguments.query])
    if arguments.json:
        print_json(result)
        return
    if result["refused"]:
        print("题库里没有相关内容。最接近的题目：")
    for passage in result["passages"] or result["nearest"]:
        print(f"[{passage['n']}] {passage['score']:.2f}  {passage['title']}")
        print(f"     {passage['path']}:{passage['line']}  id {passage['question_id']}")


def grade(settings: Settings, arguments: Arguments) -> None:
    """Grade one reply to a question of the banks, or a batch of given items."""
    from tutor.assembly import open_grader, open_library

    grader = open_grader(settings, prose=not arguments.no_feedback)
    if arguments.batch:
        for row in read_jsonl(arguments.batch):
            print_json(grader.grade_row(row))
        return
    if not arguments.question_id or arguments.answer is None:
        raise TutorError("nothing to grade: give --question-id and --answer, or --batch FILE")
    snapshot = open_library(settings).snapshot()
    question = snapshot.question(arguments.question_id)
    result = grader.grade(question, arguments.answer, snapshot)
    if arguments.json:
        print_json({"id": question.id, **asdict(result)})
        return
    marks = {"covered": "✅", "partial": "🟡", "missing": "⬜", "contradicted": "❌"}
    print(f"{result.score:g}/100  {' '.join(result.flags)}")
    for point in result.points:
        print(
            f"{marks[point.verdict]} [{point.weight:g}] {point.text}"
            + (f"\n     “{point.quote}”" if point.quote else "")
        )
    if result.feedback:
        print(result.feedback)


def index(settings: Settings, arguments: Arguments) -> None:
    """Build the index."""
    from ingest.index import build
    from tutor.assembly import open_embeddings

    with progress_bar("embedding", "text") as progress:
        report = build(settings, open_embeddings(settings), rebuild=arguments.rebuild, progress=progress)
    if arguments.json:
        print_json(asdict(report))
    say(
        f"index {report.version}: {report.chunks} texts, {report.embedded} embedded, {report.seconds:.1f} s"
        if report.changed
        else f"index {report.version} is up to date"
    )


def weights(settings: Settings, arguments: Arguments) -> None:
    """Fetch or verify the model files."""
    from tutor import weights as models

    names = arguments.names or None
    if arguments.verify:
        models.verify(settings.models, names)
        fetched: list[Any] = []
    else:
        fetched = models.fetch(settings.models, names, source=arguments.source)
    if arguments.json:
        print_json(
            {"models": str(settings.models), "verified": arguments.verify, "fetched": [asdict(one) for one in fetched]}
        )
    say(f"all model files are in {settings.models}")


def doctor(settings: Settings, arguments: Arguments) -> int:
    """Check the installation. Exits 1 when something is wrong."""
    from tutor.doctor import examine

    findings = examine(settings, offline=arguments.offline)
    for finding in findings:
        if arguments.json:
            print_json(asdict(finding))
        else:
            print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}: {finding.detail}")
    return 0 if all(finding.ok for finding in findings) else 1


def evaluate(settings: Settings, arguments: Arguments) -> int:
    """Run a measurement of `eval/`."""
    from eval.__main__ import main as run

    return run([arguments.name, *arguments.rest])


def export(settings: Settings, arguments: Arguments) -> None:
    """Write the attempts to a file."""
    from tutor.exporting import export as write
    from tutor.history import open_history

    attempts = open_history(settings.database).attempts(settings.learner)
    write(attempts, arguments.path)
    if arguments.json:
        print_json({"path": str(arguments.path), "attempts": len(attempts)})
    say(f"{len(attempts)} attempts written to {arguments.path}")


def _done(answer: CitedAnswer) -> dict[str, Any]:
    return {
        "event": "done",
        "answer": answer.text,
        "citations": [asdict(citation) for citation in answer.citations],
        "refused": answer.refused,
        "badge": answer.badge,
        "timings": {key: round(value, 4) for key, value in answer.timings.items()},
        "query": answer.query,
        "suggestions": [asdict(passage) for passage in answer.suggestions],
    }


def _show_sources(answer: CitedAnswer, as_json: bool) -> None:
    if as_json:
        print_json({"event": "sources", "passages": [asdict(passage) for passage in answer.passages]})
        return
    for passage in answer.passages:
        print(f"[{passage.n}] {passage.title}  ({passage.path}:{passage.line})")
    print()


def _show_end(answer: CitedAnswer) -> None:
    print()
    for citation in answer.citations:
        if citation.support != "supported":
            print(f"  ! [{citation.n}] {citation.support}: {citation.sentence}")
    for passage in answer.suggestions:
        print(f"  - {passage.title}  ({passage.path}:{passage.line})")


def _restate(tutor: Any, answer: CitedAnswer, style: str, as_json: bool) -> None:  # noqa: ANN401 (imported lazily)
    """Print what to remember of an answer, or how to say it; nothing when it rests on no reference."""
    from tutor.restating import best_reference, say_aloud, to_remember

    source = best_reference(answer.passages)
    if source is None:
        return
    if style == "brief":
        question = to_remember(tutor.library.snapshot(), source)
        points = [point.text for point in question.points] if question else []
        wrong = [one.text for one in question.misconceptions] if question else []
        if as_json:
            print_json({"event": "brief", "points": points, "misconceptions": wrong})
        else:
            print("\n".join([*(f"+ {text}" for text in points), *(f"x {text}" for text in wrong)]))
        return
    if tutor.model is None:
        raise TutorError("nothing to say aloud: no language model is configured (setting engine)")
    *_, (text, citations) = say_aloud(tutor, source)
    if as_json:
        print_json({"event": "spoken", "text": text, "citations": [asdict(citation) for citation in citations]})
    else:
        print(text)


def _filters(arguments: Arguments) -> Any:  # noqa: ANN401 (imported lazily)
    from tutor.retrieval import Filters

    return Filters(tuple(arguments.bank), tuple(arguments.skill), tuple(arguments.kind))
