"""Train the point judge on two CPU cores: `python -m eval.judge_train --out FOLDER` (see --help).

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

from eval.judge_batches import LETTERS, Packed, judge_all, loss_of, pack, pack_lazily, texts_of
from eval.judge_cache import StateCache
from eval.judge_data import Example
from eval.judge_mix import STAGES, mixture, validation
from tutor import settings
from tutor.judge.adapter import AdapterConfig, fingerprint, projections, save
from tutor.judge.body import BodyConfig
from tutor.judge.network import Reader, Tokens, Upper
from tutor.judge.overlap import COUNT, repeated
from tutor.judge.packing import stack


class LowRank(nn.Module):
    """A frozen projection plus a trained low-rank product."""

    def __init__(self, base: nn.Linear, rank: int, scale: float) -> None:
        """Start as the base alone."""
        super().__init__()
        self.base, self.scale = base, scale
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Base and product."""
        product: Tensor = self.base(x) + functional.linear(functional.linear(x, self.a), self.b * self.scale)
        return product


def calibrate(logits: Sequence[Tensor], examples: Sequence[Example], config: AdapterConfig) -> AdapterConfig:
    """The config with temperature, class biases and weights of the repeated wording that fit the examples best.

    Fitted to labels and to human scores alike; biases and weights are held near zero.
    """
    stacked = torch.cat(list(logits))
    said = torch.tensor([repeated(example.reply, point) for example in examples for point in example.points])
    parameters = torch.zeros(5 + 4 * COUNT, requires_grad=True)
    packed = Packed((), (), tuple(examples))
    optimizer = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        weights = parameters[5:].reshape(4, COUNT)
        loss = loss_of(stacked * parameters[0].exp() + parameters[1:5] + said @ weights.T, packed)
        loss = loss + 0.005 * parameters[1:].square().sum()
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    values = [round(value, 4) for value in parameters.detach().tolist()]
    return replace(
        config,
        temperature=round(math.exp(-values[0]), 4),
        bias=tuple(values[1:5]),
        overlap=tuple(tuple(values[5 + COUNT * i : 5 + COUNT * (i + 1)]) for i in range(4)),
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
    """Train, or go on training; write the adapter when the schedule is through."""
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    base = arguments.models / "embeddinggemma-300m"
    weights, body = base / "model.safetensors", BodyConfig.read(base)
    config = AdapterConfig(fingerprint(weights), arguments.first, arguments.last, 2.0, 40, 224, 128)
    arguments.out.mkdir(parents=True, exist_ok=True)
    examples = settled(arguments.out / "examples.jsonl", arguments)
    cache = StateCache(arguments.cache, f"{config.base[:12]}-{config.first}", body.hidden)
    tokens = Tokens(base)
    started = time.monotonic()
    reader = Reader(weights, body, config.first)
    if not cache.fill(texts_of(examples, config), tokens, reader, arguments.minutes):
        print("stopped while the lower layers were reading; start again to go on")
        return 3
    upper = Upper(body, weights, config.first, config.last)
    low_rank: dict[str, LowRank] = {}
    for name, linear in list(projections(upper)):
        number, projection = name.split(".")[1:]
        low_rank[name] = LowRank(linear, arguments.rank, config.scale)
        setattr(upper.body.layers[int(number) - config.first], projection, low_rank[name])
    trained = {name: p for name, p in upper.named_parameters() if p.requires_grad}
    kept = {**trained, "center": upper.center, "spread": upper.spread}
    inner = [p for name, p in trained.items() if name.startswith("body.")]
    outer = [p for name, p in trained.items() if not name.startswith("body.")]
    optimizer = torch.optim.AdamW([{"params": inner}, {"params": outer}], weight_decay=0.01, betas=(0.9, 0.98))
    if arguments.start:
        upper.load_state_dict(torch.load(arguments.start, weights_only=True)["model"], strict=False)
    batches = list(pack_lazily(examples, cache, config))
    some = random.Random(0).sample(examples, min(200, len(examples)))
    upper.settle(stack(packed.rows) for packed in pack(some, cache, config))
    step, checkpoint = 0, arguments.out / "checkpoint.pt"
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        upper.load_state_dict(saved["model"], strict=False)
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    print(
        f"{len(examples)} examples, {len(batches)} steps, from {step}; {sum(p.numel() for p in trained.values())} weights"
    )

    def keep() -> None:
        torch.save(
            {
                "model": {name: p.detach() for name, p in kept.items()},
                "optimizer": optimizer.state_dict(),
                "step": step,
            },
            checkpoint,
        )

    running, seen, began = 0.0, 0, time.monotonic()
    upper.train()
    while step < len(batches):
        packed = next(pack(batches[step], cache, config, rows=10_000))
        progress = step / len(batches)
        factor = min(1.0, (step + 1) / 40) * (1 - progress * (1 - arguments.floor))
        for group, rate in zip(optimizer.param_groups, (arguments.rate, 3 * arguments.rate), strict=True):
            group["lr"] = rate * factor
        loss = loss_of(upper(stack(packed.rows)), packed)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(inner, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        seen += sum(row.tokens for row in packed.rows)
        running = loss.item() if not running else 0.97 * running + 0.03 * loss.item()
        if step % 25 == 0:
            spent = time.monotonic() - began
            print(f"step {step}/{len(batches)} loss {running:.3f} {spent:.0f}s {seen / spent:.0f} tokens/s", flush=True)
        if arguments.minutes and time.monotonic() - started > 60 * arguments.minutes:
            keep()
            print(f"stopped at step {step}; start again to go on")
            return 3
    keep()
    held_out = validation()
    cache.fill(texts_of(held_out, config), tokens, reader)
    logits = judge_all(upper, held_out, cache, config)
    config = calibrate(logits, held_out, config)
    print("\n".join(report(logits, held_out)), f"\n  {config}")
    remarks = {"seed": arguments.seed, "examples": len(examples), "steps": len(batches), "rank": arguments.rank}
    save(
        upper,
        {name: (layer.a, layer.b) for name, layer in low_rank.items()},
        replace(config, trained=remarks),
        arguments.out,
    )
    return 0


def settled(path: Path, arguments: argparse.Namespace) -> list[Example]:
    """The training examples; written down at the first start, so that a run that is cut goes on with the same ones."""
    if not path.is_file():
        examples = mixture(random.Random(arguments.seed), arguments.stage)[: arguments.limit]
        path.write_text("".join(json.dumps(asdict(e), ensure_ascii=False) + "\n" for e in examples), "utf-8")
    records = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return [Example(**{**r, "points": tuple(r["points"]), "labels": tuple(r["labels"])}) for r in records]


def main() -> int:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description="Train the point judge.")
    parser.add_argument("--out", type=Path, required=True, help="where the adapter and the checkpoint go")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the states of the lower layers (1-3 GB)")
    parser.add_argument("--models", type=Path, default=settings.load().models)
    parser.add_argument("--stage", choices=tuple(STAGES), required=True)
    parser.add_argument("--limit", type=int, help="use only so many examples of the stage")
    parser.add_argument("--start", type=Path, help="checkpoint to begin from")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so many minutes; 0: train to the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--first", type=int, default=8)
    parser.add_argument("--last", type=int, default=20)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--rate", type=float, default=8e-5)
    parser.add_argument("--floor", type=float, default=0.05, help="share of the rate that is left at the end")
    return train(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
