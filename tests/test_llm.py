"""The language model seam, against engines that are played by a small HTTP server or a tiny random model."""

import json
import socket
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from tests.fakes import ScriptedModel
from tutor import settings as settings_module
from tutor.errors import ContextOverflow, EngineError, WeightsError
from tutor.llm import chat_model, prewarm
from tutor.llm.llamacpp import ChatLlama, LlamaServer, ServerConfig, shared_server
from tutor.llm.openai_server import chat_openai
from tutor.llm.wire import wire

HI = [SystemMessage("你是助教"), HumanMessage("什么是注意力？")]
TIMINGS = {"cache_n": 60, "prompt_n": 40, "prompt_ms": 12.5, "predicted_n": 2, "predicted_ms": 3.5}


def sse(*events) -> list[bytes]:
    return [b"data: " + (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n\n"
            for event in events]


def delta(text: str) -> dict:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "timings": TIMINGS}
ANSWER = sse(
    delta(None) | {"prompt_progress": {"total": 100, "cache": 60, "processed": 60, "time_ms": 0}},
    delta(None) | {"prompt_progress": {"total": 100, "cache": 60, "processed": 100, "time_ms": 9}},
    delta("注意"), delta("力"), LAST, b"[DONE]",
)


class Engine:
    """Plays the engine's port: `script(body)` gives a status and the pieces to send; a number in it is a pause."""

    def __init__(self, script) -> None:
        self.bodies, self.headers, self.hung_up = [], [], threading.Event()
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                engine.bodies.append(body)
                engine.headers.append(self.headers)
                status, pieces = script(body)
                self.send_response(status)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                try:
                    for piece in pieces:
                        if not isinstance(piece, bytes):
                            self.pause(piece)
                        else:
                            self.wfile.write(piece)
                except ConnectionError:
                    engine.hung_up.set()

            def pause(self, seconds: float) -> None:
                self.connection.settimeout(seconds)
                try:
                    if self.connection.recv(1) == b"":
                        raise ConnectionResetError
                except TimeoutError:
                    pass

            def log_message(self, *args) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class PlayedServer(LlamaServer):
    """A server whose engine is the played one."""

    def __init__(self, address: str) -> None:
        super().__init__(ServerConfig(Path("played.gguf"), 4096, 0))
        self.played = address

    def _start(self):
        return SimpleNamespace(listening_address=self.played)


