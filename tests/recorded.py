"""Recorded outputs of public implementations of sequence models, and how their weights come into ours.

`fixtures/sequences/NAME.npz` holds `param/...` under the published names, inputs, noise, outputs, and `grad/...`; all
was computed in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.draw import Draw, Drawn
from hvae.site import Site

FOLDER = Path(__file__).parent / "fixtures" / "sequences"
Arrays = dict[str, Tensor]


def recorded(name: str | Path) -> Arrays:
    """Every array of a recording, by its name here or by its path, in float64 but for whole numbers."""
    with np.load(FOLDER / f"{name}.npz" if isinstance(name, str) else name) as file:
        arrays = {key: torch.from_numpy(np.atleast_1d(file[key])) for key in file.files}
    return {key: t.double() if t.is_floating_point() else t for key, t in arrays.items()}


def part(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays below a prefix, without it."""
    return {key.removeprefix(prefix): t for key, t in arrays.items() if key.startswith(prefix)}


@dataclass(frozen=True, eq=False)
class StepNoise(Draw):
    """Latents from recorded noise (B, T, D), of q where there is one; data as the mean of their law."""

    noise: Tensor

    def __call__(self, site: Site) -> Drawn:
        if site.data:
            return Drawn(site.p.mean(), site.p)
        law = site.q or site.p
        return Drawn(law.loc + law.scale * self.noise[:, site.step], law)


def linears(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def rectified(model: nn.Module) -> nn.Module:
    """The model with plain rectifiers and the scales' plain softplus, as much public code has it."""
    for layer in model.modules():
        if isinstance(layer, nn.LeakyReLU):
            layer.negative_slope = 0.0
        if hasattr(layer, "positive"):
            layer.positive = F.softplus
    return model


def swapped(weight: Tensor, first: int) -> Tensor:
    """The columns after the first so many, then those: a network of [b, a] as one of [a, b]."""
    return torch.cat([weight[:, first:], weight[:, :first]], 1)


def place(model: nn.Module, weights: dict[nn.Parameter, Tensor]) -> None:
    """Their weights into ours; those of ours that have no counterpart must be zero there: biases."""
    with torch.no_grad():
        for own in model.parameters():
            own.copy_(weights.get(own, torch.zeros_like(own)))


def same_gradients(weights: dict[nn.Parameter, Tensor]) -> None:
    for own, theirs in weights.items():
        close(own.grad, theirs)


def close(ours: Tensor, theirs: Tensor, atol: float = 1e-9) -> None:
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


def layer(arrays: Arrays, own: nn.Linear, *names: str, change: Callable[[Tensor], Tensor] = lambda w: w) -> Arrays:
    """Published linear maps, stacked, in the place of one of ours."""
    weight = torch.cat([arrays[f"{name}.weight"] for name in names])
    return {own.weight: change(weight), own.bias: torch.cat([arrays[f"{name}.bias"] for name in names])}
