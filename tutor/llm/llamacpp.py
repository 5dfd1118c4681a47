"""llama.cpp inside this process, as a LangChain chat model.

The engine serves HTTP on a port of its own. Requests go through that port, not through direct calls, because closing
the connection is the only thing that stops it while it reads a prompt. The port takes a random key and no page of a
browser may use it.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import secrets
import socket
import threading
import weakref
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict

from tutor.errors import ContextOverflow, EngineError
from tutor.llm.wire import PULSE, wire

_BATCH = 64
"""Tokens read in one go. The engine looks for a cancelled request between two batches."""
_NO_ORIGIN = "http://127.0.0.1:1"
"""The only origin the port allows: one that no page can have."""
_END = object()

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What the engine is started with. `threads` 0: one a core."""

    model: Path
    context: int
    cache_mib: int
    threads: int = 0


class LlamaServer:
    """The engine: started by the first request, stopped when it is no longer used or the interpreter ends."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.key = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._running: list[Any] = []  # the engine itself; dropping it stops it
        self._lines: set[socket.socket] = set()  # of the requests under way
        weakref.finalize(self, _stop, self._running, self._lines)

    def address(self) -> str:
        """The engine's own address, http://HOST:PORT.

        :raises EngineError: the engine cannot load the model.
        """
        with self._lock:
            if not self._running:
                self._running.append(self._start())
            return str(self._running[0].listening_address)

    def _start(self) -> Any:  # noqa: ANN401 (xllamacpp has no types)
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(self.config.model)
        params.n_ctx = self.config.context
        params.n_parallel = 1
        params.n_batch = params.n_ubatch = _BATCH
        params.cache_ram_mib = self.config.cache_mib
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self.config.threads or _threads()
        params.n_threads_http = 32  # one for each request that waits
        params.hostnames = ["127.0.0.1"]
        params.api_keys = [self.key]
        params.cors_origins = _NO_ORIGIN
        params.cors_credentials = False
        params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
        params.ui = False
        params.offline = True
        params.verbosity = -1
        try:
            return xllamacpp.Server(params)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise EngineError(f"The language model {self.config.model} cannot be loaded: {error}") from error

    def events(self, body: Mapping[str, Any]) -> Generator[Event | None]:
        """Yield the events of one chat request, and None whenever nothing came for a moment.

        Closing this generator closes the connection, which stops the engine's work on the request.

        :raises ContextOverflow: the prompt is too long for the model.
        :raises EngineError: the engine refused the request or failed.
        """
        address = urlsplit(self.address())
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        try:
            connection.connect()
        except OSError as error:
            raise EngineError(f"The language model does not answer ({error}); start the tutor again") from error
        line = connection.sock
        self._lines.add(line)
        arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(connection, self.key, body, arrived), daemon=True)
        reader.start()
        try:
            while True:
                try:
                    event = arrived.get(timeout=PULSE)
                except queue.Empty:
                    yield None
                    continue
                if event is _END:
                    return
                if isinstance(event, EngineError):
                    raise event
                yield event
        finally:
            _hang_up(line)
            self._lines.discard(line)
            reader.join()
            connection.close()


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):  # the engine may have closed it already
        line.shutdown(socket.SHUT_RDWR)


def _stop(running: list[Any], lines: set[socket.socket]) -> None:
    """Stop the engine. It waits for the requests under way, so these are ended first."""
    for line in tuple(lines):
        _hang_up(line)
    running.clear()


_shared_lock = threading.Lock()
_shared: dict[ServerConfig, weakref.ref[LlamaServer]] = {}


def shared_server(config: ServerConfig) -> LlamaServer:
    """The engine of this process for this configuration; the same one as long as anybody uses it."""
    with _shared_lock:
        server = _shared[config]() if config in _shared else None
        if server is None:
            server = LlamaServer(config)
            _shared[config] = weakref.ref(server)
        return server


class ChatLlama(BaseChatModel):
    """Chat with the embedded engine. Keyword arguments of a call become fields of its request (max_tokens, seed...)."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    server: LlamaServer
    max_tokens: int
    temperature: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "tutor-llamacpp"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.server.config.model.name, "max_tokens": self.max_tokens, "temperature": self.temperature}

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,  # noqa: ANN401
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,  # noqa: ANN401
    ) -> Iterator[ChatGenerationChunk]:
        asked = kwargs.pop("max_tokens", None) or self.max_tokens
        body = {
            "temperature": self.temperature, **kwargs, "messages": wire(messages), "stop": stop or [],
            "max_tokens": max(1, min(asked, self.max_tokens)), "stream": True, "cache_prompt": True,
            "return_progress": True,
        }
        read: int | None = None
        finished = False
        with closing(self.server.events(body)) as events:
            for event in events:
                if event is not None and (progress := event.get("prompt_progress")):
                    chunk = _progress_chunk(progress, read)
                    read = progress["processed"]
                elif event is not None and "timings" in event:
                    finished = True
                    chunk = _last_chunk(event)
                else:
                    chunk = ChatGenerationChunk(message=AIMessageChunk(content=_text(event)))
                if run_manager and chunk.text:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        if not finished:
            raise EngineError("The language model broke off in the middle of its answer; ask again")


