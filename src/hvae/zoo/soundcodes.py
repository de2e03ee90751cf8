r"""Residual codes of sound, as SoundStream has them: `rqvae` on signals of any length.

    z_e = f(x),   r_L = z_e,   k_l = nearest(r_l),   r_{l-1} = r_l - e_{k_l},   x = g(sum_l e_{k_l})
                                                  Zeghidour et al. 2021, arXiv 2107.03312, fig. 2, algorithm 1
    bits a second = rate / (frame * stride) * sum of log2 K over the codebooks that are sent, by a uniform prior;
    log p(k_l) = sum_t log p(k_{l,t} | k_{l,<t}, sum_{j > l} e_{k_{j,<=t}}) by a trained one

f and g are causal (`hvae.nn.signals`).  With `dropout` a random number of codebooks is read in training, and each
number of them is a bitrate of one model (sec. III-C).

Differences from the paper: no adversary, so that what is minimised is the squared error of the samples (a Gaussian
likelihood) and, by `objective.stft`, a distance of spectra; strides are powers of two; beneath a level left out stands
the mode of its prior, a constant vector, and not zero.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from hvae.config.vqvae import RQVAEConfig
from hvae.errors import HvaeError
from hvae.levels.codebook import BlankAlong, CodeLevel, CodePriorAlong, Plus, Remainder, UniformAlong
from hvae.levels.quantisers import constant
from hvae.models.fewer import Fewer
from hvae.models.signals import CodedSignal
from hvae.nn import Shape
from hvae.nn.mlp import Centre
from hvae.nn.signals import downward, upward
from hvae.nn.transformer import CausalAlong
from hvae.zoo.codes import books, level_under, place
from hvae.zoo.parts import conditioning, head_for


def build(config: RQVAEConfig, shape: Shape, bits: int) -> CodedSignal:
    """Codes of steps (T, S) of S values.  Raises HvaeError for what only images have."""
    _check(config, bits)
    head = head_for(config, shape[1:], bits)
    network = (config.width, config.hidden, config.blocks, config.stride)
    names = [f"z{l}" for l in range(config.depth, 0, -1)]
    return CodedSignal(
        shape,
        stride=config.stride,
        dims=config.dims,
        enter=nn.Sequential(Centre(), downward(shape[1], *network), nn.Conv1d(config.width, config.dims, 1)),
        levels=list(_levels(config, names, shape[1])),
        fewer=Fewer(names, config.dropout),
        condition=conditioning(config.condition, {name: place(config, config.dims) for name in names}),
        leave=upward(config.dims, *network, head.width),
        head=head,
    )


def _levels(config: RQVAEConfig, names: list[str], values: int) -> Iterator[CodeLevel]:
    for name, book in zip(names, books(config), strict=True):
        yield level_under(
            _prior(config, is_top=name == names[0]),
            config,
            name,
            config.stride * values,
            read=Remainder(Tensor.detach, nn.Identity()),
            absorb=Plus(nn.Identity()),
            gradient=constant if name != "z1" else None,
            book=book,
        )


def _prior(config: RQVAEConfig, *, is_top: bool) -> nn.Module:
    if config.prior == "uniform":
        return UniformAlong()
    width = config.prior_width
    network = CausalAlong(
        config.codes,
        width=width,
        layers=config.prior_layers,
        heads=config.prior_heads,
        dropout=config.prior_dropout,
    )
    # Of its own position alone: what is behind the end of a sound must move no code of it.
    return CodePriorAlong(network, BlankAlong(width) if is_top else nn.Conv1d(config.dims, width, 1))


def _check(config: RQVAEConfig, bits: int) -> None:
    """Raises HvaeError for what is of images alone, and for data that are no levels."""
    of_images = {"scales": "same", "network": "conv"}
    for key, only in of_images.items():
        if (got := getattr(config, key)) != only:
            raise HvaeError(f"model.{key}: expected {only} for sound and other sequences, got {got}; leave it out")
    if config.prior not in ("uniform", "transformer"):
        raise HvaeError(f"model.prior: expected uniform or transformer for sound, got {config.prior}")
    if config.prior != "uniform" and config.dropout:
        raise HvaeError(
            f"model.dropout: expected 0 with model.prior {config.prior}, which learns the codes of whole files, got "
            f"{config.dropout}; add --model.dropout 0 to the second stage"
        )
    if config.codebook == "stochastic":
        raise HvaeError("model.codebook: expected one of nearest codes for sound, got stochastic; choose averages")
    if not bits:
        raise HvaeError("rqvae of sequences needs sound, values in [0, 1]; for real numbers choose model.family srnn")
