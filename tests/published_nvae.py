"""What the released code of NVAE computed at toy size; benchmarks/record_nvae.py writes these numbers.

Weights are under their published names; raw likelihood numbers are at every fourth pixel, `PARTS`, those in float64 at
every eighth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from hvae.checkpoints.nvae import convert, infer
from hvae.config.nvae import NVAEConfig
from hvae.zoo.nvae import NVAE, build

CASES = ("nvae_flow", "nvae_binary")
PARTS = slice(1, None, 4)


@dataclass(frozen=True)
class Precision:
    """The numbers of one type: where they are, how near ours must come to them, and `every` which recorded pixel.

    `rtol` is of each number; `largest`, of the largest of a tensor, is what float32 can promise of those near zero.
    """

    dtype: torch.dtype
    prefix: str
    rtol: float
    largest: float
    every: int

    def close(self, value: Tensor, expected: Tensor) -> None:
        """Types are compared too, so that nothing can be narrowed at the end unseen."""
        torch.testing.assert_close(value, expected, rtol=self.rtol, atol=self.largest * float(expected.abs().max()))

    def thin(self, raw: Tensor) -> Tensor:
        """The recorded pixels of raw likelihood numbers."""
        return raw[..., PARTS, PARTS][..., :: self.every, :: self.every]


SINGLE = Precision(torch.float32, "", rtol=0, largest=1e-5, every=1)
DOUBLE = Precision(torch.float64, "double/", rtol=1e-10, largest=0, every=2)


class Case:
    """One recorded model: `numbers` by name, the `args` of its training, its weights under their published names."""

    def __init__(self, name: str) -> None:
        folder = Path(__file__).parent / "fixtures"
        self.args: dict[str, Any] = {}
        self.numbers: dict[str, Tensor] = {}
        for file in (f"{name}.npz", f"{name}_train.npz"):
            with np.load(folder / file) as arrays:
                self.args |= json.loads(str(arrays["args"]))
                self.numbers |= {key: torch.from_numpy(arrays[key]) for key in arrays.files if key != "args"}
        self.state = self.below("param/")
        self.noise = list(self.below("noise/").values())

    def below(self, prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): value for key, value in self.numbers.items() if key.startswith(prefix)}

    @cached_property
    def told(self) -> tuple[NVAEConfig, tuple[int, int, int], int]:
        return infer(self.state, self.args)

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        return convert(self.state, self.told[0])

    def model(self, dtype: torch.dtype = torch.float32) -> NVAE:
        """With the recorded weights, in evaluation mode."""
        model = build(*self.told)
        model.load_state_dict(self.weights)
        return model.to(dtype).eval()

    def x(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """The data as our model gets them: levels k / 255, without the margin that ours adds itself."""
        x = self.numbers["x"] if self.args["dataset"] == "cifar10" else self.numbers["x"][..., 2:30, 2:30]
        return (x.to(dtype) * 255).round() / 255


def in_our_order(raw: Tensor, mixtures: int) -> Tensor:
    """Raw numbers of a mixture over three channels, on axis 0: published (channel, kind, component) to ours."""
    kinds = raw[mixtures:].unflatten(0, (3, 3, mixtures)).movedim(0, 2)  # (kind, component, channel, ...)
    return torch.cat([raw[:mixtures], kinds.flatten(0, 2)])


@cache
def case(name: str) -> Case:
    return Case(name)


@contextmanager
def drawing(noise: list[Tensor]) -> Iterator[None]:
    """Gaussian draws, one after another, are those of a list."""
    left = iter(noise)
    with patch.object(torch, "randn_like", lambda like, **_: next(left).to(like)):
        yield
