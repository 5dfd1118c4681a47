"""The language model: one factory; each engine has its own file and is imported only when it is chosen.

What the engines share: they are LangChain chat models, safe to use from several threads, and serve one request after the
other in the order of arrival. While a request waits or its prompt is read, a stream gives empty chunks, so that
whoever iterates gets the chance to close it; closing it stops the engine. The last chunk has `response_metadata`
with "timings": prompt_tokens (all), cached_tokens (of those), prompt_ms, predicted_tokens, predicted_ms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from tutor import weights
from tutor.errors import EngineError
from tutor.settings import Settings


def chat_model(settings: Settings) -> BaseChatModel:
    """Build the language model that the settings name. It is loaded on first use, not here.

    :raises EngineError: no language model is configured, or the named one is not known.
    :raises WeightsError: its weights are missing or not the pinned ones.
    """
    match settings.engine:
        case "llamacpp":
            from tutor.llm.llamacpp import ChatLlama, ServerConfig, shared_server

            config = ServerConfig(_gguf(settings), settings.context, settings.cache_mib, settings.threads)
            return ChatLlama(server=shared_server(config), max_tokens=settings.max_tokens)
        case "openai":
            from tutor.llm.openai_server import chat_openai

            return chat_openai(settings.base_url, settings.api_key, settings.model, settings.max_tokens)
        case "transformers":
            from tutor.llm.transformers_model import ChatTransformers

            return ChatTransformers(source=settings.model, context=settings.context, max_tokens=settings.max_tokens)
        case _:
            raise EngineError("There is no answer in prose: no language model is configured (setting engine is none)")


def prewarm(model: BaseChatModel, messages: Sequence[BaseMessage], go_on: Callable[[], bool] = lambda: True) -> bool:
    """Let the engine read a prompt ahead of time, so that a request that begins like it starts at once.

    :param go_on: asked several times a second; when it says no, reading stops.
    :returns: whether the whole prompt was read.
    """
    # LangChain types stream() as an Iterator; it is a generator, and closing it is what stops the engine
    with closing(model.stream(list(messages), max_tokens=1)) as stream:  # type: ignore[type-var]
        for _ in stream:
            if not go_on():
                return False
    return True


def _gguf(settings: Settings) -> Path:
    """The weights file: a pinned model by its name, or the learner's own GGUF file by its path."""
    known = weights.load_manifest()
    pinned = settings.model in known
    file = weights.path(settings.models, settings.model) if pinned else Path(settings.model).expanduser()
    if file.suffix != ".gguf" or not file.is_file():
        names = ", ".join(name for name, model in known.items() if model.files[0].path.endswith(".gguf"))
        raise EngineError(f"Setting model is {settings.model!r}; the engine llamacpp takes {names} or a GGUF file")
    return file