@pytest.fixture
def play(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    engines = []

    def start(script=lambda body: (200, ANSWER)):
        engines.append(Engine(script))
        return engines[-1]

    yield start
    for engine in engines:
        engine.close()


def llama(engine: Engine, **options) -> ChatLlama:
    return ChatLlama(server=PlayedServer(engine.address), max_tokens=64, **options)


def test_without_a_language_model_the_factory_says_so(settings):
    with pytest.raises(EngineError, match="no language model is configured"):
        chat_model(replace(settings, engine="none"))


def test_an_unknown_or_missing_model_is_named(settings, tmp_path):
    here = replace(settings, engine="llamacpp", models=tmp_path)
    with pytest.raises(EngineError, match="takes qwen2.5-coder-1.5b, qwen2.5-coder-0.5b or a GGUF file"):
        chat_model(replace(here, model="gpt-9"))
    with pytest.raises(EngineError, match="embeddinggemma-300m|GGUF"):
        chat_model(replace(here, model=str(tmp_path)))
    with pytest.raises(WeightsError, match="is missing: run `tutor weights`"):
        chat_model(replace(here, model="qwen2.5-coder-0.5b"))


def test_the_factory_loads_nothing(settings, tmp_path):
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF, but not really")
    model = chat_model(replace(settings, engine="llamacpp", model=str(own)))
    assert chat_model(replace(settings, engine="llamacpp", model=str(own))).server is model.server
    with pytest.raises(EngineError, match="own.gguf cannot be loaded"):
        model.invoke(HI)


def test_one_engine_serves_all_models_of_one_configuration():
    config = ServerConfig(Path("a.gguf"), 1024, 0)
    first = shared_server(config)
    assert shared_server(config) is first
    assert shared_server(replace(config, context=2048)) is not first


def test_an_answer_streams_and_ends_with_timings(play):
    engine = play()
    model = llama(engine)
    chunks = list(model.stream(HI))
    assert "".join(chunk.text for chunk in chunks) == "注意力"
    assert chunks[-1].response_metadata["timings"] == {
        "prompt_tokens": 100, "cached_tokens": 60, "prompt_ms": 12.5, "predicted_tokens": 2, "predicted_ms": 3.5}
    whole = model.invoke(HI)
    assert whole.text == "注意力"
    assert whole.response_metadata["prompt"] == {"read": 100, "total": 100}
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.usage_metadata == {"input_tokens": 100, "output_tokens": 2, "total_tokens": 102}


def test_the_request_is_bounded_and_carries_the_key(play):
    engine = play()
    model = llama(engine)
    model.invoke(HI, max_tokens=10_000, seed=3)
    model.invoke(HI, max_tokens=5)
    model.invoke(HI)
    assert [body["max_tokens"] for body in engine.bodies] == [64, 5, 64]
    assert engine.bodies[0]["seed"] == 3
    assert engine.bodies[0]["messages"] == [{"role": "system", "content": "你是助教"},
                                            {"role": "user", "content": "什么是注意力？"}]
    assert all(headers["Authorization"] == f"Bearer {model.server.key}" for headers in engine.headers)
    assert len(model.server.key) >= 32


def test_a_stream_that_waits_gives_empty_chunks(play):
    engine = play(lambda body: (200, [0.9, *ANSWER]))
    started = time.monotonic()
    first = next(iter(llama(engine).stream(HI)))
    assert first.text == "" and time.monotonic() - started < 0.8


@pytest.mark.parametrize("before", [[], ANSWER[:1], ANSWER[:3]], ids=["waiting", "reading", "writing"])
def test_closing_the_stream_hangs_up_and_leaves_no_thread(play, before):
    engine = play(lambda body: (200, [*before, 30.0, *ANSWER]))
    model = llama(engine)
    threads = threading.active_count()
    stream = model.stream(HI)
    for _ in range(len(before) + 1):
        next(stream)
    stream.close()
    assert engine.hung_up.wait(2.0)
    deadline = time.monotonic() + 2
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= threads


def test_a_prompt_that_does_not_fit_is_a_context_overflow(play):
    error = {"error": {"code": 400, "type": "exceed_context_size_error", "message": "too long", "n_prompt_tokens": 7218,
                       "n_ctx": 4096}}
    with pytest.raises(ContextOverflow, match="7218 tokens, the model's context has 4096"):
        llama(play(lambda body: (400, [json.dumps(error).encode()]))).invoke(HI)


@pytest.mark.parametrize("status,pieces,said", [
    (500, [b'{"error": {"message": "out of memory"}}'], "refused the request: out of memory"),
    (502, [b"<html>"], "refused the request: <html>"),
    (200, [*ANSWER[:3], b'error: {"message": "slot lost"}\n\n'], "refused the request: slot lost"),
    (200, [*ANSWER[:3], b'data: {"error": {"message": "slot lost"}}\n\n'], "refused the request: slot lost"),
    (200, ANSWER[:3], "broke off"),
    (200, [b"data: {torn\n\n"], "does not answer"),
])
def test_a_failing_engine_is_a_named_error(play, status, pieces, said):
    with pytest.raises(EngineError, match=said):
        llama(play(lambda body: (status, pieces))).invoke(HI)


def test_an_engine_that_is_gone_is_a_named_error(play):
    engine = play()
    model = llama(engine)
    with socket.create_server(("127.0.0.1", 0)) as free:
        model.server.played = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EngineError, match="does not answer"):
        model.invoke(HI)


def test_answers_of_learners_who_ask_at_once_never_mix(play):
    def echo(body):
        word = body["messages"][-1]["content"]
        pieces = [piece for i in range(20) for piece in (*sse(delta(f"{word}{i} ")), 0.001)]
        return 200, [*pieces, *sse(LAST, b"[DONE]")]

    model = llama(play(echo))
    found = {}

    def ask(word: str) -> None:
        found[word] = [model.invoke([HumanMessage(word)]).text for _ in range(3)]

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("anna", "bo", "chen")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {word: ["".join(f"{word}{i} " for i in range(20))] * 3 for word in ("anna", "bo", "chen")}


@examples(deadline=None)
@given(st.text(st.characters()))  # includes lone surrogates
def test_any_text_travels(text):
    (message,) = wire([HumanMessage(text)])
    message["content"].encode("utf-8")
    assert json.loads(json.dumps(message)) == message
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert message["content"] == text


def test_only_chat_messages_travel():
    assert [m["role"] for m in wire([SystemMessage("a"), HumanMessage("b"), AIMessage("c")])] == [
        "system", "user", "assistant"]
    with pytest.raises(EngineError, match="not tool"):
        wire([ToolMessage("x", tool_call_id="1")])


def test_prewarming_reads_the_prompt_and_writes_one_token(play):
    engine = play()
    assert prewarm(llama(engine), HI)
    assert engine.bodies[0]["max_tokens"] == 1


def test_prewarming_stops_when_told(play):
    engine = play(lambda body: (200, [30.0, *ANSWER]))
    assert not prewarm(llama(engine), HI, lambda: False)
    assert engine.hung_up.wait(2.0)


