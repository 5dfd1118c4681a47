"""`python -m eval NAME` (or `tutor eval NAME`): run one measurement, print its table, keep its numbers with the revision."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from tutor.errors import TutorError
from tutor.settings import load

MEASURES = {
    "speed": "time and tokens of retrieval, prompts, first token, decoding, against the bare engine",
    "retrieval": "recall, MRR, nDCG, refusal and follow-ups on our cases",
    "peers": "retrieval beside plain LangChain and LlamaIndex chains on the same bank",
    "grading": "agreement with people, attacks, repeatability, against simpler graders",
    "coverage": "which questions of the banks have a reference, a link, or nothing",
    "indexing": "what a new bank costs beside its embedding",
    "linking": "which pairs of questions are taken to ask the same thing",
    "citations": "planted swaps and falsehoods, support and key-point recall of generated answers",
    "injection": "whether the language model obeys orders in poisoned passages",
}
"""What can be measured. Each is a module of this package with `run(settings, arguments) -> int`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement that the first argument names."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in MEASURES:
        listing = "\n".join(f"  {name:12} {what}" for name, what in MEASURES.items())
        raise TutorError(f"name a measurement:\n{listing}")
    module = importlib.import_module(f"eval.{arguments[0]}")
    return int(module.run(load(), arguments[1:]) or 0)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TutorError as error:
        sys.exit(f"eval: {error}")
