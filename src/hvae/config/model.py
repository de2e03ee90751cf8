"""The settings of each family of models, one frozen dataclass a family.  No torch here: `--help` stays quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from hvae.config.bounds import (
    Columns,
    Deviation,
    Gain,
    Groups,
    Probability,
    Repeats,
    Size,
    Sizes,
    SizesOrNone,
    StepsOrNone,
)
from hvae.config.columns import COLUMNS, check_columns
from hvae.config.condition import ConditionConfig
from hvae.config.context import ContextualConfig
from hvae.config.flow import FlowConfig
from hvae.config.maps import (
    EnlargingConfig,
    FinerConfig,
    NormedConfig,
    SharedConfig,
    SkippedConfig,
    check_attention,
    check_maps,
    check_scales,
)
from hvae.config.parse import Section

Likelihood = Literal[
    "bernoulli",
    "bernoulli-bounded",
    "gaussian",
    "gaussian-pixel",
    "gaussian-full",
    "gaussian-global",
    "logistic",
    "logistic-pixel",
    "dmol",
    "categorical",
    "noise",
    "noise-global",
]
NOISES = ("noise", "noise-global")
"""Likelihoods that are the law of a noise: what they are of is the clean signal."""
# Likelihoods of one family: those that reproduce a published number, and that of a diffusion's last level.
Compatible = Literal["dmol-vdvae5", "dmol-vdvae5-exact", "dmol-nvae", "gaussian-nvae", "gaussian-grid"]
# Densities of real-valued data that were standardised: motion, and other sequences without a grid.
Real = Literal["normal", "student", "normal-mixture"]
# Of frames of sound.
Sound = Literal["predictive"]
# Of tables of numbers and names.
Mixed = Literal["columns"]
AnyLikelihood = Literal[Likelihood, Compatible, Real, Sound, Mixed]
Variance = Literal["softclamp", "clamp", "clamp-sigma", "softplus", "exp", "above-one", "below-two"]
Merge = Literal["precision", "concat", "linear", "residual", "residual-bounded", "residual-mean"]
Network = Literal["mlp", "mlp-tanh", "conv"]
Norm = Literal["none", "batch", "group"]
First = Literal["placed", "everywhere"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Section):
    """What every family shares."""

    at: ClassVar[str] = "model"
    beside: ClassVar[Sequence[str]] = ("family",)
    family: ClassVar[str]

    likelihood: AnyLikelihood = "bernoulli"
    """Distribution of the data given the latents; bernoulli-bounded has logits within 30; dmol is the discretised
    mixture of logistics; gaussian-full, of vectors, has a covariance between their coordinates, gaussian-pixel a
    deviation for each value; noise is camera noise of a known size on the clean picture, for training on noisy ones
    alone, noise-global learns it; columns: each column of a table its own, Gaussian, discretised logistic or names."""
    columns: Columns = ()
    """Likelihood columns: what each column holds, real, whole:L (L whole numbers) or name:K (K names); none: as the
    data have, training fills it in."""
    mixtures: Repeats = 10
    """Components of the mixture likelihood (dmol)."""
    sigma: Deviation = 0.1
    """Standard deviation of the fixed Gaussian likelihood (that of real columns too), and of noise (where noise-global
    starts), in units of data that lie in [0, 1]: 25 of 255 is 0.098."""
    gain: Gain = 0.0
    """Variance of noise for each unit of signal, beside sigma^2 (Poisson-Gaussian): 1 / (photons of a value 1)."""
    variance: Variance = "softclamp"
    """How latent scales stay positive and finite: softclamp (5 tanh(x/5)), clamp (log-variance within 7),
    clamp-sigma (log sigma within 7), softplus, exp (nothing but the exponential), above-one (sqrt(1 + e^x), BIVA's),
    below-two (softclamp where x < 0, 2 - e^-x above)."""
    condition: ConditionConfig = field(default_factory=ConditionConfig)
    """What the model is told of each datum beside its values, in generation too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_columns(self.likelihood, self.columns)

    @property
    def is_open(self) -> bool:
        """Whether the data decide on a size of the model: of its condition, or of its columns."""
        return self.condition.is_open or (self.likelihood == COLUMNS and not self.columns)


@dataclass(frozen=True, kw_only=True)
class FlowingConfig(ModelConfig):
    """What families share whose Gaussian latents may be pushed through normalising flows."""

    flow: FlowConfig = field(default_factory=FlowConfig)
    """Normalising flows of the prior, the posterior or both, at chosen levels (extra flows)."""


@dataclass(frozen=True, kw_only=True)
class GrowingConfig(FlowingConfig):
    """What families share to which levels can be added once they are trained."""

    grown: SizesOrNone = ()
    """Latent dimensions (mlp) or channels (conv) of each level that hvae grow added on top, the lowest first."""
    fade: StepsOrNone = 1000
    """Steps of training over which an added level fades in (0: it is there at once)."""


@dataclass(frozen=True, kw_only=True)
class VAEConfig(FlowingConfig, EnlargingConfig):
    """Flat variational autoencoder: one level.  With objective.beta above 1 it is the beta-VAE."""

    family: ClassVar[str] = "vae"
    refusals: ClassVar[Mapping[str, str]] = {
        "share": "it has one level, and one network of each kind",
        "skip": "it has one level, whose latent is all that its decoder reads",
        "latents": "it has one level: set model.latent",
    }

    network: Network = "mlp"
    """mlp for vectors and small images, mlp-tanh for the same as first published, conv for images."""
    norm: Norm = "none"
    """Normalisation of hidden layers: none, batch, or group (each datum by itself, 16 channels or more together)."""
    latent: Size = 50
    """Latent dimensions (mlp) or latent channels at the lowest resolution (conv)."""
    widths: Sizes = (512, 512)
    """Width of each hidden layer from the data up; with conv each entry after the first halves the resolution."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_maps(self.network, self, self.widths)


@dataclass(frozen=True, kw_only=True)
class MarkovConfig(ModelConfig, EnlargingConfig):
    """Bottom-up hierarchical VAE: p and q are both Markov chains, z1 nearest the data."""

    family: ClassVar[str] = "markov"
    refusals: ClassVar[Mapping[str, str]] = {
        "share": "it has one level a scale, and one network of each kind there",
        "skip": "its levels form a Markov chain: nothing skips a latent",
    }

    network: Network = "mlp"
    """mlp for vectors and small images, mlp-tanh for the same as first published, conv for images."""
    norm: Norm = "batch"
    """Normalisation of hidden layers: none, batch (as published: it is what keeps upper levels of an MLP alive) or
    group (each datum by itself, 16 channels or more together)."""
    latents: Sizes = (64, 32, 16, 8, 4)
    """Latent dimensions (mlp) or channels (conv) of each level, z1 first."""
    widths: Sizes = (512, 256, 128, 64, 32)
    """Hidden width between each level and the one below, z1 first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_maps(self.network, self, self.widths)


@dataclass(frozen=True, kw_only=True)
class LVAEConfig(GrowingConfig, EnlargingConfig):
    """Ladder VAE: deterministic features up, levels down, posterior and prior merged at each level."""

    family: ClassVar[str] = "lvae"
    refusals: ClassVar[Mapping[str, str]] = {
        "share": "it has one level a scale, and one network of each kind there",
        "skip": "its p is a Markov chain: nothing skips a latent; choose model.family ladder",
    }

    network: Network = "mlp"
    """mlp for vectors and small images, mlp-tanh for the same as first published, conv for images."""
    norm: Norm = "batch"
    """Normalisation of hidden layers: none, batch (as published: it is what keeps upper levels of an MLP alive) or
    group (each datum by itself, 16 channels or more together)."""
    latents: Sizes = (64, 32, 16, 8, 4)
    """Latent dimensions (mlp) or channels (conv) of each level, z1 first."""
    widths: Sizes = (512, 256, 128, 64, 32)
    """Hidden width of each level, z1 first; with conv each entry after the first halves the resolution."""
    posterior: Merge = "precision"
    """How the bottom-up and the top-down side merge: precision (the paper), concat, linear (LadderLevel), residual."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_maps(self.network, self, self.widths)


@dataclass(frozen=True, kw_only=True)
class VLAEConfig(GrowingConfig, EnlargingConfig):
    """Variational ladder autoencoder: independent latents that enter the decoder at different depths."""

    family: ClassVar[str] = "vlae"
    refusals: ClassVar[Mapping[str, str]] = {
        "share": "it has one level a scale, and one network of each kind there",
        "skip": "its latents enter beside the state, as published (concat); choose model.family ladder for other ways",
    }

    network: Network = "mlp"
    """mlp for vectors and small images, mlp-tanh for the same as first published, conv for images."""
    norm: Norm = "none"
    """Normalisation of hidden layers: none, batch, or group (each datum by itself, 16 channels or more together)."""
    latents: Sizes = (16, 16, 16)
    """Latent dimensions of each level, z1 first."""
    widths: Sizes = (512, 256, 128)
    """Hidden width of each depth, from the data up; with conv each entry after the first halves the resolution."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_maps(self.network, self, self.widths)


@dataclass(frozen=True, kw_only=True)
class LadderConfig(
    GrowingConfig, EnlargingConfig, NormedConfig, SharedConfig, SkippedConfig, FinerConfig, ContextualConfig
):
    """Deep convolutional top-down ladder: several levels a scale, skip connections.  The default for images."""

    family: ClassVar[str] = "ladder"

    groups: Groups = (2, 3, 3)
    """Levels at each scale, the data's resolution first; each further scale halves it (rounding up)."""
    width: Size = 64
    """Channels of the features."""
    widths: SizesOrNone = ()
    """Channels at each scale, the data's resolution first, in place of one width for all; empty: `width` everywhere."""
    latent: Size = 8
    """Channels of each latent."""
    blocks: Repeats = 1
    """Residual blocks after each level, and before each feature on the way up."""
    posterior: Merge = "residual"
    """How both sides merge: residual, residual-bounded (within 5 sigma of the prior), concat, precision, linear."""
    start: First = "placed"
    """What the top level starts from: a learned number for each place (placed), or the same at every place
    (everywhere), which makes the weights those of images of any size."""
    dropout: Probability = 0.0
    """Probability that a hidden channel of a block is silenced for a datum, in training: against overfitting."""
    checkpoint: bool = False
    """Recompute each block in the backward pass: about half the memory for a third more time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, sizes in (("widths", self.widths), ("latents", self.latents)):
            check_scales(key, sizes, len(self.groups), "groups")
        check_attention(self.attention, self.scale_widths, self.groups)

    @property
    def scale_widths(self) -> tuple[int, ...]:
        """Channels at each scale, the data's resolution first."""
        return self.widths or (self.width,) * len(self.groups)

    @property
    def scale_latents(self) -> tuple[int, ...]:
        """Channels of a latent at each scale, the data's resolution first."""
        return self.latents or (self.latent,) * len(self.groups)
