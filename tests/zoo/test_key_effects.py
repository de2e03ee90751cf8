"""A key that a family takes changes its network, and all that it brings is heard in the bound."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import get_args, get_type_hints

import pytest
import torch
from families import VDM
from keyed import BIVA, CONVOLUTIONAL, DEEP, IAF, NV, QRES, elbo, toy
from torch import Tensor, nn

from hvae.config.diffusion import VDMConfig
from hvae.config.families import FAMILIES as REGISTRY
from hvae.config.maps import KEYS
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.config.pixels import PixelVAEConfig
from hvae.errors import HvaeError
from hvae.walk import Model

# Groups of fewer than 16 channels are one: 32 make the groups of a scale differ from a norm over all of them.
PLAIN: dict[str, ModelConfig] = {
    "vae": VAEConfig(network="conv", latent=2, widths=(8, 32)),
    "markov": MarkovConfig(network="conv", latents=(2, 2), widths=(8, 32)),
    "lvae": LVAEConfig(network="conv", latents=(2, 2), widths=(8, 32)),
    "vlae": VLAEConfig(network="conv", latents=(2, 2), widths=(8, 32)),
    "ladder": LadderConfig(groups=(1, 2), width=8, latent=2),
    "pixelvae": PixelVAEConfig(groups=(1, 2), width=8, latent=2, pixel_width=6, receptive=2),
    "vdvae": DEEP,
    "nvae": replace(NV, gates=False),  # the one hidden unit of a gate may be dead under random weights
    "biva": BIVA,
    "iafvae": IAF,
    "qresvae": QRES,
    "vdm": VDMConfig(**VDM),
}
ATTENTION = {"attention": (2, 4), "latents": (1, 3)}
NUMBERS: dict[str, dict[str, object]] = {
    **{name: {**ATTENTION, "widths": (8, 16)} for name in ("vae", "markov", "lvae", "vlae")},
    **{name: {**ATTENTION, "widths": (4, 8)} for name in ("ladder", "pixelvae")},
    "vdvae": {"attention": "3:2,1:4"},
    "nvae": {"attention": (0, 2), "latents": (3, 1)},
    "biva": {"attention": (2, 0, 4), "latents": (3, 1, 2)},
    "iafvae": {"attention": (2, 4), "latents": (2, 4)},
    "qresvae": {"attention": (3, 2), "latents": (1, 3), "widths": (6, 4)},
    "vdm": {"widths": (6, 6)},
}
"""Another value of each key that is no choice among words."""
TAKEN = [
    (family, field.name) for family in CONVOLUTIONAL for field in fields(REGISTRY[family].config) if field.name in KEYS
]


def others(family: str, key: str) -> list[ModelConfig]:
    """The plain model of a family with every other value of a key that it accepts."""
    plain = PLAIN[family]
    words = [word for word in get_args(get_type_hints(type(plain))[key]) if isinstance(word, str)]
    values = words or [NUMBERS[family][key]]
    return [changed for value in values if (changed := _changed(plain, key, value)) not in (None, plain)]


def _changed(plain: ModelConfig, key: str, value: object) -> ModelConfig | None:
    try:
        return replace(plain, **{key: value})
    except HvaeError:
        return None


def random_weights(config: ModelConfig) -> Model:
    """None of them zero, as some start: what starts as if it were not there shall be seen."""
    model = toy(config)
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            nn.init.normal_(weight, std=0.2)
    return model


def bound(model: Model) -> Tensor:
    return elbo(model).sum()


@pytest.mark.parametrize(("family", "key"), TAKEN, ids=[f"{family}-{key}" for family, key in TAKEN])
def test_every_value_changes_the_bound_and_all_its_weights_are_heard(family: str, key: str) -> None:
    expected, configs = bound(random_weights(PLAIN[family])).detach(), others(family, key)
    assert configs, "a key with one value is no key"
    for config in configs:
        model = random_weights(config)
        found = bound(model)
        assert abs(found.detach() - expected) > 1e-6, config
        found.backward()
        assert not [n for n, w in model.named_parameters() if w.grad is None or not w.grad.any()], config
