"""The embedded engine with real weights (the small model): cancelling, reuse of prompts, the port, the end."""

import http.client
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from tutor import settings as settings_module
from tutor.errors import ContextOverflow
from tutor.llm import chat_model, prewarm

pytestmark = pytest.mark.model

SENTENCE = "梯度消失是指反向传播时梯度随层数变小，导致浅层参数几乎不更新。"
SYSTEM = SystemMessage("You are a tutor for interviews.")
SHORT = [SYSTEM, HumanMessage("hi")]


def long_prompt(start: str, repeat: int = 60) -> list:
    return [SYSTEM, HumanMessage(start + SENTENCE * repeat + "请总结。")]


@pytest.fixture(scope="module")
def model(models):
    chosen = replace(settings_module.load({}), models=models, engine="llamacpp", model="qwen2.5-coder-0.5b",
                     context=2048, cache_mib=256, max_tokens=400)
    model = chat_model(chosen)
    model.invoke(SHORT, max_tokens=2)
    return model


def first_token(model, messages) -> float:
    started = time.monotonic()
    stream = model.stream(messages, max_tokens=4)
    next(chunk for chunk in stream if chunk.text)
    took = time.monotonic() - started
    stream.close()
    return took


@pytest.fixture(scope="module")
def batch_seconds(model) -> float:
    """How long this machine takes at the moment to read what the engine reads in one go (64 tokens)."""
    timings = model.invoke(long_prompt("速度", 6), max_tokens=1).response_metadata["timings"]
    return timings["prompt_ms"] / 1000 / (timings["prompt_tokens"] - timings["cached_tokens"]) * 64


def test_it_answers_and_counts(model):
    answer = model.invoke([SYSTEM, HumanMessage("Write the word: transformer")], max_tokens=12)
    assert "transformer" in answer.text.lower()
    timings = answer.response_metadata["timings"]
    assert timings["prompt_tokens"] > timings["cached_tokens"] >= 0
    assert 0 < timings["predicted_tokens"] <= 12


def test_only_the_new_end_of_a_prompt_is_read(model):
    passages = SENTENCE * 12
    model.invoke([SYSTEM, HumanMessage(f"{passages}\n什么是梯度消失？")], max_tokens=1)
    model.invoke([SYSTEM, HumanMessage(f"另一份资料。{passages}")], max_tokens=1)
    for question in ("怎么缓解？", "为什么会这样？"):
        timings = model.invoke([SYSTEM, HumanMessage(f"{passages}\n{question}")], max_tokens=1).response_metadata["timings"]
        assert timings["prompt_tokens"] - timings["cached_tokens"] <= 40
        assert timings["cached_tokens"] >= 0.9 * (timings["prompt_tokens"] - 20)


def test_a_prewarmed_prompt_is_not_read_again(model):
    messages = long_prompt("预热", 10)
    assert prewarm(model, messages)
    timings = model.invoke(messages, max_tokens=1).response_metadata["timings"]
    assert timings["prompt_tokens"] - timings["cached_tokens"] <= 2


def test_after_cancelling_in_the_answer_the_next_request_starts_at_once(model, batch_seconds):
    for i in range(3):
        stream = model.stream([SYSTEM, HumanMessage(f"{i}. 写一篇关于梯度消失的长文章")])
        for _ in range(8):
            next(stream)
        stream.close()
        assert first_token(model, SHORT) <= max(2.0, 0.5 + 3 * batch_seconds)


def test_after_cancelling_while_reading_the_next_request_starts_soon(model, batch_seconds):
    for i in range(3):
        stream = model.stream(long_prompt(f"第{i}份。"))
        started = time.monotonic()
        while time.monotonic() - started < 1.2:
            assert next(stream).text == "", "the prompt was read too fast for this test"
        stream.close()
        assert first_token(model, SHORT) <= max(3.0, 1.5 + 4 * batch_seconds)


def test_requests_are_served_in_the_order_they_came(model):
    order, lock = [], threading.Lock()

    def ask(name: int) -> None:
        stream = model.stream([SYSTEM, HumanMessage(f"{name}. {SENTENCE}")], max_tokens=12)
        next(chunk for chunk in stream if chunk.text)
        with lock:
            order.append(name)
        for _ in stream:
            pass

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
        time.sleep(0.15)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_a_prompt_that_does_not_fit_is_refused_by_name(model):
    with pytest.raises(ContextOverflow, match="the model's context has 2048"):
        model.invoke(long_prompt("", 200))


def test_lone_surrogates_do_not_break_it(model):
    assert isinstance(model.invoke([HumanMessage("hi \ud83d there")], max_tokens=2).text, str)


def ask_port(model, method: str, path: str, key: str = "", origin: str = "") -> tuple[int, http.client.HTTPMessage]:
    address = urlsplit(model.server.address())
    assert address.hostname == "127.0.0.1"
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    headers = {"Content-Type": "text/plain"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if origin:
        headers |= {"Origin": origin, "Access-Control-Request-Method": "POST"}
    connection.request(method, path, b'{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}', headers)
    with connection.getresponse() as response:
        response.read()
    connection.close()
    return response.status, response.headers


ROUTES = [("GET", path) for path in ("/v1/models", "/models", "/slots", "/props", "/metrics", "/lora-adapters", "/tools")]
ROUTES += [("POST", path) for path in (
    "/v1/chat/completions", "/chat/completions", "/completion", "/completions", "/v1/completions", "/infill",
    "/tokenize", "/detokenize", "/apply-template", "/embeddings", "/v1/embeddings", "/v1/responses", "/v1/messages",
    "/rerank", "/slots/0?action=save", "/props", "/lora-adapters")]


@pytest.mark.parametrize("method,path", ROUTES)
def test_the_port_does_nothing_without_the_key(model, method, path):
    assert ask_port(model, method, path)[0] in (401, 404)
    assert ask_port(model, method, path, key="wrong")[0] in (401, 404)


@pytest.mark.parametrize("path", ["/slots", "/metrics", "/tools", "/"])
def test_what_is_not_needed_is_off_even_with_the_key(model, path):
    assert ask_port(model, "GET", path, key=model.server.key)[0] in (403, 404, 501)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:7860"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_page_of_a_browser_is_let_in(model, method, origin):
    _, headers = ask_port(model, method, "/v1/models" if method == "GET" else "/v1/chat/completions", origin=origin)
    assert headers.get("Access-Control-Allow-Origin") not in ("*", origin)


ENDING = """
import sys, threading, time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from langchain_core.messages import HumanMessage
from tutor import settings
from tutor.errors import EngineError
from tutor.llm import chat_model
model = chat_model(replace(settings.load({}), models=Path(sys.argv[1]), model="qwen2.5-coder-0.5b", context=1024,
                           cache_mib=64))
stream = model.stream([HumanMessage("写一篇很长的文章")])
next(chunk for chunk in stream if chunk.text)
def read_another():
    with suppress(EngineError):  # it may notice that the engine is gone before the interpreter ends it
        list(model.stream([HumanMessage("再写一篇")]))
other = threading.Thread(target=read_another, daemon=True)
other.start()
time.sleep(0.3)
print("ending", flush=True)
"""


def test_the_interpreter_ends_cleanly_in_the_middle_of_an_answer(models):
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen([sys.executable, "-W", "error", "-c", ENDING, str(models)], env=environ,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ending\n"
            started = time.monotonic()
            _, complaints = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, complaints) == (0, "")
    assert time.monotonic() - started < 10
