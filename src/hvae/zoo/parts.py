"""What several families are built from: kits by name, likelihoods by name, chains of networks.

Shapes: a feature is (H,) for vectors or (C, h, w) for maps, without the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from hvae.config.model import ModelConfig
from hvae.errors import HvaeError, unknown
from hvae.levels.heads import Head, head
from hvae.nn import ConvKit, Kit, MLPKit, Shape, TanhKit

KITS: dict[tuple[str, str], Callable[[], Kit]] = {
    ("mlp", "none"): MLPKit,
    ("mlp", "batch"): lambda: MLPKit(nn.BatchNorm1d),
    ("mlp-tanh", "none"): TanhKit,
    ("mlp-tanh", "batch"): lambda: TanhKit(nn.BatchNorm1d),
    ("conv", "none"): ConvKit,
    ("conv", "batch"): lambda: ConvKit(nn.BatchNorm2d),
}


def kit_for(network: str, norm: str) -> Kit:
    """Layers for vectors ("mlp") or for images ("conv"), with a normalisation by name."""
    if (network, norm) not in KITS:
        raise unknown("kind of layers", f"{network} {norm}", [" ".join(kind) for kind in KITS])
    return KITS[network, norm]()


def head_for(config: ModelConfig, shape: Shape, bits: int) -> Head:
    """The likelihood a configuration names, for data of this shape and bit depth."""
    return head(config.likelihood, shape, 2**bits, mixtures=config.mixtures, sigma=config.sigma)


def climb(kit: Kit, data: Shape, widths: Sequence[Shape]) -> nn.Sequential:
    """Data to the last of `widths`, through each of them."""
    return nn.Sequential(kit.enter(data, widths[0]), *(kit.connect(a, b) for a, b in pairwise(widths)))


def descend(kit: Kit, shapes: Sequence[Shape]) -> nn.Sequential:
    """The last of `shapes` down to the first, through each of them."""
    return nn.Sequential(*(kit.connect(b, a) for a, b in reversed(list(pairwise(shapes)))))


def same_length(config: ModelConfig, latents: Sequence[int], widths: Sequence[int]) -> None:
    """Raises HvaeError unless a hierarchy names one width for each level."""
    if len(latents) != len(widths) or not latents:
        raise HvaeError(
            f"model.latents has {len(latents)} levels and model.widths {len(widths)}; "
            f"{config.family} needs one width for each level, e.g. latents 32,16 and widths 512,256"
        )
