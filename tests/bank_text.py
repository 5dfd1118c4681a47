"""What of a bank file must be found again in the bank that was read from it."""

import re

from ingest.lines import normalise

_MARKS = re.compile(
    r"<[^<>]*>|^\s*(?:>\s*)?(?:#+\s*)?(?:[-*+]\s+)?(?:\d{1,3}[.、．)）]\s*)?\**(?:Q|A|问|答|问题|题目|解答|答案|正确答案)\s*\d*\**\s*[:：]"
    r"|点击查看答案|\[[ x]\]"
)
_NUMBER = re.compile(r"^\s*(?:#+\s*)?(?:[-*+]\s+)?\**(?:Q|第|问题)?\s*\d{1,3}[.、．)）:：]")


def words(text):
    """Letters and digits alone."""
    return re.sub(r"[\W_]+", "", normalise(text))


def lost(parsed, text):
    """Return the lines whose words are in no question and no note, though the account says that they are."""
    everything = []
    for q in parsed.bank.questions:
        everything += [q.text, *q.subpoints, q.reference, *q.trail]
        everything += [f"{o.label}. {o.text} {o.explanation}" for o in q.options]
    everything += [note.text for note in parsed.bank.notes]
    haystack = words("\n".join(everything))
    lines = text.split("\n")
    missing = []
    for use in parsed.lines:
        if use.use in ("metadata", "ignored", "heading"):
            continue
        line = lines[use.line - 1]
        candidates = (words(line), words(_MARKS.sub("", line)), words(_NUMBER.sub("", _MARKS.sub("", line))))
        if not any(candidate in haystack for candidate in candidates):
            missing.append((use.line, use.use, line))
    return missing
