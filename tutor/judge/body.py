"""The body of the point judge: EmbeddingGemma's layers over packed segments. Owns the arithmetic and base weights.

A *segment* is one text (a question, a reply, a key point) with its own tokens. The lower layers read each segment alone,
so that what they make of a text can be kept and used again; the upper
layers read a *row* of segments, where `Row.sees`
says which segment attends to which. Several replies and points share a row without seeing each other.

Only the arithmetic of the published model is here (checked against `transformers` in the tests), not its classes: fused
projections and custom masks are what makes the judge fast enough on two cores, and nothing but these layers is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from tutor.errors import WeightsError


@dataclass(frozen=True, slots=True)
class BodyConfig:
    """The numbers of the base model that the arithmetic needs, as its config.json has them."""

    hidden: int
    intermediate: int
    heads: int
    head_dim: int
    layers: int
    epsilon: float
    local_theta: float
    global_theta: float
    is_global: tuple[bool, ...]

    @classmethod
    def read(cls, folder: Path) -> BodyConfig:
        """Read config.json of the base model in `folder`.

        :raises WeightsError: the file is absent, or describes a model with other arithmetic.
        """
        path = folder / "config.json"
        if not path.is_file():
            raise WeightsError(f"{path} is missing; run `tutor weights`")
        raw = json.loads(path.read_text("utf-8"))
        if raw.get("model_type") != "gemma3_text" or raw.get("num_key_value_heads") != 1:
            raise WeightsError(f"{path} does not describe EmbeddingGemma; run `tutor weights --verify`")
        return cls(
            hidden=raw["hidden_size"],
            intermediate=raw["intermediate_size"],
            heads=raw["num_attention_heads"],
            head_dim=raw["head_dim"],
            layers=raw["num_hidden_layers"],
            epsilon=raw["rms_norm_eps"],
            local_theta=raw["rope_local_base_freq"],
            global_theta=raw["rope_theta"],
            is_global=tuple(kind == "full_attention" for kind in raw["layer_types"]),
        )


_FINAL_NORM = ("norm.weight", "model.norm.weight")


class Norm(nn.Module):
    """Root-mean-square norm; the file stores the gain minus one."""

    def __init__(self, gain: Tensor, epsilon: float) -> None:
        """Take the gain as the file has it."""
        super().__init__()
        self.gain = nn.Parameter(1.0 + gain.float(), requires_grad=False)
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        return functional.rms_norm(x, (x.shape[-1],), self.gain, self.epsilon)


class Layer(nn.Module):
    """One layer, its projections fused: queries, keys and values in one matrix, gate and up in another."""

    PROJECTIONS = ("qkv", "out", "gate_up", "down")

    def __init__(self, config: BodyConfig, tensors: dict[str, Tensor]) -> None:
        """Take the layer's tensors by the names that they have in the file."""
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim

        def linear(*names: str) -> nn.Linear:
            weight = torch.cat([tensors[f"{name}_proj.weight"] for name in names]).float()
            layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
            layer.weight = nn.Parameter(weight, requires_grad=False)
            return layer

        def norm(name: str) -> Norm:
            return Norm(tensors[f"{name}.weight"], config.epsilon)

        self.qkv: nn.Module = linear("self_attn.q", "self_attn.k", "self_attn.v")
        self.out: nn.Module = linear("self_attn.o")
        self.gate_up: nn.Module = linear("mlp.gate", "mlp.up")
        self.down: nn.Module = linear("mlp.down")
        self.q_norm, self.k_norm = norm("self_attn.q_norm"), norm("self_attn.k_norm")
        self.before_attention, self.after_attention = norm("input_layernorm"), norm("post_attention_layernorm")
        self.before_mlp, self.after_mlp = norm("pre_feedforward_layernorm"), norm("post_feedforward_layernorm")

    def forward(self, x: Tensor, mask: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """One step for `x` (rows, tokens, hidden). `mask`: True where a token may look; `turns`: cosines and sines."""
        rows, tokens, _ = x.shape
        mixed = self.qkv(self.before_attention(x)).view(rows, tokens, self.heads + 2, self.head_dim).transpose(1, 2)
        q, k, v = mixed.split([self.heads, 1, 1], dim=1)
        q, k = _turn(self.q_norm(q), turns), _turn(self.k_norm(k), turns)
        shape = (rows, self.heads, tokens, self.head_dim)
        attended = functional.scaled_dot_product_attention(q, k.expand(shape), v.expand(shape), attn_mask=mask[:, None])
        x = x + self.after_attention(self.out(attended.transpose(1, 2).reshape(rows, tokens, -1)))
        gate, up = self.gate_up(self.before_mlp(x)).chunk(2, dim=-1)
        stepped: Tensor = x + self.after_mlp(self.down(functional.gelu(gate, approximate="tanh") * up))
        return stepped


def _turn(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = turns
    left, right = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-right, left), dim=-1) * sine


class Body(nn.Module):
    """Layers `first` to `last` (exclusive) of the base model.

    :ivar numbers: the numbers of the layers, in order.
    """

    def __init__(self, config: BodyConfig, weights: Path, first: int, last: int) -> None:
        """Read the layers from the file `weights`."""
        super().__init__()
        self.config = config
        self.numbers = tuple(range(first, last))
        with safe_open(weights, framework="pt") as file:
            names = list(file.keys())
            layers = []
            for number in self.numbers:
                prefix = f"layers.{number}."
                found = {name.split(prefix, 1)[1]: file.get_tensor(name) for name in names if prefix in name}
                layers.append(Layer(config, found))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """Run the layers, in the type of their weights, over `x` (rows, tokens, hidden); the result is float32.

        :param positions: (rows, tokens). :param mask: (rows, tokens, tokens), True where a token may look.
        """
        dtype = next(self.parameters()).dtype
        local = self._turns(positions, self.config.local_theta, dtype)
        everywhere = self._turns(positions, self.config.global_theta, dtype)
        x = x.to(dtype)
        for number, layer in zip(self.numbers, self.layers, strict=True):
            x = layer(x, mask, everywhere if self.config.is_global[number] else local)
        return x.float()

    def _turns(self, positions: Tensor, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        steps = torch.arange(0, self.config.head_dim, 2, dtype=torch.float32) / self.config.head_dim
        angles = positions[..., None].float() * theta**-steps
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        return angles.cos().to(dtype), angles.sin().to(dtype)


def load_embeddings(weights: Path, hidden: int) -> Tensor:
    """The token table, not read but mapped from the file: only the rows that are looked up come into memory."""
    with safe_open(weights, framework="pt") as file:
        name = next(name for name in list(file.keys()) if name.endswith("embed_tokens.weight"))
        table: Tensor = file.get_tensor(name)
    if table.shape[1] != hidden:
        raise WeightsError(f"{weights} has a token table of width {table.shape[1]}, not {hidden}")
    return table


def load_final_norm(weights: Path, config: BodyConfig) -> Norm:
    """The norm after the last layer."""
    with safe_open(weights, framework="pt") as file:
        return Norm(file.get_tensor(next(name for name in list(file.keys()) if name in _FINAL_NORM)), config.epsilon)


def embed(table: Tensor, ids: Sequence[int]) -> Tensor:
    """Token vectors as the first layer expects them."""
    vectors: Tensor = table[torch.tensor(ids, dtype=torch.long)].float() * table.shape[1] ** 0.5
    return vectors
