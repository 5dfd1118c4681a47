"""Text of banks, models and learners -> Markdown or HTML that cannot do anything: no tags, no remote images, no odd links.

Single dollars become \\( \\) here, by the rule that the opening one is followed and the closing one preceded by no space
and followed by no digit, so that "$5 and $10" stays money. Code and formulas pass unchanged.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence

from tutor.records import Citation

LATEX: tuple[dict[str, str | bool], ...] = (
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
)
"""The delimiters that the page renders."""

_PROTECTED = re.compile(
    r"(?P<fence>^[ \t]*(?P<tick>```+|~~~+)[^\n]*\n.*?(?:^[ \t]*(?P=tick)[ \t]*$|\Z))"
    r"|(?P<code>`[^`\n]+`)"
    r"|(?P<display>\$\$.+?\$\$|\\\[.+?\\\])"
    r"|(?P<inline>\\\(.+?\\\))"
    r"|(?P<single>(?<![\\$A-Za-z0-9])\$(?=[^\s$])[^$\n]+?(?<![\s\\])\$(?![\d$]))",
    re.DOTALL | re.MULTILINE,
)
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)(?:\s[^<>]*)?/?>")
_KEPT_TAGS = {"br", "sub", "sup", "b", "i", "em", "strong", "u"}
_DROPPED_TAGS = {"details", "summary", "div", "span", "p", "center", "font", "a"}
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\(((?:[^()\s]|\([^()\s]*\))*)(?:\s+\"[^\"]*\")?\)")
_MARK = re.compile(r"\[(\d+)\]")
_OPEN = {"weak": "\ue000", "unsupported": "\ue001"}
_CLOSE = "\ue002"
_SENTINELS = re.compile("[\ue000-\ue002]")


def safe(text: str, decorate: Callable[[str], str] = lambda plain: plain) -> str:
    """Markdown that shows `text` and does nothing else. :param decorate: applied to the parts outside code and formulas."""
    out, at = [], 0
    body = _visible(text)
    for match in _PROTECTED.finditer(body):
        out.append(decorate(_harmless(body[at : match.start()])))
        whole = match.group(0)
        out.append(f"\\({whole[1:-1]}\\)" if match["single"] else whole)
        at = match.end()
    out.append(decorate(_harmless(body[at:])))
    return "".join(out)


def inline(text: str) -> str:
    """HTML for one table cell or heading: everything escaped, code and bold shown, formulas left to the page."""
    out, at = [], 0
    body = _visible(text)
    for match in _PROTECTED.finditer(body):
        out.append(_bold(body[at : match.start()]))
        whole = match.group(0)
        if match["code"]:
            out.append(f"<code>{html.escape(whole[1:-1])}</code>")
        elif match["single"]:
            out.append(f"\\({html.escape(whole[1:-1])}\\)")
        else:
            out.append(html.escape(whole))
        at = match.end()
    out.append(_bold(body[at:]))
    return "".join(out).replace("\n", "<br>")


def plain(text: str, limit: int = 120) -> str:
    """One line of plain text for lists and menus; HTML must still be escaped where it is put into HTML."""
    line = re.sub(r"\s+", " ", re.sub(r"\*\*|`|\\[()\[\]]|\${1,2}", "", _visible(text))).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def cite(text: str, citations: Sequence[Citation], numbers: Sequence[int], titles: dict[str, str]) -> str:
    """An answer as Markdown: `[n]` leads to card n of the evidence, doubtful sentences are marked.

    :param numbers: the numbers of the passages shown; others are left as they stand.
    :param titles: what the mark of "weak" and "unsupported" says.
    """
    known = set(numbers)

    def link(plain_part: str) -> str:
        return _MARK.sub(
            lambda m: f'<a class="cite" href="#passage-{m[1]}">{m[1]}</a>' if int(m[1]) in known else m[0], plain_part
        )

    marked = safe(_underline(_SENTINELS.sub("", text), citations), link)
    for support, sentinel in _OPEN.items():
        marked = marked.replace(sentinel, f'<mark class="{support}" title="{html.escape(titles[support])}">')
    return marked.replace(_CLOSE, "</mark>")


def highlight(reply: str, quotes: Sequence[tuple[str, str]]) -> str:
    """The reply as HTML with the quotes `(class, verbatim quote)` marked; overlapping ones are marked once."""
    spans: list[tuple[int, int, str]] = []
    for kind, quote in quotes:
        start = reply.find(quote) if quote else -1
        end = start + len(quote)
        if start >= 0 and all(end <= s or start >= e for s, e, _ in spans):
            spans.append((start, end, kind))
    out, at = [], 0
    for start, end, kind in sorted(spans):
        out.append(html.escape(reply[at:start]))
        out.append(f'<mark class="{kind}">{html.escape(reply[start:end])}</mark>')
        at = end
    out.append(html.escape(reply[at:]))
    return "".join(out).replace("\n", "<br>")


def _underline(text: str, citations: Sequence[Citation]) -> str:
    """Put sentinels around sentences whose support is doubtful; the worst of several citations counts."""
    worst: dict[str, str] = {}
    for citation in citations:
        if citation.support == "unsupported" or (citation.support == "weak" and citation.sentence not in worst):
            worst[citation.sentence] = citation.support
    places: list[tuple[int, int, str]] = []
    kept = [i for i, char in enumerate(_MARK.sub(lambda m: "\ue002" * len(m[0]), text)) if char != "\ue002"]
    bare = "".join(text[i] for i in kept)
    for sentence, support in worst.items():
        body = sentence.rstrip("。.")
        start = bare.find(body)
        if start < 0 or "\n" in body or any(body.count(mark) % 2 for mark in ("**", "`", "$")):
            continue
        places.append((kept[start], kept[start + len(body) - 1] + 1, support))
    for start, end, support in sorted(places, reverse=True):
        text = f"{text[:start]}{_OPEN[support]}{text[start:end]}{_CLOSE}{text[end:]}"
    return text


def _visible(text: str) -> str:
    """Without control, zero-width and bidirectional characters. Template tokens stay: they are shown, not obeyed."""
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs"))


def _harmless(text: str) -> str:
    without_images = _IMAGE.sub(lambda m: f"（{m[1]}）" if m[1] else "", text)
    checked = _LINK.sub(lambda m: m[0] if re.match(r"https?://", m[2]) else m[1], without_images)
    out, at = [], 0
    for match in _TAG.finditer(checked):
        out.append(checked[at : match.start()].replace("<", "&lt;"))
        name = match[1].lower()
        if name in _KEPT_TAGS:
            out.append(f"</{name}>" if match[0].startswith("</") else f"<{name}>")
        elif name not in _DROPPED_TAGS:
            out.append(html.escape(match[0]))
        at = match.end()
    out.append(checked[at:].replace("<", "&lt;"))
    return "".join(out)


def _bold(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))
