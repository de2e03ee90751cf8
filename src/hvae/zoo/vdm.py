r"""The variational diffusion model: a hierarchy of T levels, of which q is fixed and p shares one network.

    q(z_t | x) = N(alpha_t x, sigma_t^2),  alpha_t^2 = sigmoid(-gamma(t)),  sigma_t^2 = sigmoid(gamma(t))
    p(z_s | z_t) = q(z_s | z_t, x = xhat(z_t, gamma_t)),   p(z_1) = N(0, 1)
    -ELBO = -E log p(x | z_0) + KL(q(z_1 | x) || p(z_1)) + L_T          Kingma et al. 2021, arXiv 2107.00630, eq. (11)
    L_T = T/2 E expm1(gamma_t - gamma_s) |eps - epshat|^2               eq. (12-14), t of 1/T, ..., 1 and s = t - 1/T
    given y: p(z_s | z_t, y), whose denoiser hears g + f(y) for the vector g of its noise level;  q(z | x) as it is
    L_infinity = 1/2 E gamma'(t) |eps - epshat|^2                       eq. (15-17), t any time
    p(x_i = k | z_0) prop. to N(z_0i / alpha_0; x_k, 1 / SNR(0))        app. E, over the 2^bits values

Differences from the paper: scales of lower resolution, attention and the parameterisation are settings; a monotone
network's interior is trained by the bound as its ends are, not by the bound's variance (app. I.2), which in continuous
time leaves it where it began on average.
"""

from __future__ import annotations

from collections.abc import Callable

from hvae.config.diffusion import VDMConfig
from hvae.errors import HvaeError
from hvae.models.conditioning import Place
from hvae.models.diffusion import DENOISER, GUESSES, Diffusion
from hvae.nn import Shape
from hvae.nn.kit import Norm, grouped
from hvae.nn.noise import FixedLinear, LearnedLinear, Monotone, Schedule
from hvae.nn.unet import UNet, normed
from hvae.zoo.parts import conditioning

SCHEDULES: dict[str, Callable[[VDMConfig], Schedule]] = {
    "linear": lambda config: FixedLinear(config.gamma_min, config.gamma_max),
    "learned": lambda config: LearnedLinear(config.gamma_min, config.gamma_max),
    "network": lambda config: Monotone(config.gamma_min, config.gamma_max, config.schedule_width),
}

NORMS: dict[str, Norm] = {"published": normed, "group": grouped}
"""Of the denoiser, by the name in a configuration."""


def build(config: VDMConfig, shape: Shape, bits: int) -> Diffusion:
    """Levels of the shape of the data, and a U-Net."""
    if len(shape) != 3:
        raise HvaeError(f"vdm needs images (C, H, W), got data of shape {shape}; for vectors choose model.family lvae")
    network = UNet(
        shape[0],
        widths=config.widths,
        blocks=config.blocks,
        middle=config.attention != "none",
        everywhere=config.attention == "all",
        fourier=config.fourier,
        dropout=config.dropout,
        norm=NORMS[config.norm],
    )
    return Diffusion(
        shape,
        values=2**bits,
        steps=config.steps,
        walked=config.walked,
        visited=config.visited,
        schedule=SCHEDULES[config.schedule](config),
        network=network,
        guess=GUESSES[config.predict],
        ends=(config.gamma_min, config.gamma_max),
        condition=conditioning(config.condition, {DENOISER: Place(state=network.level.second.out_features)}),
    )
