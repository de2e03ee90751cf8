"""The published weights of NVAE (NVlabs/NVAE): a `checkpoint.pt` holds them beside the arguments of its training.

Vahdat and Kautz 2020, arXiv 2007.03898.  Every tensor has its counterpart, of the same shape; only the last layer of a
mixture is re-ordered.  The vectors of the spectral term, absent from published files, are re-initialised as there.

Shapes: as `hvae.zoo.nvae`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.checkpoints.mapping import compare, fit, only, shapes, tensor
from hvae.checkpoints.nvae_names import last, names
from hvae.config.model import AnyLikelihood
from hvae.config.nvae import NVAEConfig, halving
from hvae.errors import HvaeError, short
from hvae.zoo.nvae import build

WHAT = "NVlabs/NVAE"
SETS: dict[str, tuple[int, int]] = {
    **{name: (1, 28) for name in ("mnist", "omniglot")},
    **{name: (3, 32) for name in ("cifar10", "imagenet_32")},
    **{name: (3, 64) for name in ("celeba_64", "imagenet_64", "lsun_church_64")},
    **{name: (3, 128) for name in ("lsun_bedroom_128", "lsun_church_128")},
    **{name: (3, 256) for name in ("celeba_256", "ffhq", "lsun_bedroom_256")},
}
"""Channels and side of the images of each data set of the released code."""

# What files older than an argument were trained with, as the released code reads them.
_SINCE: dict[str, Any] = {"ada_groups": False, "min_groups_per_scale": 1, "num_mixture_dec": 10, "num_x_bits": 8}
_CELLS = ("res_mbconv",)
# A second name of layers without weight normalisation, which newer files carry.
_ALIAS = ".weight_normalized"

Shape = tuple[int, int, int]


def infer(state: Mapping[str, Tensor], args: Mapping[str, Any]) -> tuple[NVAEConfig, Shape, int]:
    """The configuration, the shape (C, H, W) of the images and their bits, of weights with their training's arguments.

    The likelihood is the published one (dmol-nvae), so that the numbers are.  Raises HvaeError, in one line, where
    an argument is missing or of a variant that is not part of hvae, and where a weight is missing, surplus or of
    another shape than the arguments say.
    """
    arguments = _Told(args)
    only(arguments.text("arch_instance"), _CELLS, "cell", WHAT)
    only(arguments.text("dataset"), list(SETS), "data set", WHAT)
    channels, side = SETS[arguments.text("dataset")]
    config = _configured(arguments, "bernoulli" if channels == 1 else _coloured(arguments))
    expected = _sizes(config, _model(config, channels, side))
    state = _plain(state)
    compare(state, expected, f"the weights do not fit those of {WHAT}")
    shapes(state, expected, f"the weights do not fit those of {WHAT}")
    return config, (channels, side, side), 1 if channels == 1 else arguments.number("num_x_bits")


def convert(state: Mapping[str, Tensor], config: NVAEConfig) -> dict[str, Tensor]:
    """The weights under our names: exactly the `state_dict()` of the model that `config` describes.

    Every tensor must be there, none may be left over, each must have its shape and be finite: else HvaeError.
    """
    state = _plain(state)
    channels = tensor(state, "stem.weight", 4, WHAT).shape[1]
    side = tensor(state, "prior_ftr0", 3, WHAT).shape[1] * config.factor
    model = _model(config, channels, side)
    fit(state, _sizes(config, model), f"the weights of {WHAT}")
    theirs = {ours: name for name, ours in names(config).items()}
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, like in model.items():
        source = theirs.get(_shallow(name))
        assert source or name.startswith("spectral."), name
        weights[name] = state[source] if source else _begun(like, generator)
    reordered = f"leave.{last(config)}."
    if config.likelihood.startswith("dmol"):
        order = _mixture_order(config.mixtures)
        weights |= {name: value[order] for name, value in weights.items() if name.startswith(reordered)}
    return weights


class _Told:
    """The arguments of a training run, by name and type."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        self.args = {**_SINCE, **args}

    def _value(self, name: str, kind: type | tuple[type, ...], expected: str) -> Any:
        if name not in self.args:
            raise HvaeError(f"expected the arguments of {WHAT}, found none named {name}; is it another model's file?")
        if not isinstance(self.args[name], kind):
            raise HvaeError(f"expected {expected} for the argument {name} of {WHAT}, got {short(self.args[name])}")
        return self.args[name]

    def number(self, name: str) -> int:
        return int(self._value(name, int, "a whole number"))

    def text(self, name: str) -> str:
        return str(self._value(name, str, "a name"))

    def both(self, first: str, second: str) -> int:
        """The common value of two arguments that must agree."""
        only(self.number(second), [self.number(first)], second, WHAT)
        return self.number(first)


