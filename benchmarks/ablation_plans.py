"""Plain models and what single keys change of them: the rows of `ablation.py`.

The convolutional ladder is a preset of statically binarised MNIST.  The others are small models of the 8x8 digits of 16
values, under the likelihood of the demonstration, without the free nats and the warm-ups by level of that ladder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hvae.config import RunConfig, preset

Keys = Mapping[str, object]
PLAIN: Keys = {}


@dataclass(frozen=True, eq=False)
class Plan:
    """A preset with what makes it the plain model, and by name what a row has beside that."""

    source: str
    keys: Keys
    rows: Mapping[str, Keys]

    def config(self, key: str, **more: object) -> RunConfig:
        """The run of a row.  Raises KeyError for a row that it does not have."""
        return preset(self.source, {**self.keys, **self.rows[key], **more})

    def is_as_dear(self, key: str) -> bool:
        """Whether the row changes weights of the loss alone, and so no time of a step."""
        return all(name == "objective.beta" for name in self.rows[key])


def penalties(orthogonal: float, spectral: float) -> dict[str, Keys]:
    """Rows of the two penalties of linear maps, which any family without normalised weights takes."""
    return {
        "orthogonal": {"objective.regulariser.orthogonal": orthogonal},
        "spectral": {"objective.regulariser.spectral": spectral},
    }


FREE: Keys = {"objective.free_bits.nats": {"z5": 4.0, "z4": 2.0, "z3": 2.0}}
"""About half of what the upper levels of the plain ladder spend when it has learnt."""
LADDER = Plan(
    "mnist-static-ladder",
    {},
    {
        "plain": PLAIN,
        "norm": {"model.norm": "group"},
        "scale-softplus": {"model.variance": "softplus"},
        "scale-clamp-sigma": {"model.variance": "clamp-sigma"},
        "attention": {"model.attention": "0,0,4"},
        "narrow-fine": {"model.widths": "8,32,32"},
        **penalties(0.001, 0.01),
        "share-levels": {"model.share": "levels"},
        "share-ways": {"model.share": "ways"},
        "context": {"model.context.size": "4"},
        "context-coarse": {"model.context.size": "3", "model.context.bits": "2"},
        "aggregate": {"model.aggregate": "true"},
        "context-aggregate": {"model.context.size": "3", "model.context.bits": "2", "model.aggregate": "true"},
        "up-transposed": {"model.up": "transposed"},
        "skip-concat": {"model.skip": "concat"},
        "skip-gated": {"model.skip": "gated"},
        "latents": {"model.latents": "8,4,16"},
        "free": FREE,
        "attention-free": {"model.attention": "0,0,4", **FREE},
        "latents-free": {"model.latents": "8,4,16", **FREE},
    },
)
DIGITS: Keys = {"objective.free_bits.nats": 0, "train.ema": 0.99, "train.batch": 32}
QUICK: Keys = {**DIGITS, "train.ema": 0.98, "train.lr": 0.006, "train.warmup": 20}
"""For a few hundred steps: of the preset's rate 0.002 and this one, the better for the plain VDVAE (validation)."""

VDVAE = Plan(
    "digits",
    {
        **QUICK,
        "model.family": "vdvae",
        "model.encoder": "8x1,8d2,4x1,4d2,2x1",
        "model.decoder": "2x1,4m2,4x1,8m4,8x1",
        "model.width": 32,
        "model.latent": 4,
        "model.bottleneck": 0.5,
    },
    {
        "plain": PLAIN,
        "norm": {"model.norm": "group"},
        "attention": {"model.attention": "4:4,2:4"},
        "share-levels": {"model.share": "levels"},
        "share-ways": {"model.share": "ways"},
        "up-transposed": {"model.up": "transposed"},
        "up-sub-pixel": {"model.up": "sub-pixel"},
        "skip-concat": {"model.skip": "concat"},
        "skip-gated": {"model.skip": "gated"},
        "narrow-fine": {"model.width": 16, "model.custom_widths": "4:32,2:32"},
        "latents": {"model.custom_latents": "8:2,2:8"},
        "scale-softplus": {"model.variance": "softplus"},
        **penalties(0.001, 0.01),
    },
)
NVAE = Plan(
    "digits",
    {
        **QUICK,
        "model.family": "nvae",
        "model.groups": "2,2",
        "model.encoder_width": 8,
        "model.decoder_width": 8,
        "model.encoder_cells": 1,
        "model.decoder_cells": 1,
        "model.block_cells": 1,
        "model.latent": 4,
    },
    {
        "plain": PLAIN,
        "norm": {"model.norm": "group"},
        "attention": {"model.attention": "4,4"},
        "skip-add": {"model.skip": "add"},
        "skip-gated": {"model.skip": "gated"},
        "latents": {"model.latents": "2,8"},
    },
)
BIVA = Plan(
    "digits",
    {
        **QUICK,
        "model.family": "biva",
        "model.latents": "4,4,4",
        "model.strides": "2,1,1",
        "model.kernels": "3,3,3",
        "model.maps": "3,3,3",
        "model.width": 16,
        "model.blocks": 1,
        "model.dropout_q": 0,
        "model.dropout_p": 0,
    },
    {
        "plain": PLAIN,
        "attention": {"model.attention": "0,4,4"},
        "share-levels": {"model.share": "levels"},
        "up-nearest": {"model.up": "nearest"},
        "up-sub-pixel": {"model.up": "sub-pixel"},
        "latents": {"model.latents": "2,4,8"},
    },
)
BETA = Plan(
    "digits",
    DIGITS,
    {
        "plain": PLAIN,
        "rising": {"objective.beta": {"z1": 0.5, "z2": 1.0, "z3": 1.5}},
        "falling": {"objective.beta": {"z1": 1.5, "z2": 1.0, "z3": 0.5}},
        "low": {"objective.beta": 0.5},
        "rising-to-one": {"objective.beta": {"z1": 0.25, "z2": 0.5, "z3": 1.0}},
    },
)
"""The ladder of the demonstration: beta that rises with the level, that falls with it, and constant ones."""
PLANS: Mapping[str, Plan] = {"ladder": LADDER, "vdvae": VDVAE, "nvae": NVAE, "biva": BIVA, "beta": BETA}
"""By name."""
