"""Rows of segments: questions, replies and points side by side in one sequence, each seeing only what it may see.

Pure tensor bookkeeping; knows nothing of texts, tokens or weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

QUESTION, REPLY, POINT = 0, 1, 2


@dataclass(slots=True)
class Row:
    """A row under construction.

    :ivar states: what the lower layers made of each segment, (tokens, hidden). :ivar roles: the role of each segment.
    :ivar starts: the position of each segment's first token. :ivar sees: for each segment those that it attends to.
    """

    states: list[Tensor] = field(default_factory=list)
    roles: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    sees: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Length of the row in tokens."""
        return sum(len(state) for state in self.states)

    def add(self, states: Tensor, role: int, context: Sequence[int] = ()) -> int:
        """Append a segment that sees itself and the segments `context`, placed after the last of them.

        :returns: its number.
        """
        number = len(self.states)
        self.starts.append(max((self.starts[i] + len(self.states[i]) for i in context), default=0))
        self.states.append(states)
        self.roles.append(role)
        self.sees.append((*context, number))
        return number


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors: x (rows, tokens, hidden), positions and roles (rows, tokens), mask (rows, tokens, tokens).

    :ivar points: for each POINT segment, in the order of rows and of segments, (row, first token, end).
    """

    x: Tensor
    positions: Tensor
    roles: Tensor
    mask: Tensor
    points: tuple[tuple[int, int, int], ...]


def stack(rows: Sequence[Row]) -> Batch:
    """Pad the rows to the longest. A padding token sees only itself and is seen by none."""
    length = max(row.tokens for row in rows)
    hidden = rows[0].states[0].shape[1]
    x = torch.zeros(len(rows), length, hidden)
    positions = torch.zeros(len(rows), length, dtype=torch.long)
    roles = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.eye(length, dtype=torch.bool).repeat(len(rows), 1, 1)
    points = []
    for r, row in enumerate(rows):
        spans = []
        begin = 0
        for states, role, start in zip(row.states, row.roles, row.starts, strict=True):
            end = begin + len(states)
            x[r, begin:end] = states
            positions[r, begin:end] = torch.arange(start, start + len(states))
            roles[r, begin:end] = role
            if role == POINT:
                points.append((r, begin, end))
            spans.append((begin, end))
            begin = end
        for (begin, end), seen in zip(spans, row.sees, strict=True):
            for other in seen:
                mask[r, begin:end, spans[other][0] : spans[other][1]] = True
    return Batch(x, positions, roles, mask, tuple(points))
