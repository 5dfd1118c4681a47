"""The trained part of the point judge, `adapter.safetensors` and `adapter.json`, and how it joins the base."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tutor.errors import WeightsError
from tutor.judge.body import Layer
from tutor.judge.network import CLASSES, Upper
from tutor.judge.signals import NAMES, signals

FOLDER = Path(__file__).resolve().parent
_HEAD = ("roles", "focus", "head.weight", "head.bias")


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What must be known to use the adapter.

    :ivar base: fingerprint of the base weights it was trained on. :ivar scale: factor of the low-rank products.
    :ivar first: the first layer that reads reply and point together.
    :ivar question_tokens: (and reply_tokens, point_tokens) longest text of each role; longer replies are read in windows.
    :ivar temperature: (and bias, signals) calibration: logits become `logits / temperature + bias + signals @ seen`;
        `signals` holds a row for each class, `seen` is what `tutor.judge.signals` sees.
    :ivar trained: free remarks on the training: seed, examples, date.
    """

    base: str
    first: int
    scale: float
    question_tokens: int
    reply_tokens: int
    point_tokens: int
    temperature: float = 1.0
    bias: tuple[float, ...] = (0.0,) * len(CLASSES)
    signals: tuple[tuple[float, ...], ...] = ((0.0,) * len(NAMES),) * len(CLASSES)
    trained: dict[str, str | int | float] | None = None


def fingerprint(weights: Path) -> str:
    """A hash that tells base weights apart without reading a gigabyte: of the layout and of three layers.

    :raises WeightsError: the file is absent or unreadable.
    """
    if not weights.is_file():
        raise WeightsError(f"{weights} is missing; run `tutor weights`")
    digest = hashlib.sha256()
    try:
        with safe_open(weights, framework="pt") as file:
            for name in sorted(file.keys()):
                digest.update(f"{name} {file.get_slice(name).get_shape()}".encode())
                if any(f"layers.{number}." in name for number in (0, 11, 23)):
                    digest.update(file.get_tensor(name).contiguous().view(torch.uint8).numpy().tobytes())
    except SafetensorError as error:
        raise WeightsError(f"{weights} cannot be read ({error}); run `tutor weights --verify`") from error
    return digest.hexdigest()


def read_config(folder: Path = FOLDER) -> AdapterConfig:
    """Read adapter.json.

    :raises WeightsError: it is absent or not ours.
    """
    path = folder / "adapter.json"
    if not path.is_file():
        raise WeightsError(f"{path} is missing: the point judge is not trained; run `python -m eval.judge_train`")
    try:
        raw = json.loads(path.read_text("utf-8"))
        return AdapterConfig(**{**raw, "bias": tuple(raw["bias"]), "signals": tuple(map(tuple, raw["signals"]))})
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise WeightsError(f"{path} is not a description of an adapter ({error}); restore it") from error


def decided(logits: Tensor, question: str, reply: str, points: Sequence[str], config: AdapterConfig) -> Tensor:
    """Calibrated logits, float64 (points, classes), of the network's logits for these points."""
    seen = torch.tensor([signals(question, reply, point) for point in points], dtype=torch.float64)
    weights = torch.tensor(config.signals, dtype=torch.float64)
    return logits.double() / config.temperature + torch.tensor(config.bias, dtype=torch.float64) + seen @ weights.T


def apply(upper: Upper, config: AdapterConfig, folder: Path = FOLDER) -> None:
    """Add the low-rank products to the projections of `upper` and fill its head.

    :raises WeightsError: adapter.safetensors is absent, or does not fit.
    """
    path = folder / "adapter.safetensors"
    if not path.is_file():
        raise WeightsError(f"{path} is missing: the point judge is not trained; run `python -m eval.judge_train`")
    tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    try:
        for name, linear in projections(upper):
            linear.weight += config.scale * (tensors.pop(f"{name}.b") @ tensors.pop(f"{name}.a"))
        missing, unknown = upper.load_state_dict({name: tensors.pop(name) for name in _HEAD}, strict=False)
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{path} does not fit adapter.json ({error}); restore both files") from error
    if unknown or tensors or set(_HEAD) & set(missing):
        raise WeightsError(f"{path} does not fit adapter.json; restore both files")


def save(
    upper: Upper, low_rank: dict[str, tuple[Tensor, Tensor]], config: AdapterConfig, folder: Path = FOLDER
) -> None:
    """Write both files. `low_rank`: for the name of each projection the matrices (a, b) of the product b @ a."""
    folder.mkdir(parents=True, exist_ok=True)
    state = upper.state_dict()
    tensors = {name: state[name] for name in _HEAD}
    for name, (a, b) in low_rank.items():
        tensors |= {f"{name}.a": a, f"{name}.b": b}
    save_file(
        {name: tensor.detach().to(torch.bfloat16).contiguous() for name, tensor in tensors.items()},
        folder / "adapter.safetensors",
    )
    (folder / "adapter.json").write_text(json.dumps(asdict(config), indent=1, ensure_ascii=False) + "\n", "utf-8")


def projections(upper: Upper) -> Iterator[tuple[str, nn.Linear]]:
    """The projections that low-rank products are added to, with the names that they have in the file."""
    for number, layer in zip(upper.body.numbers, upper.body.layers, strict=True):
        for projection in Layer.PROJECTIONS:
            linear = getattr(layer, projection)
            if isinstance(linear, nn.Linear):
                yield f"layers.{number}.{projection}", linear
