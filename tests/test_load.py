"""Eight learners ask at once through the app's own queue: served as they came, never mixed, told their place, stoppable."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

LEARNERS = 8
FREED_WITHIN = 3.0
ROOT = Path(__file__).resolve().parents[1]
QUESTION = "为什么缩放点积注意力要除以 √d_k？"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The app in a process of its own, with a model that echoes: Gradio leaves event loops open in the test's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    run = [sys.executable, "-m", "tests.echo_server", str(tmp_path_factory.mktemp("load")), str(port)]
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    with subprocess.Popen(run, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            events = json.loads(next(line for line in process.stdout if line.startswith("{")))
            yield SimpleNamespace(address=f"http://127.0.0.1:{port}", **events)
        finally:
            process.kill()


class Learner:
    """A browser's part of the protocol: put an event into the queue, then listen.

    :ivar places: the place in the queue, from 0, whenever it was told.
    :ivar shown: all that was shown, as JSON. :ivar started: (and first, done) when its event began, showed, ended.
    """

    def __init__(self, served, name):
        self.served, self.name, self.session = served, name, f"session{name}{time.monotonic_ns()}"
        self.cookie = {"Cookie": f"tutor_learner={self.session}"}
        self.places, self.shown = [], []
        self.started = self.first = self.done = 0.0

    def post(self, path, **body):
        address, sent = f"{self.served.address}/gradio_api/{path}", {"session_hash": self.session, **body}
        answer = httpx.post(address, json=sent, headers=self.cookie, timeout=60)
        return answer.raise_for_status().json()

    def join(self, function, data):
        self.places, self.shown = [], []
        self.started = self.first = self.done = 0.0
        return self.post("queue/join", data=data, fn_index=function, event_data=None, trigger_id=None)["event_id"]

    def listen(self, event):
        address = f"{self.served.address}/gradio_api/queue/data?session_hash={self.session}"
        with httpx.stream("GET", address, headers=self.cookie, timeout=60) as stream:
            for line in stream.iter_lines():
                message = json.loads(line[6:]) if line.startswith("data: ") else {}
                now = time.monotonic()
                match message.get("msg") if message.get("event_id") == event else None:
                    case "estimation":
                        self.places.append(message["rank"])
                    case "process_starts":
                        self.started = now
                    case "process_generating":
                        self.first = self.first or now
                        self.shown.append(json.dumps(message, ensure_ascii=False))
                    case "process_completed":
                        self.shown.append(json.dumps(message, ensure_ascii=False))
                        assert message["success"], message
                        self.done = now
                        return

    def type(self, text):
        self.listen(self.join(self.served.ask, [text]))

    def send(self):
        """Ask what was typed. Returns the event and the thread that listens to it."""
        event = self.join(self.served.answer, [None, None, None])
        thread = threading.Thread(target=self.listen, args=(event,), daemon=True)
        thread.start()
        return event, thread


def test_eight_learners_are_served_as_they_came_and_never_mixed(served):
    learners = [Learner(served, i) for i in range(LEARNERS)]
    for learner in learners:
        learner.type(f"{QUESTION}学员{learner.name}")
    threads = [learner.send()[1] for learner in learners]
    for thread in threads:
        thread.join(60)
    assert all(learner.done for learner in learners), "somebody starved"
    assert [learner.name for learner in sorted(learners, key=lambda one: one.started)] == list(range(LEARNERS))
    for learner in learners:
        assert set(re.findall(r"学员(\d)", "".join(learner.shown))) == {str(learner.name)}
    assert max(learners[-1].places) >= 1, "those who wait are told their place"
    assert learners[-1].places == sorted(learners[-1].places, reverse=True), "nobody is moved back"


def test_a_cancelled_request_frees_the_model_within_seconds(served):
    slow, patient = Learner(served, 0), Learner(served, 1)
    slow.type(f"{QUESTION}慢慢读")
    patient.type(f"{QUESTION}学员1")
    event, _ = slow.send()
    deadline = time.monotonic() + 20
    while not slow.first and time.monotonic() < deadline:
        time.sleep(0.02)
    _, waiting = patient.send()
    time.sleep(0.5)
    assert slow.first and not patient.started, "there is one model: the second waits"
    stopped = time.monotonic()
    slow.post("cancel", fn_index=served.answer, event_id=event)
    waiting.join(20)
    assert patient.done and patient.started - stopped <= FREED_WITHIN
    assert "学员1" in "".join(patient.shown)