def _coloured(arguments: _Told) -> AnyLikelihood:
    return "gaussian-nvae" if arguments.number("num_mixture_dec") == 1 else "dmol-nvae"


def _configured(arguments: _Told, likelihood: AnyLikelihood) -> NVAEConfig:
    scales, most = arguments.number("num_latent_scales"), arguments.number("num_groups_per_scale")
    least = arguments.number("min_groups_per_scale") if arguments.number("ada_groups") else most
    return NVAEConfig(
        likelihood=likelihood,
        mixtures=max(arguments.number("num_mixture_dec"), 1),
        groups=halving(scales, most, least),
        latent=arguments.number("num_latent_per_group"),
        encoder_width=arguments.number("num_channels_enc"),
        decoder_width=arguments.number("num_channels_dec"),
        blocks=arguments.both("num_preprocess_blocks", "num_postprocess_blocks"),
        block_cells=arguments.both("num_preprocess_cells", "num_postprocess_cells"),
        encoder_cells=arguments.number("num_cell_per_cond_enc"),
        decoder_cells=arguments.number("num_cell_per_cond_dec"),
        flows=arguments.number("num_nf"),
        residual=bool(arguments.number("res_dist")),
        gates=bool(arguments.number("use_se")),
    )


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state without the second names that some layers have; each must be of a weight, and of its shape."""
    for name, value in state.items():
        first = name.removesuffix(_ALIAS) + ".weight"
        if name.endswith(_ALIAS) and (first not in state or state[first].shape != value.shape):
            raise HvaeError(f"the weights of {WHAT} hold {name} but no {first} of its shape; the file is incomplete")
    return {name: value for name, value in state.items() if not name.endswith(_ALIAS)}


def _model(config: NVAEConfig, channels: int, side: int) -> dict[str, Tensor]:
    """Our names, likewise."""
    with torch.device("meta"):
        return build(config, (channels, side, side), 1 if config.likelihood == "bernoulli" else 8).state_dict()


def _sizes(config: NVAEConfig, model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their names, each with a tensor (without storage) of the shape it must have."""
    ours = {_shallow(name): like for name, like in model.items()}
    return {theirs: ours[name] for theirs, name in names(config).items()}


def _shallow(name: str) -> str:
    """The name without the extra module of a recomputed cell."""
    for part in ("branch", "skip", "gate"):
        name = name.replace(f".network.{part}.", f".{part}.")
    return name


def _begun(like: Tensor, generator: torch.Generator) -> Tensor:
    """An initial buffer of the spectral term: random directions, (N, R), or a zero counter."""
    if like.ndim == 0:
        return torch.zeros((), dtype=like.dtype)
    return F.normalize(torch.randn(like.shape, generator=generator), dim=1)


def _mixture_order(m: int) -> Tensor:
    """Where each raw number of our mixture stands in the published layer: see `MixtureHead`."""
    kinds = torch.arange(9 * m).view(3, 3, m) + m  # (channel, location or log-scale or coefficient, component)
    return torch.cat([torch.arange(m), *(kinds[:, i].T.flatten() for i in range(3))])
