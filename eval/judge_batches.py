"""Examples as batches of rows, the loss of a batch, and the judgement of many examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eval.judge_cache import StateCache
from eval.judge_data import Example
from tutor.judge.adapter import AdapterConfig
from tutor.judge.network import Upper
from tutor.judge.packing import POINT, QUESTION, REPLY, Row, stack

LETTERS = "cpmx"
ROW = 256
ROWS = 2


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows with, for each of their points in order, the number of its example; and the examples."""

    rows: tuple[Row, ...]
    owners: tuple[int, ...]
    examples: tuple[Example, ...]


def texts_of(examples: Sequence[Example], config: AdapterConfig) -> Iterator[tuple[str, int]]:
    """Every text with the limit of its role."""
    for example in examples:
        yield example.reply, config.reply_tokens
        if example.question:
            yield example.question, config.question_tokens
        yield from ((point, config.point_tokens) for point in example.points)


def cost(example: Example, cache: StateCache, config: AdapterConfig) -> int:
    """Tokens of reply and points."""
    return cache.length(example.reply, config.reply_tokens) + sum(
        cache.length(p, config.point_tokens) for p in example.points
    )


def pack(examples: Sequence[Example], cache: StateCache, config: AdapterConfig, rows: int = ROWS) -> Iterator[Packed]:
    """Put the examples into batches in their order; neighbours on the same question share its segment."""
    done: list[Row] = []
    owners: list[int] = []
    kept: list[Example] = []
    row, asked = Row(), dict[str, int]()
    for example in examples:
        size = cost(example, cache, config)
        if example.question and example.question not in asked:
            size += cache.length(example.question, config.question_tokens)
        if row.states and row.tokens + size > ROW:
            done.append(row)
            row, asked = Row(), {}
            if len(done) >= rows or sum(r.tokens for r in done) >= rows * ROW:
                yield Packed(tuple(done), tuple(owners), tuple(kept))
                done, owners, kept = [], [], []
        context: tuple[int, ...] = ()
        if example.question:
            if example.question not in asked:
                asked[example.question] = row.add(cache.get(example.question, config.question_tokens), QUESTION)
            context = (asked[example.question],)
        context += (row.add(cache.get(example.reply, config.reply_tokens), REPLY, context),)
        for point in example.points:
            row.add(cache.get(point, config.point_tokens), POINT, context)
        owners += [len(kept)] * len(example.points)
        kept.append(example)
    if row.states:
        done.append(row)
    if done:
        yield Packed(tuple(done), tuple(owners), tuple(kept))


def loss_of(logits: Tensor, packed: Packed) -> Tensor:
    """Mean over the examples: log-loss of the allowed verdicts, or of the mean coverage against the human score."""
    logs = torch.log_softmax(logits, dim=-1)
    coverage = logs[:, 0].exp() + 0.5 * logs[:, 1].exp()
    losses, weights = [], []
    begin = 0
    for example in packed.examples:
        n = len(example.points)
        if example.score is not None:
            mean = coverage[begin : begin + n].mean().clamp(1e-4, 1 - 1e-4)
            losses.append(-(example.score * mean.log() + (1 - example.score) * (1 - mean).log()))
            weights.append(1.5)
        else:
            for i, label in enumerate(example.labels):
                allowed = [LETTERS.index(letter) for letter in label]
                losses.append(-logs[begin + i, allowed].logsumexp(0))
                weights.append((1.0 if n == 1 else 0.7) * (1.0 if len(label) == 1 else 0.5))
        begin += n
    weight = torch.tensor(weights)
    return (torch.stack(losses) * weight).sum() / weight.sum()


def in_steps(examples: Sequence[Example], labels: int) -> Iterator[list[Example]]:
    """The examples of each step of training: so many that at least `labels` points are judged, scored examples as one."""
    part: list[Example] = []
    count = 0
    for example in examples:
        part.append(example)
        count += max(1, len(example.labels))
        if count >= labels:
            yield part
            part, count = [], 0
    if part:
        yield part


def judge_all(upper: Upper, examples: Sequence[Example], cache: StateCache, config: AdapterConfig) -> list[Tensor]:
    """Logits (points, classes) of every example, in their order."""
    upper.eval()
    found: list[Tensor] = []
    order = sorted(range(len(examples)), key=lambda i: (examples[i].group, cost(examples[i], cache, config)))
    with torch.no_grad():
        for packed in pack([examples[i] for i in order], cache, config):
            logits = upper(stack(packed.rows))
            found += list(logits.split([len(example.points) for example in packed.examples]))
    upper.train()
    placed: list[Tensor] = [torch.empty(0)] * len(examples)
    for i, logits in zip(order, found, strict=True):
        placed[i] = logits
    return placed
