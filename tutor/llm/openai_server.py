"""Any server that speaks the OpenAI protocol, as a LangChain chat model: Ollama, vLLM, LM Studio, a hosted API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import openai
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tutor.errors import ContextOverflow, EngineError

_OVERFLOW = ("context_length_exceeded", "exceed_context_size", "maximum context length")


class ChatServer(ChatOpenAI):
    """ChatOpenAI whose failures are the tutor's errors and whose last chunk has the tutor's timings."""

    bound: int
    """Longest answer in chunks; some servers do not obey the limit that they are sent."""

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,  # noqa: ANN401
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,  # noqa: ANN401
    ) -> Iterator[ChatGenerationChunk]:
        started = time.monotonic()
        first, pieces, usage = None, 0, None
        chunks = super()._stream(messages, stop, run_manager, **kwargs)
        try:
            with closing(chunks):  # type: ignore[type-var]
                for chunk in chunks:
                    if chunk.text:
                        first = first or time.monotonic()
                        pieces += 1
                    usage = getattr(chunk.message, "usage_metadata", None) or usage
                    yield chunk
                    if pieces >= self.bound:
                        break
        except openai.OpenAIError as error:
            raise _named(error, str(self.openai_api_base)) from error
        ended = time.monotonic()
        given = usage or {"input_tokens": 0, "output_tokens": pieces}
        timings = {
            "prompt_tokens": given["input_tokens"],
            "cached_tokens": (given.get("input_token_details") or {}).get("cache_read") or 0,
            "prompt_ms": ((first or ended) - started) * 1000,
            "predicted_tokens": given["output_tokens"],
            "predicted_ms": (ended - (first or ended)) * 1000,
        }
        yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata={"timings": timings}))


def chat_openai(base_url: str, api_key: str, model: str, max_tokens: int) -> BaseChatModel:
    """Build the chat model of a server.

    :param api_key: may be empty: servers on the own machine take none.
    """
    return ChatServer(
        model=model, base_url=base_url, api_key=SecretStr(api_key or "none"), max_completion_tokens=max_tokens,
        temperature=0, timeout=120, max_retries=1, stream_usage=True, bound=max_tokens,
    )


def _named(error: openai.OpenAIError, base_url: str) -> EngineError:
    if any(word in str(error) for word in _OVERFLOW):
        return ContextOverflow("The prompt is longer than the server's model can read: ask less at once")
    if isinstance(error, openai.APIConnectionError):
        return EngineError(f"The language model server {base_url} cannot be reached: start it, or correct base_url")
    if isinstance(error, openai.AuthenticationError):
        return EngineError(f"The language model server {base_url} refuses the key: set OPENAI_API_KEY")
    return EngineError(f"The language model server {base_url} failed: {error}")
