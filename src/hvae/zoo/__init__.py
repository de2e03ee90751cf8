"""The families, one file a paper, and the one way to build any of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral

from hvae.config.families import family_of_config
from hvae.config.model import ModelConfig
from hvae.errors import HvaeError, short
from hvae.walk import Model


def build(config: ModelConfig, shape: Sequence[int], bits: int = 8) -> Model:
    """The model a configuration describes, for data of one shape and bit depth.

    Arguments: `config`, a family's configuration, one of your own included (`hvae.family`); `shape` of one datum,
    (C, H, W) or (D,); `bits` a value, 1 for binary data, 0 for real numbers.  Raises HvaeError for impossible sizes.

    >>> from hvae.config.model import LVAEConfig
    >>> model = build(LVAEConfig(latents=(8, 4), widths=(32, 16)), shape=(1, 8, 8), bits=1)
    >>> list(model.levels)
    ['z2', 'z1']
    """
    family = family_of_config(config)
    model = family.build(
        config, _sizes(shape), _whole(bits, "bits: expected a whole number such as 8, or 0 for real numbers", 0)
    )
    if not isinstance(model, Model):
        raise HvaeError(f"{family.name}: expected its builder to give a hvae.Model, got {type(model).__name__}")
    if config.condition.kind != "none" and not model.conditions:
        raise HvaeError(
            f"model.condition: {family.name} takes no condition; set model.condition.kind none, or choose one of "
            f"{CONDITIONAL}; of sequences {CONDITIONAL_IN_TIME}"
        )
    return model


def _sizes(shape: Sequence[int]) -> tuple[int, ...]:
    expected = "expected a shape of positive sizes such as (1, 28, 28)"
    if not isinstance(shape, Iterable) or isinstance(shape, str) or not (sizes := tuple(shape)):
        raise HvaeError(f"{expected}, got {short(shape)}")
    return tuple(_whole(size, expected, 1, shape) for size in sizes)


def _whole(value: object, expected: str, least: int, among: object = None) -> int:
    """A whole number of at least so much.  Raises HvaeError for all else, and what only looks like one, as True."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise HvaeError(f"{expected}, got {short(value if among is None else among)}")
    return int(value)


CONDITIONAL = "vae, lvae, vlae, markov, ladder, pixelvae, vdvae, nvae, iafvae, qresvae, biva, vdm"
"""The families of this library that take a condition."""
CONDITIONAL_IN_TIME = "vrnn, srnn, dmm, vrae, cwvae, stcn, seqladder, rqvae"