def _read(connection: http.client.HTTPConnection, key: str, body: Mapping[str, Any],
          arrived: queue.SimpleQueue[Any]) -> None:
    """Send a request and queue what comes: events, an EngineError when it failed, at the end always _END."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body).encode(), headers)
        with connection.getresponse() as response:
            if response.status != 200:
                arrived.put(_failure(response.read()))
                return
            for line in response:
                kind, _, data = line.strip().partition(b": ")
                if kind == b"error" or (kind == b"data" and data.startswith(b'{"error"')):
                    arrived.put(_failure(data))
                    return
                if kind == b"data" and data != b"[DONE]":
                    arrived.put(json.loads(data))
    except (OSError, http.client.HTTPException, ValueError) as error:
        arrived.put(EngineError(f"The language model does not answer ({error}); ask again"))
    finally:
        arrived.put(_END)


def _failure(answer: bytes) -> EngineError:
    try:
        said = json.loads(answer)
        error = said.get("error", said)
    except ValueError:
        error = {"message": answer[:200].decode("utf-8", "replace")}
    if error.get("type") == "exceed_context_size_error":
        return ContextOverflow(
            f"The prompt has {error.get('n_prompt_tokens')} tokens, the model's context has {error.get('n_ctx')}: "
            f"ask less at once, or raise TUTOR_CONTEXT"
        )
    return EngineError(f"The language model refused the request: {error.get('message', 'no reason given')}")


def _text(event: Event | None) -> str:
    choices = event.get("choices") if event else None
    return (choices[0]["delta"].get("content") or "") if choices else ""


def _progress_chunk(progress: Mapping[str, int], read: int | None) -> ChatGenerationChunk:
    """Build an empty chunk that says how much of the prompt is read. Merged chunks add up, so it has the difference."""
    said = {"read": progress["processed"] - (read or 0)}
    if read is None:
        said["total"] = progress["total"]
    return ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata={"prompt": said}))


def _last_chunk(event: Event) -> ChatGenerationChunk:
    took = event["timings"]
    total = took["cache_n"] + took["prompt_n"]
    timings = {
        "prompt_tokens": total, "cached_tokens": took["cache_n"], "prompt_ms": took["prompt_ms"],
        "predicted_tokens": took["predicted_n"], "predicted_ms": took["predicted_ms"],
    }
    finish = event["choices"][0].get("finish_reason") if event.get("choices") else None
    message = AIMessageChunk(
        content=_text(event), chunk_position="last", response_metadata={"timings": timings, "finish_reason": finish},
        usage_metadata={"input_tokens": total, "output_tokens": took["predicted_n"],
                        "total_tokens": total + took["predicted_n"]},
    )
    return ChatGenerationChunk(message=message)


def _threads() -> int:
    """One thread a core. With more than four, the engine itself tells real cores from their hyper-threads."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return usable if usable <= 4 else -1
