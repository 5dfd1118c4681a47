"""The point judge: what a reply does to one key point, as calibrated probabilities.

The judge reads texts and gives numbers. Scores, quotes and rules are not its business (see `tutor.grading`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from tutor.errors import SettingsError, WeightsError
from tutor.judge import adapter
from tutor.judge.body import BodyConfig
from tutor.judge.network import Reader, Tokens, Upper
from tutor.judge.packing import POINT, QUESTION, REPLY, Row, stack
from tutor.judge.signals import denied, stated
from tutor.judge.windows import windows
from tutor.records import PointProbabilities

BASE = "embeddinggemma-300m"
_ROW_TOKENS = 512
_BATCH_TOKENS = 1024
_KEPT_TEXTS = 2048
_MOST_WINDOWS = 32


class PointJudge:
    """The judge, loaded. Its methods may be called from any thread; the same texts always give the same numbers."""

    def __init__(self, reader: Reader, upper: Upper, tokens: Tokens, config: adapter.AdapterConfig) -> None:
        """Use `PointJudge.load` instead."""
        self._reader, self._upper, self._tokens, self._config = reader, upper, tokens, config
        self._kept: OrderedDict[tuple[str, int], Tensor] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def load(cls, models: Path, dtype: str = "auto", folder: Path = adapter.FOLDER) -> PointJudge:
        """Load the base model from `models` and the adapter, and merge them.

        :param models: the folder of the model weights. :param folder: the folder of the adapter.
        :param dtype: "float32", "bfloat16", or "auto": bfloat16 where the processor computes in it, else float32.
        :raises WeightsError: a file is absent, or the adapter belongs to other base weights.
        :raises SettingsError: `dtype` is none of the three.
        """
        kind = _dtype(dtype)
        config = adapter.read_config(folder)
        base = models / BASE
        weights = base / "model.safetensors"
        if adapter.fingerprint(weights) != config.base:
            raise WeightsError(
                f"{folder / 'adapter.json'} was trained on other weights than {weights}; "
                "run `tutor weights --verify`, or train the point judge again"
            )
        body = BodyConfig.read(base)
        upper = Upper(body, weights, config.first)
        adapter.apply(upper, config, folder)
        reader = Reader(weights, body, config.first)
        reader.body.to(kind)
        upper.body.to(kind)
        upper.eval()
        return cls(reader, upper, Tokens(base), config)

    def verdicts(self, question: str, reply: str, points: Sequence[str]) -> list[PointProbabilities]:
        """What `reply` does to each of the points.

        A long reply is read in windows; a point counts as covered, or contradicted, as clearly as the clearest window has it.

        :param question: the question that the reply answers; may be empty.
        :returns: one record for each point, in their order. A point's record does not depend on the other points.
        """
        if not points:
            return []
        return self._judge(question, [(reply, point) for point in points])

    def _judge(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[PointProbabilities]:
        config = self._config
        jobs = sorted({(window, point) for reply, point in pairs for window in self._windows(reply)})
        with self._lock, torch.no_grad():
            self._read(
                [(question, config.question_tokens)] * bool(question)
                + [(window, config.reply_tokens) for window, _ in jobs]
                + [(point, config.point_tokens) for _, point in jobs]
            )
            rows = self._rows(question, jobs)
            logits = torch.cat([self._upper(stack(part)) for part in _batches(rows)])
        found = {}
        for one, (window, point) in zip(logits, jobs, strict=True):
            chances = torch.softmax(adapter.decided(one[None], question, window, [point], config)[0], dim=-1)
            found[window, point] = (
                chances.flip(0) if denied(window, point) and chances[0] > chances[3]
                else _trust_wording(chances, stated(window, point))
            )  # fmt: skip
        return [_combine([found[window, point] for window in self._windows(reply)]) for reply, point in pairs]

    def _windows(self, reply: str) -> list[str]:
        limit = self._config.reply_tokens
        return windows(reply, limit, lambda text: len(self._tokens.ids(text, 1 << 30)))[:_MOST_WINDOWS]

    def _read(self, texts: Sequence[tuple[str, int]]) -> None:
        """Have the lower layers read what they have not read lately."""
        unread = sorted({key for key in texts if key not in self._kept})
        for key in set(texts) - set(unread):
            self._kept.move_to_end(key)
        for begin in range(0, len(unread), 16):
            part = unread[begin : begin + 16]
            states = self._reader.read([self._tokens.ids(text, limit) for text, limit in part])
            # Kept in bfloat16, as in training: half the memory, and the same numbers whether kept or just read.
            self._kept |= {key: state.bfloat16() for key, state in zip(part, states, strict=True)}

    def _rows(self, question: str, jobs: Sequence[tuple[str, str]]) -> list[Row]:
        config = self._config
        rows: list[Row] = []
        context: tuple[int, ...] = ()
        last: str | None = None
        for window, point in jobs:
            states = self._kept[point, config.point_tokens]
            if window != last or rows[-1].tokens + len(states) > _ROW_TOKENS:
                row = Row()
                rows.append(row)
                context = (row.add(self._kept[question, config.question_tokens], QUESTION),) if question else ()
                context += (row.add(self._kept[window, config.reply_tokens], REPLY, context),)
                last = window
            rows[-1].add(states, POINT, context)
        while len(self._kept) > _KEPT_TEXTS:
            self._kept.popitem(last=False)
        return rows


def _batches(rows: Sequence[Row]) -> list[list[Row]]:
    batches: list[list[Row]] = []
    for row in rows:
        if batches and (len(batches[-1]) + 1) * max(r.tokens for r in [*batches[-1], row]) <= _BATCH_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _trust_wording(chances: Tensor, stated: float) -> Tensor:
    """Give to "covered" the share of "contradicted" and of "partial" that is at odds with what the reply says word for word."""
    moved = chances * torch.tensor([0.0, stated, 0.0, stated], dtype=chances.dtype)
    shifted = chances - moved
    shifted[0] += moved.sum()
    return shifted


def _combine(found: Sequence[Tensor]) -> PointProbabilities:
    """The record of the clearest window, the one that is surest that the point is covered or contradicted.

    Where one window is sure of the first and another of the second, the mean of both: the reply says the one and the other.
    """
    stacked = torch.stack(list(found))
    says, denies = (stacked[stacked[:, kind].argmax()] for kind in (0, 3))
    if says[0] >= 0.5 and denies[3] >= 0.5:
        record = (says + denies) / 2
    else:
        record = says if says[0] >= denies[3] else denies
    covered, partial, missing, contradicted = (float(p) for p in record)
    return PointProbabilities(covered, partial, missing, contradicted)


def _dtype(name: str) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name not in known:
        raise SettingsError(f"dtype must be auto, float32 or bfloat16, not {name!r}")
    return known[name]
