"""Everything that can go wrong in a way the user can act on.

    TutorError                 one clear sentence; the command line and the app show it as it is
    ├── BankError              a bank file cannot be read; carries every problem with its line
    ├── IndexFault            the index is absent, does not match, or cannot be built
    │   └── IndexLocked        another process is building it
    ├── WeightsError           a model file is absent, or its hash is not the pinned one
    ├── EngineError            the language model cannot be started or failed to answer
    │   └── ContextOverflow    the prompt does not fit into the model's context
    ├── GradingError           a grade could not be made; there is then no score
    └── SettingsError          a setting has a value that cannot be used

Bugs are not in this tree: they surface as the exceptions they are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong or odd at one line of a bank file. Lines count from 1; 0 means the whole file."""

    line: int
    what: str


class TutorError(Exception):
    """A failure that the user can understand and act on."""


class BankError(TutorError):
    """A bank file was refused. Nothing was changed.

    :param path: the file, as the user named it.
    :param problems: every problem found, in the order of lines.
    """

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        shown = "; ".join(f"{path}:{p.line}: {p.what}" if p.line else f"{path}: {p.what}" for p in problems[:20])
        more = f" (and {len(problems) - 20} more)" if len(problems) > 20 else ""
        super().__init__(shown + more)


class IndexFault(TutorError):
    """The index cannot be used as it is."""


class IndexLocked(IndexFault):
    """Another process is building the index."""


class WeightsError(TutorError):
    """A model file is missing or is not the pinned one."""


class EngineError(TutorError):
    """The language model failed."""


class ContextOverflow(EngineError):
    """The prompt is longer than the model's context."""


class GradingError(TutorError):
    """The reply could not be graded; no score exists."""


class SettingsError(TutorError):
    """A setting cannot be used."""
