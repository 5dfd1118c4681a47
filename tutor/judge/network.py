"""The network of the point judge: lower layers read texts alone, upper layers read reply and point together; a head.

Used by the judge itself and by its training script, so that both compute the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from tutor.errors import WeightsError
from tutor.judge.body import Body, BodyConfig, embed, load_embeddings
from tutor.judge.packing import Batch

CLASSES = ("covered", "partial", "missing", "contradicted")


class Tokens:
    """Text to token ids, the ends marked, cut to a length."""

    def __init__(self, folder: Path) -> None:
        """Read tokenizer.json of the base model in `folder`."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise WeightsError(f"{path} is missing; run `tutor weights`")
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def ids(self, text: str, limit: int) -> list[int]:
        """Token ids of `text` with both end marks, at most `limit` of them; the middle of a longer text is left out."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=True).ids
        if len(ids) <= limit:
            return ids
        tail = limit // 3
        return ids[: limit - tail] + ids[-tail:]


class Reader:
    """The lower layers: what they make of a text does not depend on any other text."""

    def __init__(self, weights: Path, config: BodyConfig, layers: int) -> None:
        """Read the first `layers` layers."""
        self.body = Body(config, weights, 0, layers)
        self.table = load_embeddings(weights, config.hidden)

    def read(self, ids: Sequence[Sequence[int]]) -> list[Tensor]:
        """States of each sequence of ids, (tokens, hidden)."""
        length = max(map(len, ids))
        x = torch.zeros(len(ids), length, self.table.shape[1])
        mask = torch.eye(length, dtype=torch.bool).repeat(len(ids), 1, 1)
        for row, sequence in enumerate(ids):
            x[row, : len(sequence)] = embed(self.table, sequence)
            mask[row, : len(sequence), : len(sequence)] = True
        with torch.no_grad():
            states = self.body(x, torch.arange(length).expand(len(ids), length), mask)
        return [states[row, : len(sequence)].clone() for row, sequence in enumerate(ids)]


class Upper(nn.Module):
    """The upper layers, which see reply and point together, and the head: logits of the classes for every point."""

    def __init__(self, config: BodyConfig, weights: Path, first: int, last: int, width: int = 256) -> None:
        """Layers `first` to `last` (exclusive) of the base and an untrained head."""
        super().__init__()
        self.body = Body(config, weights, first, last)
        self.roles = nn.Parameter(torch.zeros(3, config.hidden))
        # The residual stream between the layers has one dimension that dwarfs all others; the head would not see past it.
        self.center = nn.Parameter(torch.zeros(2 * config.hidden), requires_grad=False)
        self.spread = nn.Parameter(torch.ones(2 * config.hidden), requires_grad=False)
        self.inner = nn.Linear(2 * config.hidden, width)
        self.outer = nn.Linear(width, len(CLASSES))
        self.dropout = nn.Dropout(0.1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (points, classes), the points in the order of `batch.points`."""
        features = ((self.pool(batch) - self.center) / self.spread).clamp(-6, 6)
        logits: Tensor = self.outer(self.dropout(functional.gelu(self.inner(self.dropout(features)))))
        return logits

    def pool(self, batch: Batch) -> Tensor:
        """For every point the mean of its tokens' states beside the state of its last token, each of unit mean square."""
        x = self.body(batch.x + self.roles[batch.roles], batch.positions, batch.mask)
        mean = torch.stack([x[row, begin:end].mean(0) for row, begin, end in batch.points])
        last = torch.stack([x[row, end - 1] for row, _, end in batch.points])
        return torch.cat([functional.rms_norm(part, (part.shape[-1],)) for part in (mean, last)], dim=-1)

    def settle(self, batches: Iterable[Batch]) -> None:
        """Set the center and spread of the head's features from examples."""
        with torch.no_grad():
            pooled = torch.cat([self.pool(batch) for batch in batches])
        self.center.data = pooled.mean(dim=0)
        self.spread.data = pooled.std(dim=0).clamp_min(1e-4)
