"""Text from banks and learners is data: what could steer a model or deceive a reader's eye is taken out of it."""

from __future__ import annotations

import re
import unicodedata

# <|im_start|> and relatives would end the fence that the text is put in
_SPECIAL = re.compile(r"<\|[^|<>\n]{0,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<bos>|<eos>")
_KEPT_CONTROLS = frozenset("\n\t")


def clean(text: str) -> str:
    """Drop control, zero-width and bidirectional characters, lone surrogates, and chat-template tokens."""
    visible = "".join(
        char
        for char in text.replace("\r\n", "\n").replace("\r", "\n")
        if char in _KEPT_CONTROLS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")
    )
    while (stripped := _SPECIAL.sub("", visible)) != visible:  # removal may join the halves of another token
        visible = stripped
    return visible


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, cut after a sentence or a line where one ends in the second half."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    end = max(head.rfind(mark) for mark in "。！？\n；")
    return head[: end + 1].rstrip() if end >= limit // 2 else head.rstrip() + "…"
