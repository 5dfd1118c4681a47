"""A model of the `transformers` library, as a LangChain chat model: the engine for machines with a GPU."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from tutor.errors import ContextOverflow, EngineError
from tutor.llm.wire import PULSE, wire


class ChatTransformers(BaseChatModel):
    """Chat with a local folder of safetensors, or with a model of the hub by its name. Loaded by the first request."""

    source: str
    context: int
    max_tokens: int

    _load_lock: Any = PrivateAttr(default_factory=threading.Lock)
    _loaded: Any = PrivateAttr(default=None)
    # one worker: requests are served one after the other, in the order in which they came
    _worker: ThreadPoolExecutor = PrivateAttr(default_factory=lambda: ThreadPoolExecutor(1, "transformers"))

    @property
    def _llm_type(self) -> str:
        return "tutor-transformers"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.source, "max_tokens": self.max_tokens}

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,  # noqa: ANN401
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,  # noqa: ANN401
    ) -> Iterator[ChatGenerationChunk]:
        from transformers import TextIteratorStreamer

        tokenizer, model = self._load()
        prompt = tokenizer.apply_chat_template(
            wire(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        size = int(prompt["input_ids"].shape[1])
        room = self.context - size
        if room < 1:
            raise ContextOverflow(f"The prompt has {size} tokens, the model's context has {self.context}: "
                                  f"ask less at once, or raise TUTOR_CONTEXT")
        asked = min(kwargs.pop("max_tokens", None) or self.max_tokens, self.max_tokens, room)
        # a streamer of its own for each request: shared ones mix the answers of two learners
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=PULSE)
        stopped = threading.Event()
        started = time.monotonic()
        work = self._worker.submit(_generate, tokenizer, model, prompt, streamer, stopped, asked, stop)
        first = None
        try:
            while True:
                try:
                    text = next(streamer)
                except StopIteration:
                    break
                except queue.Empty:
                    text = ""
                if text:
                    first = first or time.monotonic()
                chunk = ChatGenerationChunk(message=AIMessageChunk(content=text))
                if text and run_manager:
                    run_manager.on_llm_new_token(text, chunk=chunk)
                yield chunk
            try:
                predicted = work.result()
            except (RuntimeError, ValueError, IndexError) as error:  # out of memory is a RuntimeError
                raise EngineError(f"The language model {self.source} failed: {error}") from error
        finally:
            stopped.set()
        ended = time.monotonic()
        timings = {
            "prompt_tokens": size, "cached_tokens": 0, "prompt_ms": ((first or ended) - started) * 1000,
            "predicted_tokens": predicted, "predicted_ms": (ended - (first or ended)) * 1000,
        }
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", chunk_position="last", response_metadata={"timings": timings})
        )

    def _load(self) -> tuple[Any, Any]:
        """The tokenizer and the model, on the GPU where there is one.

        :raises EngineError: the folder or the name holds no model that can be loaded.
        """
        with self._load_lock:
            if self._loaded is None:
                self._loaded = _load(self.source)
            loaded: tuple[Any, Any] = self._loaded
            return loaded


def _load(source: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = Path(source).expanduser()
    where = str(place) if place.is_dir() else source
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    dtype = {"cuda": torch.bfloat16, "mps": torch.float16}.get(device, torch.float32)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        model: Any = AutoModelForCausalLM.from_pretrained(
            where, dtype=dtype, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"Setting model is {source!r}, which transformers cannot load: {reason}") from error
    if not tokenizer.chat_template:
        raise EngineError(f"The model {source} has no chat template: choose an instruction-tuned model")
    model.to(device)
    return tokenizer, model.eval()


def _generate(tokenizer: Any, model: Any, prompt: Any, streamer: Any, stopped: threading.Event,  # noqa: ANN401
              max_tokens: int, stop: list[str] | None) -> int:
    """Generate into the streamer; runs on the worker thread. The number of tokens written."""
    from transformers import StoppingCriteria

    class Stopped(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ANN401
            import torch

            return torch.full((input_ids.shape[0],), stopped.is_set(), device=input_ids.device, dtype=torch.bool)

    try:
        if stopped.is_set():  # closed while it waited for its turn
            return 0
        placed = prompt.to(model.device)
        words = {"stop_strings": stop, "tokenizer": tokenizer} if stop else {}
        written = model.generate(**placed, **words, streamer=streamer, stopping_criteria=[Stopped()],
                                 max_new_tokens=max_tokens, do_sample=False)
        return int(written.shape[1] - placed["input_ids"].shape[1])
    finally:
        streamer.end()  # wakes the reader also when generate() failed; the failure itself is in the future
