"""What likelihood bounds are: of a model, of each level, and for each step of sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hvae.metrics.results import Estimate, plain
from hvae.records import JSON

STEPS = "steps"
"""The name of a count of steps beside other scores."""
SOMETIMES = (STEPS, "blocks", "extremes", "given", "missing")
"""What a record has only where there is something to say."""


@dataclass(frozen=True, kw_only=True)
class LevelRate:
    """The rate of one level: KL(q || p), mean over the data."""

    rate_nats: float
    """Nats per datum."""
    rate_nats_per_dim: float
    """Nats per latent dimension."""
    dims: int
    """Latent dimensions, over all steps of a recurring name; of sequences as many as they have on average."""
    estimator: str
    """"analytic" (closed form), "sampled", or both, as in "analytic+sampled"."""


@dataclass(frozen=True, kw_only=True)
class Averages:
    """A number of each sequence, for each of its steps, by the two averages in use; they differ where lengths do."""

    frame_average: Estimate
    """Sum over all sequences, divided by the number of all steps."""
    sequence_mean: Estimate
    """Mean over the sequences of what each has for a step of its own."""


@dataclass(frozen=True, kw_only=True)
class StepBounds:
    """Bounds for each step of sequences, in nats; steps that do not exist enter nothing."""

    steps: int
    """Steps of all sequences."""
    dims: int
    """Values of one step."""
    negative_elbo_nats: Averages
    negative_iw_nats: Averages
    """From the bound of whole sequences: log-mean-exp of the weights of each, then divided by its steps."""
    rate_nats: Averages
    """KL(q || p) of all levels."""


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """Data that decide on a mean by themselves: their -ELBO is far above that of all others.

    One such datum in ten thousand, whose latents ran away from level to level, makes a mean of 1e28 nats of one of 85.
    """

    count: int
    """Data whose -ELBO exceeds the median by more than a thousand times the median absolute deviation."""
    median_nats: float
    """Of -ELBO, over all data."""
    rest_nats: Estimate
    """-ELBO of all others: how the model does on most data, and no bound for these data."""


@dataclass(frozen=True, kw_only=True)
class BlockBounds:
    """The bound by fewer draws, M, from the same ones: the mean over the K / M blocks, and what K draws gain on it."""

    samples: int
    """Draws M of a block."""
    negative_iw_nats: Estimate
    """-IW-M per datum."""
    gain_nats: Estimate
    """IW-K - IW-M, the mean over the data of their own differences: never below 0, since a logarithm is concave."""


@dataclass(frozen=True, kw_only=True)
class LikelihoodResult:
    """Likelihood bounds of a model on N data.

    `likelihood` is "mass" for the log of a probability, "density" for one that depends on the unit of the data: only
    masses have bits per dimension, and the two are never comparable.
    """

    data: int
    """Number of data N."""
    dims: int
    """Dimensions of one datum, the mean, rounded, where data differ: what does not exist, or is not observed, does not
    count."""
    samples: int
    """Draws of the latents K for each datum."""
    seed: int
    likelihood: Literal["mass", "density"]
    negative_elbo_nats: Estimate
    """-ELBO per datum, averaged over the K draws; closed-form rates where they exist."""
    negative_iw_nats: Estimate
    """-IW-K per datum: an upper bound on -log p(x) in expectation, tighter with K."""
    reconstruction_nats: Estimate
    """-E_q[log p(x given z)] per datum."""
    elbo_bits_per_dim: Estimate | None
    """-ELBO in bits per dimension; None for a density."""
    iw_bits_per_dim: Estimate | None
    """-IW-K in bits per dimension; None for a density."""
    effective_samples: float
    """(sum w)^2 / sum w^2, mean over the data: near 1 the bound rests on single draws, near K q is exact."""
    levels: dict[str, LevelRate]
    """The rate of each level, top first."""
    nonfinite_data: int
    """Data whose bound is not finite: their presence makes the means useless."""
    steps: StepBounds | None = None
    """The same for each step of sequences; None for data that are none."""
    blocks: BlockBounds | None = None
    """The bound by fewer of the draws, where it was asked for."""
    given: tuple[str, ...] = ()
    """What the model is told of each datum: the bounds are then on log p(x given these)."""
    extremes: Extremes | None = None
    """None where no datum is one."""
    missing: float = 0.0
    """Share of values that are not observed: the bounds are then on log p(observed values), the IW one that of MIWAE
    (Mattei and Frellsen 2019, arXiv 1812.02633), and so are all numbers by dimension."""

    def to_dict(self) -> JSON:
        """Plain values for JSON; steps are of sequences alone, blocks of bounds by fewer draws, extremes of data that
        have some, what is given of conditional models, and what is missing of incomplete data."""
        return {key: value for key, value in plain(self).items() if key not in SOMETIMES or value}

    @property
    def of(self) -> str:
        """What is bounded, as "p(x)", "p(x given label)" or, of incomplete data, "p(observed x)"."""
        x = "observed x" if self.missing else "x"
        return f"p({x} given {', '.join(self.given)})" if self.given else f"p({x})"
