"""The network of the point judge: lower layers read texts alone, upper layers read reply and point together; a head.

Used by the judge itself and by its training script, so that both compute the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from tutor.errors import WeightsError
from tutor.judge.body import Body, BodyConfig, embed, load_embeddings, load_final_norm
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

    def __init__(self, config: BodyConfig, weights: Path, first: int) -> None:
        """Layers `first` to the last of the base with its final norm, and an untrained head."""
        super().__init__()
        self.body = Body(config, weights, first, config.layers)
        self.norm = load_final_norm(weights, config)
        self.roles = nn.Parameter(torch.zeros(3, config.hidden))
        self.focus = nn.Parameter(torch.zeros(len(CLASSES), config.hidden))
        self.head = nn.Linear(config.hidden, len(CLASSES))

    def forward(self, batch: Batch) -> Tensor:
        """Logits (points, classes), the points in the order of `batch.points`."""
        x = self.norm(self.body(batch.x + self.roles[batch.roles], batch.positions, batch.mask))
        return torch.stack([self._judge(x[row, begin:end]) for row, begin, end in batch.points])

    def _judge(self, states: Tensor) -> Tensor:
        """Logits of the classes for the states of a point's tokens, (tokens, hidden). Each class looks at tokens of its own
        choice: what contradicts is often one word among many that agree."""
        weights = torch.softmax(states @ self.focus.T, dim=0)
        logits: Tensor = (weights.T @ states * self.head.weight).sum(dim=-1) + self.head.bias
        return logits