def test_prewarming_works_with_any_chat_model():
    assert prewarm(ScriptedModel(replies=["x"]), HI)


def openai_events(body):
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": 4}}
    base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return 200, sse(base | delta("你"), base | delta("好"), base | {"choices": [], "usage": usage}, b"[DONE]")


def test_a_server_with_the_openai_protocol_streams_with_timings(play):
    engine = play(openai_events)
    model = chat_openai(engine.address + "/v1", "", "m", 64)
    chunks = list(model.stream(HI))
    assert "".join(chunk.text for chunk in chunks) == "你好"
    timings = next(c.response_metadata["timings"] for c in chunks if "timings" in c.response_metadata)
    assert (timings["prompt_tokens"], timings["cached_tokens"], timings["predicted_tokens"]) == (9, 4, 2)
    assert model.invoke(HI, max_tokens=1).text == "你好"
    assert engine.bodies[0]["model"] == "m" and engine.bodies[0]["temperature"] == 0


def test_a_server_that_ignores_the_limit_is_cut_off(play):
    base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    engine = play(lambda body: (200, [*sse(*[base | delta("a")] * 100), b"data: [DONE]\n\n"]))
    assert chat_openai(engine.address, "k", "m", 10).invoke(HI).text == "a" * 10


@pytest.mark.parametrize("status,message,error,said", [
    (400, "This model's maximum context length is 4096 tokens", ContextOverflow, "longer than"),
    (401, "bad key", EngineError, "set OPENAI_API_KEY"),
    (404, "model not found", EngineError, "model not found"),
])
def test_failures_of_a_server_are_named(play, status, message, error, said):
    engine = play(lambda body: (status, [json.dumps({"error": {"message": message}}).encode()]))
    with pytest.raises(error, match=said):
        chat_openai(engine.address, "", "m", 16).invoke(HI)


def test_a_server_that_is_not_there_is_named(settings):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    model = chat_model(replace(settings, engine="openai", base_url=address, model="m"))
    with pytest.raises(EngineError, match="cannot be reached"):
        model.invoke(HI)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a random model of the transformers library, small enough to run in milliseconds."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    words = Tokenizer(models.WordLevel({"<end>": 0, "<unk>": 1} | {f"w{i}": i for i in range(2, 40)}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", unk_token="<unk>")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=30, hidden_size=16, intermediate_size=16, num_hidden_layers=1, eos_token_id=0,
                         num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=4096)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def transformers_model(settings, folder, **options):
    options = {"engine": "transformers", "model": str(folder), "context": 32, "max_tokens": 16} | options
    return chat_model(replace(settings, **options))


def test_transformers_streams_and_ends_with_timings(settings, tiny):
    model = transformers_model(settings, tiny)
    chunks = list(model.stream([HumanMessage("w2 w3 w4")]))
    timings = chunks[-1].response_metadata["timings"]
    assert timings["prompt_tokens"] == 3 and 0 < timings["predicted_tokens"] <= 16
    assert "".join(chunk.text for chunk in chunks).strip()
    assert model.invoke([HumanMessage("w2 w3 w4")], max_tokens=2).response_metadata["timings"]["predicted_tokens"] == 2


def test_transformers_refuses_what_does_not_fit(settings, tiny):
    with pytest.raises(ContextOverflow, match="40 tokens, the model's context has 32"):
        transformers_model(settings, tiny).invoke([HumanMessage("w2 " * 40)])


def test_a_failure_of_the_worker_reaches_the_caller(settings, tiny):
    model = transformers_model(settings, tiny)
    with pytest.raises(EngineError, match="failed"):
        model.invoke([HumanMessage("w35")])  # the tokenizer knows more words than the model
    assert model.invoke([HumanMessage("w2")], max_tokens=1).response_metadata["timings"]["predicted_tokens"] == 1


def test_a_closed_transformers_stream_frees_the_worker(settings, tiny):
    model = transformers_model(settings, tiny, context=4096, max_tokens=3000)
    model.invoke([HumanMessage("w5")], max_tokens=1)
    started = time.monotonic()
    model.invoke([HumanMessage("w5")], max_tokens=100)
    hundred = time.monotonic() - started
    stream = model.stream([HumanMessage("w2 w3")])
    next(stream)
    stream.close()
    started = time.monotonic()
    model.invoke([HumanMessage("w5")], max_tokens=1)
    assert time.monotonic() - started < 10 * hundred, "the closed request was generated to its end"


def test_a_folder_without_a_model_is_named(settings, tmp_path):
    with pytest.raises(EngineError, match="which transformers cannot load"):
        transformers_model(settings, tmp_path).invoke(HI)


def test_the_default_settings_choose_the_embedded_engine():
    assert settings_module.load().engine == "llamacpp"
