"""The app with a language model that echoes, as a process of its own: `python -m tests.echo_server FOLDER PORT`.

Prints one JSON line once it serves: the numbers of the two events that a browser puts into the queue to ask something.
"""

import asyncio
import json
import random
import re
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from ingest.index import build
from tests.conftest import BANK
from tests.fakes import ScriptedModel, WordEmbeddings, WordJudge, judge_by_words
from tutor import settings as settings_module
from tutor.answering import Tutor
from tutor.history import open_history
from tutor.library import Library
from tutor.ui.app import build_app
from tutor.ui.services import Services

SLOW = "慢慢读"
READING = 0.15


class Echo(ScriptedModel):
    """Reads for a moment (a minute when told to), as an engine does, then names the learner who asked."""

    replies: list[str] = []

    def _stream(self, messages, stop=None, run_manager=None, **_):
        asked = re.search(rf"(学员\d+|{SLOW})", messages[-1].content)[1]
        until = time.monotonic() + (60 if asked == SLOW else READING)
        while time.monotonic() < until:
            time.sleep(0.02)
            yield ChatGenerationChunk(message=AIMessageChunk(""))
        for piece in (asked, "问的是点积的方差。", "[1]"):
            yield ChatGenerationChunk(message=AIMessageChunk(piece))


def main(folder: Path, port: int) -> None:
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "tiny.md").write_text(BANK, "utf-8")
    # with a host that others can reach, every browser is a learner of its own
    settings = replace(settings_module.load({}), home=folder / "home", corpus=corpus, engine="none", host="0.0.0.0")
    embeddings = WordEmbeddings()
    build(settings, embeddings)
    tutor = Tutor(Library(settings.index, embeddings), embeddings, Echo(), judge_by_words, "zh")
    services = Services(settings, tutor, WordJudge(), open_history(settings.database),
                        lambda: datetime.now(UTC), random.choice)  # fmt: skip

    async def lay_out():
        return build_app(services)

    app = asyncio.run(lay_out())
    names = {number: getattr(function.fn, "__qualname__", "") for number, function in app.fns.items()}
    events = {"ask": next(number for number, name in names.items() if name == "Chat._connect.<locals>.<lambda>"),
              "answer": next(number for number, name in names.items() if name == "Chat.answer")}  # fmt: skip
    app.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, ssr_mode=False,
               share=False, inbrowser=False)  # fmt: skip
    sys.stdout.write(json.dumps(events) + "\n")
    sys.stdout.flush()
    app.block_thread()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
