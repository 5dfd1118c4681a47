"""Does a sentence speak to the grader instead of to the question? A linear model on letter groups, trained by us.

The patterns of `tutor.rules` know the orders that somebody thought of; this knows how people talk about marks. Features are
the 2 to 4 neighbouring letters of the sentence, hashed (Weinberger et al. 2009, feature hashing); the weights come from
`python -m eval.orders_fit`, which prints what they find on orders that they were not fitted to.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

SIZE = 1 << 15
LENGTHS = (2, 3, 4)
WEIGHTS = Path(__file__).with_name("orders.safetensors")


def features(sentence: str) -> list[int]:
    """Numbers, below `SIZE`, of the letter groups that occur, in order; each counts 1 / sqrt(their number)."""
    text = unicodedata.normalize("NFKC", sentence).lower()
    plain = re.sub(r"\s+", " ", re.sub(r"\d", "0", text)).strip()
    text = f" {plain} "
    groups = {text[i : i + n] for n in LENGTHS for i in range(len(text) - n + 1)}
    return sorted({zlib.crc32(group.encode("utf-8", "surrogatepass")) % SIZE for group in groups})


def order_score(sentence: str) -> float:
    """Log-odds that the sentence speaks to the grader; above 0 it more likely does than not."""
    found = features(sentence)
    if not found:
        return -math.inf
    weights, bias = _weights()
    return float(weights[found].sum() / math.sqrt(len(found)) + bias)


@cache
def _weights() -> tuple[np.ndarray, float]:
    held = load_file(WEIGHTS)
    return held["weights"].astype(np.float32), float(held["bias"][0])
