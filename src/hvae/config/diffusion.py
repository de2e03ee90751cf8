"""The settings of diffusions.  No torch here: `--help` stays quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Bound, Length, Probability, Repeats, Size, Sizes
from hvae.config.condition import ALL
from hvae.config.model import AnyLikelihood, ModelConfig
from hvae.errors import HvaeError

MOST_LEVELS = 10**6
LEVELS = f"1 to {MOST_LEVELS:,} levels, or 0 for continuous time"
Gamma = Annotated[float, Bound(least=-30, most=40, expected="a log noise-to-signal ratio from -30 to 40")]
# Below -30 the noise is as small as the last digits of float32, and what a level costs is a matter of rounding.
FINEST = 2.0**-21
"""The least step of gamma from level to level, of its largest value: two or more digits of float32."""
Exponents = Annotated[tuple[Annotated[int, Bound(least=-8, most=16)], ...], Length(0, 16)]


@dataclass(frozen=True, kw_only=True)
class VDMConfig(ModelConfig):
    """Variational diffusion model: a hierarchy of T levels with a fixed q, and one denoiser for all of them.

    >>> VDMConfig(gamma_min=5.0, gamma_max=-13.3)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: model.gamma_max: expected more than model.gamma_min (5), got -13.3; noise grows with time
    """

    family: ClassVar[str] = "vdm"
    unshared: ClassVar[Sequence[str]] = ("likelihood",)
    refusals: ClassVar[Mapping[str, str]] = {
        "share": "one denoiser serves every level: all weights are shared",
        "up": "its U-Net repeats each place and convolves, so that one set of weights serves images of every size",
        "skip": "its U-Net lays the two ways side by side, and its levels have no state beside their values",
        "latents": "its levels have the shape of the data",
    }

    likelihood: AnyLikelihood = "gaussian-grid"
    """gaussian-grid: of the values that a datum may take each is as probable as a Gaussian around z_0 says."""
    steps: Annotated[int, Bound(least=0, most=MOST_LEVELS, expected=LEVELS)] = 1000
    """Levels T, below the top; 0: continuous time, whose levels are ever closer."""
    walked: Annotated[int, Bound(least=1, most=MOST_LEVELS)] = 1000
    """Levels of a whole walk in continuous time, where T is as many as one likes: the bound is that of so many."""
    visited: Repeats = 1
    """Levels that a step of training visits of each datum, at random, each with the weight T / visited."""
    predict: Literal["eps", "v", "x0"] = "eps"
    """What the network says of z_t: eps, its noise (as published); v = alpha eps - sigma x; or x0, the datum."""
    schedule: Literal["linear", "learned", "network"] = "learned"
    """How noise grows with time: linear in log(SNR) and fixed, linear with learned ends, or a monotone network."""
    schedule_width: Size = 1024
    """Hidden units of that network."""
    gamma_min: Gamma = -13.3
    """-log(SNR) next to the data: less of it means finer z_0."""
    gamma_max: Gamma = 5.0
    """-log(SNR) at the top: more of it means that the top knows less of the data."""
    widths: Sizes = (128,)
    """Channels of the network at each scale, the data's resolution first; each further scale halves it (one scale, as
    published)."""
    blocks: Repeats = 8
    """Residual blocks of each scale on the way down; as many and one more on the way up."""
    attention: Literal["none", "middle", "all"] = "middle"
    """Where positions hear one another: nowhere, between the two ways (as published), or behind every block."""
    fourier: Exponents = (6, 7)
    """n of the features sin, cos(2 pi 2^n z) that the network sees beside z; none of it: leave it empty."""
    norm: Literal["published", "group"] = "published"
    """Normalisation in the network: published, 32 groups of channels where that divides, which are single channels
    where the width divides 32, and blocks of these hear neither the noise level nor a condition; or group (16 channels
    or more together), whose blocks hear both at every width."""
    dropout: Probability = 0.0
    """Probability that a number inside a block is silenced, in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.likelihood != "gaussian-grid":
            raise HvaeError(
                f"model.likelihood: expected gaussian-grid for vdm, got {self.likelihood}; its last level is the datum "
                "itself under a little noise"
            )
        if self.condition.levels != (ALL,):
            raise HvaeError(
                f"model.condition.levels: expected all for vdm, whose one denoiser serves every level, got "
                f"{','.join(self.condition.levels)}; levels differ in guidance, as in --guidance z3=2"
            )
        if self.condition.kind != "none" and self.norm == "published" and all(32 % width == 0 for width in self.widths):
            raise HvaeError(
                f"model.norm: expected group with a condition and model.widths {','.join(map(str, self.widths))}, got "
                "published, whose groups of one channel would hear no condition in any block"
            )
        if not self.gamma_max > self.gamma_min:
            raise HvaeError(
                f"model.gamma_max: expected more than model.gamma_min ({self.gamma_min:g}), got {self.gamma_max:g}; "
                "noise grows with time"
            )
        levels, digit = self.steps or self.walked, FINEST * max(abs(self.gamma_min), abs(self.gamma_max))
        if self.gamma_max - self.gamma_min < levels * digit:
            raise HvaeError(
                f"model.gamma_max: expected at least {self.gamma_min + levels * digit:.4g}, so that {levels:,} levels "
                f"from model.gamma_min {self.gamma_min:g} on differ in float32, got {self.gamma_max:g}"
            )
        if self.steps and self.visited > self.steps:
            raise HvaeError(f"model.visited: expected at most model.steps ({self.steps}), got {self.visited}")
