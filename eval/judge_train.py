"""Train the point judge on CPU cores: `python -m eval.judge_train --out FOLDER --cache FOLDER` (see --help).

Only low-rank products in the upper layers, the roles and the head are trained. The lower layers are frozen and read
each text alone, so their states are computed once and kept in `--cache` for every epoch and seed. A run may be cut into
pieces: with `--minutes` it stops in time and goes on from its checkpoint when started again with the same arguments.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from eval.judge_batches import LETTERS, Packed, in_steps, judge_all, loss_of, pack, texts_of
from eval.judge_cache import StateCache
from eval.judge_data import Example
from eval.judge_mix import mixture, validation
from tutor import settings
from tutor.judge.adapter import AdapterConfig, decided, fingerprint, projections, save
from tutor.judge.body import BodyConfig
from tutor.judge.network import Reader, Tokens, Upper
from tutor.judge.packing import stack
from tutor.judge.signals import NAMES, signals

_LABELS = 28
"""Points judged in one step of training."""
_COLLAPSED = 0.02
_WARM_UP = 30
_FLOOR = 0.05


class LowRank(nn.Module):
    """A frozen projection plus a trained low-rank product."""

    def __init__(self, base: nn.Linear, rank: int, scale: float) -> None:
        """Start as the base alone."""
        super().__init__()
        self.base, self.scale = base, scale
        self.a = nn.Parameter(torch.empty(rank, base.in_features).uniform_(-1, 1) / base.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Base and product."""
        product: Tensor = self.base(x) + functional.linear(functional.linear(x, self.a), self.b * self.scale)
        return product


