"""Names for the same thing in both languages ("键值缓存" is "KV cache"): the table aliases.toml, and its use in queries."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import lru_cache
from importlib import resources


@lru_cache(maxsize=1)
def groups() -> tuple[tuple[str, ...], ...]:
    """The table: each group lists names of one thing, lower case."""
    table = tomllib.loads(resources.files("tutor").joinpath("aliases.toml").read_text("utf-8"))
    return tuple(tuple(_fold(name) for name in group) for group in table["groups"])


def expand(query: str) -> str:
    """The query, followed by the other names of every thing that it names."""
    folded = _fold(query)
    added = [name for group, pattern in _patterns() if pattern.search(folded) for name in group if name not in folded]
    return " ".join([query, *added])


def named_groups(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """What the text names: pairs of the name used and all names of the thing. Longer names first."""
    folded = _fold(text)
    found = []
    for group, pattern in _patterns():
        match = pattern.search(folded)
        if match:
            found.append((match.group(), group))
    return sorted(found, key=lambda pair: -len(pair[0]))


def mentions(text: str) -> list[tuple[int, int]]:
    """Where names of the table stand in the text, longest first at each place."""
    return [match.span() for match in _any_name().finditer(text.lower())]


@lru_cache(maxsize=1)
def _any_name() -> re.Pattern[str]:
    names = sorted({name for group in groups() for name in group}, key=len, reverse=True)
    return re.compile("|".join(_bounded(name) for name in names))


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]:
    return tuple(
        (group, re.compile("|".join(_bounded(name) for name in sorted(group, key=len, reverse=True))))
        for group in groups()
    )


def _bounded(name: str) -> str:
    # "ppo" must not match inside "support"; Chinese has no word boundaries
    escaped = re.escape(name)
    left = r"(?<![a-z0-9])" if name[0].isascii() else ""
    right = r"(?![a-z0-9])" if name[-1].isascii() else ""
    return f"{left}{escaped}{right}"


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()
