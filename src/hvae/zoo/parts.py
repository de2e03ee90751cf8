"""What several families are built from: kits by name, likelihoods by name, chains of networks, conditions.

Shapes: a feature is (H,) for vectors or (C, h, w) for maps, without the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from torch import nn

from hvae.condition import Condition
from hvae.config.columns import COLUMNS, NAME, WHOLE, count_of
from hvae.config.condition import ALL, ConditionConfig
from hvae.config.model import LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.errors import HvaeError, unknown
from hvae.levels.heads import Head
from hvae.levels.likelihoods import head
from hvae.models.conditioning import LAST, Code, Conditioned, Guessed, Place, RowCondition, Unconditional
from hvae.nn import ConvKit, Kit, MLPKit, Shape, TanhKit
from hvae.nn.attention import attention
from hvae.nn.caption import CaptionCode
from hvae.nn.columns import ColumnsKit, Kinds
from hvae.nn.conv import Then, nothing_more
from hvae.nn.film import ENTRIES, ClassCode, Entering, VectorCode
from hvae.nn.kit import Batches, Norm, grouped, unnormalised
from hvae.nn.larger import LARGER, Larger
from hvae.nn.mlp import Centre, dense

BATCH = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
VECTORS: dict[str, Norm] = {"none": unnormalised, "batch": Batches, "group": grouped}
KITS: dict[str, Callable[[str, Then, int, Larger], Kit]] = {
    "mlp": lambda norm, then, axes, larger: MLPKit(VECTORS[norm]),
    "mlp-tanh": lambda norm, then, axes, larger: TanhKit(VECTORS[norm]),
    "conv": lambda norm, then, axes, larger: ConvKit({**VECTORS, "batch": BATCH[axes]}[norm], then, axes, larger),
}


def kit_of(config: VAEConfig | MarkovConfig | LVAEConfig | VLAEConfig, shape: Shape) -> Kit:
    """The layers that a configuration describes, over data of a shape.  Raises HvaeError as `kit_for` does."""
    if config.likelihood == COLUMNS:
        return _kit_of_columns(config)
    then = then_attending(config.attention, shape)
    return kit_for(config.network, config.norm, then, len(shape) - 1, LARGER[config.up])


def _kit_of_columns(config: VAEConfig | MarkovConfig | LVAEConfig | VLAEConfig) -> Kit:
    if config.network != "mlp":
        raise HvaeError(
            f"model.network: expected mlp for model.likelihood columns, whose data are vectors, got {config.network}"
        )
    return ColumnsKit(VECTORS[config.norm], kinds(config.columns).names)


def kinds(columns: Sequence[str]) -> Kinds:
    """The kinds of columns, as networks want them.

    >>> kinds(("real", "whole:90", "name:3"))
    Kinds(wholes={1: 90}, names={2: 3})
    """
    counts = {word: {c: count_of(k) for c, k in enumerate(columns) if k.startswith(word)} for word in (WHOLE, NAME)}
    return Kinds(counts[WHOLE], counts[NAME])


def kit_for(
    network: str, norm: str, then: Then = nothing_more, axes: int = 2, larger: Larger = LARGER["nearest"]
) -> Kit:
    """Layers for vectors ("mlp") or for maps of so many axes ("conv"), with a normalisation by name; `then` and
    `larger` are of maps.

    Raises HvaeError for an unknown name, and for maps that have no axis, or more than three.
    """
    if network not in KITS or norm not in VECTORS:
        raise unknown("kind of layers", f"{network} {norm}", [f"{kit} {kind}" for kit in KITS for kind in VECTORS])
    if network == "conv" and axes not in BATCH:
        raise HvaeError(
            f"model.network conv: expected data of 1 to 3 axes beside their channels, (C, T), (C, H, W) or "
            f"(C, D, H, W), got {axes}; for vectors choose mlp"
        )
    return KITS[network](norm, then, axes, larger)


def then_attending(heads: Sequence[int], data: Shape) -> Then:
    """What networks to maps end in: attention with so many `heads` at each scale of the data, the finest first."""
    if not any(heads):
        return nothing_more
    at = {shape[1:]: shape[0] for shape in ConvKit().shapes(data, heads)}
    return lambda feature: attention(feature[0], at.get(feature[1:], 0), len(feature) - 1)


def head_for(config: ModelConfig, shape: Shape, bits: int) -> Head:
    """The likelihood a configuration names, for data of this shape and bit depth."""
    if config.likelihood == COLUMNS and len(config.columns) != math.prod(shape):
        raise HvaeError(
            f"model.columns: expected a kind for each of {math.prod(shape):,} columns, got {len(config.columns):,}; "
            "hvae train takes them from the table (--data.name table), leave it out"
        )
    return head(
        config.likelihood,
        shape,
        2**bits,
        mixtures=config.mixtures,
        sigma=config.sigma,
        gain=config.gain,
        kinds=kinds(config.columns),
    )


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


def conditioning(config: ConditionConfig, places: Mapping[str, Place], shape: Shape = ()) -> RowCondition:
    """How the configured condition enters the levels of a family, which offers it these `places` by level.

    It is made last, so that the other weights start as those of the model without it.  Raises HvaeError for levels that
    there are not, and for a size that is still left to the data.
    """
    if config.kind == "none":
        return Unconditional()
    _check_size(config)
    names = [name for name in places if name != LAST] if config.levels == (ALL,) else _known(config.levels, places)
    choice = {name: places[name] for name in names}
    layer = _ENTERED[config.enters]
    networks = {
        what: _entries(config, {n: getattr(p, what) if what in layer else 0 for n, p in choice.items()})
        for what in Place._fields
    }
    if config.enters != "levels" and not networks["prior"]:
        raise HvaeError(
            "model.condition.enters: expected levels where no prior can hear a condition, got "
            f"{config.enters}; families of codes have such priors (--model.family vqvae --model.prior transformer)"
        )
    optional = config.drop > 0
    if config.kind == "class":
        condition, code = Condition(classes=config.classes, optional=optional), ClassCode(config.classes, config.width)
        conditioned = Conditioned(config.context, condition, code=code, networks=networks, drop=config.drop)
        return Guessed(conditioned, _classifier(config, shape)) if config.classifier else conditioned
    condition, read = _read(config, optional)
    return Conditioned(config.context, condition, code=read, networks=networks, drop=config.drop)


def _read(config: ConditionConfig, optional: bool) -> tuple[Condition, Code]:
    """What is asked of a condition of several numbers, and what reads it."""
    shape = (config.numbers,)
    if config.kind == "vector":
        return Condition(shape=shape, optional=optional), VectorCode(config.numbers, config.width)
    reader = CaptionCode(config.classes, config.numbers, config.width, layers=config.layers, heads=config.heads)
    return Condition(classes=config.classes, shape=shape, optional=optional), reader


def _classifier(config: ConditionConfig, shape: Shape) -> nn.Module:
    """x to logits of the classes, dense.  Raises HvaeError in a family that does not say what its data look like."""
    if not shape:
        raise HvaeError(
            "model.condition.classifier: this family guesses no class; choose one of vae, lvae, vlae, markov, ladder, "
            "iafvae, biva, vdvae, qresvae"
        )
    sizes = [math.prod(shape), *config.classifier]
    hidden = [layer for a, b in pairwise(sizes) for layer in dense(a, b)]
    return nn.Sequential(Centre(), nn.Flatten(), *hidden, nn.Linear(sizes[-1], config.classes))


_FEATURES = ("state", "evidence", "value", "past")
_ENTERED: dict[str, tuple[str, ...]] = {
    "levels": _FEATURES,
    "priors": ("prior",),
    "both": (*_FEATURES, "prior"),
}
"""Fields of a `Place`."""


def _entries(config: ConditionConfig, channels: Mapping[str, int]) -> dict[str, Entering]:
    """A network for each level that has something to enter.

    They start at sqrt(1/N) of their size, so that what N of them add to one state stays of order one, and at the share
    `start` of that.
    """
    entry, gain = ENTRIES[config.how], config.start * math.sqrt(1 / len(channels))
    return {name: entry(count, config.width, gain) for name, count in channels.items() if count}


def _known(levels: Sequence[str], places: Mapping[str, Place]) -> Sequence[str]:
    for name in levels:
        if name not in places:
            raise HvaeError(f"model.condition.levels: {unknown('level', name, list(places))}")
    return levels


def _check_size(config: ConditionConfig) -> None:
    if config.is_open:
        size = "numbers" if config.kind == "vector" or config.classes else "classes"
        raise HvaeError(
            f"model.condition.{size}: expected how many {size} there are, got 0; hvae train takes it from the data, "
            f"otherwise set it, as in --model.condition.{size} 10"
        )