def calibrate(logits: Sequence[Tensor], examples: Sequence[Example], config: AdapterConfig) -> AdapterConfig:
    """The config with the temperature, class biases and weights of the signals that fit the examples best.

    A multinomial logistic regression on the network's logits and the standardised signals, its weights held near zero;
    fitted to labels and to human scores alike, on questions that the network was not trained on.
    """
    stacked = torch.cat(list(logits))
    seen = torch.tensor([signals(e.question, e.reply, point) for e in examples for point in e.points])
    center, spread = seen.mean(dim=0), seen.std(dim=0).clamp_min(1e-6)
    scaled = (seen - center) / spread
    parameters = torch.zeros(5 + 4 * len(NAMES), requires_grad=True)
    packed = Packed((), (), tuple(examples))
    optimizer = torch.optim.LBFGS([parameters], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        weights = parameters[5:].reshape(4, -1)
        loss = loss_of(stacked * parameters[0].exp() + parameters[1:5] + scaled @ weights.T, packed)
        loss = loss + 0.005 * parameters[1:].square().sum()
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = parameters.detach()
    weights = found[5:].reshape(4, -1) / spread
    bias = found[1:5] - weights @ center
    return replace(
        config,
        temperature=round(math.exp(-float(found[0])), 4),
        bias=tuple(round(value, 4) for value in bias.tolist()),
        signals=tuple(tuple(round(value, 4) for value in row) for row in weights.tolist()),
    )


def report(logits: Sequence[Tensor], examples: Sequence[Example]) -> Iterator[str]:
    """Lines of a table: accuracy of labelled points by source and way, correlation of scores by set."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    scores: dict[str, list[tuple[float, float]]] = {}
    for z, example in zip(logits, examples, strict=True):
        p = torch.softmax(z, dim=-1)
        if example.score is not None:
            scores.setdefault(example.source, []).append((float((p[:, 0] + 0.5 * p[:, 1]).mean()), example.score))
        for i, label in enumerate(example.labels):
            name = f"{example.source} {example.how} {label}"
            total[name] += 1
            right[name] += LETTERS[int(p[i].argmax())] in label
    for name in sorted(total):
        yield f"  {name:40s} {right[name] / total[name]:.3f} of {total[name]}"
    for name, pairs in sorted(scores.items()):
        yield f"  {name:40s} r {torch.corrcoef(torch.tensor(pairs).T)[0, 1]:.3f} of {len(pairs)}"


def train(arguments: argparse.Namespace) -> int:
    """Train, or go on training; write the adapter when the schedule is through.

    :returns: 0 when the adapter is written, 3 when stopped by `--minutes`, 1 when the judge no longer tells replies apart.
    """
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    base = arguments.models / "embeddinggemma-300m"
    weights, body = base / "model.safetensors", BodyConfig.read(base)
    config = AdapterConfig(fingerprint(weights), arguments.first, 2.0, 40, 224, 128)
    arguments.out.mkdir(parents=True, exist_ok=True)
    parts = settled(arguments.out, arguments)
    examples = [example for part in parts for example in part]
    cache = StateCache(arguments.cache, f"{config.base[:12]}-{config.first}", body.hidden)
    tokens = Tokens(base)
    started = time.monotonic()
    reader = Reader(weights, body, config.first)
    if not cache.fill(texts_of(examples, config), tokens, reader, arguments.minutes):
        print("stopped while the lower layers were reading; start again to go on")
        return 3
    upper = Upper(body, weights, config.first)
    low_rank: dict[str, LowRank] = {}
    for name, linear in list(projections(upper)):
        number, projection = name.split(".")[1:]
        low_rank[name] = LowRank(linear, arguments.rank, config.scale)
        setattr(upper.body.layers[int(number) - config.first], projection, low_rank[name])
    trained = {name: p for name, p in upper.named_parameters() if p.requires_grad}
    inner = [p for name, p in trained.items() if name.startswith("body.")]
    outer = [p for name, p in trained.items() if not name.startswith("body.")]
    optimizer = torch.optim.AdamW([{"params": inner}, {"params": outer}], weight_decay=0.01, betas=(0.9, 0.98))
    cut = [list(in_steps(part, _LABELS)) for part in parts]
    steps = [(chosen, place, len(part)) for part in cut for place, chosen in enumerate(part)]
    step, checkpoint = 0, arguments.out / "checkpoint.pt"
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        upper.load_state_dict(saved["model"], strict=False)
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    print(
        f"{len(examples)} examples, {len(steps)} steps, from {step}; {sum(p.numel() for p in trained.values())} weights"
    )

    def keep() -> None:
        model = {name: p.detach() for name, p in trained.items()}
        torch.save({"model": model, "optimizer": optimizer.state_dict(), "step": step}, checkpoint)

    running, spread, seen, began = 0.0, 1.0, 0, time.monotonic()
    upper.train()
    while step < len(steps):
        chosen, place, length = steps[step]
        factor = height(place, length)
        for group, rate in zip(optimizer.param_groups, (arguments.rate, 4 * arguments.rate), strict=True):
            group["lr"] = rate * factor
        total = 0.0
        spreads = []
        for packed in pack(chosen, cache, config):
            logits = upper(stack(packed.rows))
            loss = loss_of(logits, packed) * (len(packed.examples) / len(chosen))
            torch.autograd.backward(loss)
            total += loss.item()
            spreads.append(float(logits.detach().std(dim=0, correction=0).mean()))
            seen += sum(row.tokens for row in packed.rows)
        nn.utils.clip_grad_norm_(inner, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        running = total if not running else 0.95 * running + 0.05 * total
        spread = 0.95 * spread + 0.05 * max(spreads)
        if spread < _COLLAPSED:
            print(f"step {step}: the judge says the same of every reply; start again with a lower --rate")
            return 1
        if step % 10 == 0:
            spent = time.monotonic() - began
            print(
                f"step {step}/{len(steps)} loss {running:.3f} spread {spread:.2f} {spent:.0f}s {seen / spent:.0f} tokens/s",
                flush=True,
            )
        if step % 50 == 0:
            keep()
        if arguments.minutes and time.monotonic() - started > 60 * arguments.minutes:
            keep()
            print(f"stopped at step {step}; start again to go on")
            return 3
    keep()
    held_out = validation()
    cache.fill(texts_of(held_out, config), tokens, reader)
    logits_of = judge_all(upper, held_out, cache, config)
    config = calibrate(logits_of, held_out, config)
    judged = [decided(z, e.question, e.reply, e.points, config) for z, e in zip(logits_of, held_out, strict=True)]
    print("\n".join(report(judged, held_out)), f"\n  {config}")
    remarks = {"seed": arguments.seed, "examples": len(examples), "steps": len(steps), "rank": arguments.rank}
    products: dict[str, tuple[Tensor, Tensor]] = {name: (layer.a, layer.b) for name, layer in low_rank.items()}
    save(upper, products, replace(config, trained=remarks), arguments.out)
    return 0


def height(place: int, length: int) -> float:
    """Share of the rate at a step of a part of `length` steps: up over the first ones, then down in a line to `_FLOOR`.

    Every part starts from the full rate again (warm restarts: Loshchilov & Hutter 2017, SGDR).
    """
    return min(1.0, (place + 1) / _WARM_UP) * (1 - place / length * (1 - _FLOOR))


def settled(folder: Path, arguments: argparse.Namespace) -> list[list[Example]]:
    """The examples of each part; written down at the first start, so that a run that is cut goes on with the same ones."""
    paths = [folder / f"examples-{number}.jsonl" for number in (1, 2, 3)]
    if not all(path.is_file() for path in paths):
        for path, part in zip(paths, mixture(random.Random(arguments.seed)), strict=True):
            lines = [json.dumps(asdict(example), ensure_ascii=False) + "\n" for example in part[: arguments.limit]]
            path.write_text("".join(lines), "utf-8")
    return [[_example(line) for line in path.read_text("utf-8").split("\n") if line] for path in paths]


def _example(line: str) -> Example:
    record = json.loads(line)
    return Example(**{**record, "points": tuple(record["points"]), "labels": tuple(record["labels"])})


def main() -> int:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description="Train the point judge.")
    parser.add_argument("--out", type=Path, required=True, help="where the adapter and the checkpoint go")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the states of the lower layers (1-3 GB)")
    parser.add_argument("--models", type=Path, default=settings.load().models)
    parser.add_argument("--limit", type=int, help="use only so many examples a part")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so many minutes; 0: train to the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--first", type=int, default=12)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2.2e-4)
    return train(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
