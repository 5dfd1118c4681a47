"""What the engines have in common: messages as they travel, and the pulse of a stream that has nothing to say yet."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from tutor.errors import EngineError

PULSE = 0.25
"""Seconds after which a stream that has nothing to say gives an empty chunk."""


def wire(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Messages as the engine takes them. Lone surrogates, which no JSON can carry, become U+FFFD."""
    roles = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}
    found = []
    for message in messages:
        role = next((role for kind, role in roles.items() if isinstance(message, kind)), None)
        if role is None:
            raise EngineError(f"The engine takes system, human and AI messages only, not {message.type}")
        text = message.text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        found.append({"role": role, "content": text})
    return found
