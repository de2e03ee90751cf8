"""What training minimises, as frozen dataclasses.  No torch here: `--help` stays quick.

Where a field takes one number or a number for each level by name ("z1" nearest the data), a level that is not named
stays as it is: beta 1, no warm-up, no free bits.  Names the model does not have are refused when training starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from hvae.config.bounds import Bound, Count, Fraction, NonNegative, StepsOrShare
from hvae.config.parse import Section
from hvae.errors import HvaeError

Kind = Literal["elbo", "iwae", "stl", "dreg", "fivo", "m2", "matching"]
Shape = Literal["linear", "sigmoid", "cyclical"]
Per = Literal["level", "channel", "dimension"]
Over = Literal["batch", "sample"]
N = TypeVar("N", int, float)


def _any(value: float | Mapping[str, float]) -> bool:
    return any(value.values()) if isinstance(value, Mapping) else bool(value)


def _each(value: float | Mapping[str, float]) -> list[float]:
    return list(value.values()) if isinstance(value, Mapping) else [value]


def _in_steps(value: float | dict[str, int | float], steps: int) -> float | dict[str, int | float]:
    if isinstance(value, Mapping):
        return {name: _steps(one, steps) for name, one in value.items()}
    return _steps(value, steps)


def _steps(value: float, steps: int) -> int:
    return round(value * steps) if isinstance(value, float) else value


@dataclass(frozen=True, kw_only=True)
class WarmUpConfig(Section):
    """How the weight of each level's rate grows from `floor` to 1, by training step."""

    at: ClassVar[str] = "objective.warmup"

    shape: Shape = "linear"
    """linear; sigmoid (slow, fast, slow); cyclical (several linear rises, each followed by a rest at 1)."""
    start: StepsOrShare | dict[str, StepsOrShare] = 0
    """Step at which the weight begins to grow, or a share of train.steps; one number, or one a level: z1=0,z2=500."""
    length: StepsOrShare | dict[str, StepsOrShare] = 0
    """Steps from the start until the weight is 1, all cycles together, or a share of train.steps (0.1: a tenth); 0: at
    once.  One number or one a level."""
    cycles: Count = 4
    """How often a cyclical warm-up rises within its length."""
    floor: Annotated[float, Bound(least=0, below=1, expected="a weight in [0, 1)")] = 1e-4
    """Smallest weight: above 0, so that a level never drifts freely before its rate counts."""

    @property
    def used(self) -> bool:
        return _any(self.start) or _any(self.length)

    @property
    def has_shares(self) -> bool:
        """Whether a start or length is a share of the steps, so that they must be known."""
        return any(isinstance(value, float) and value > 0 for value in (*_each(self.start), *_each(self.length)))

    def over(self, steps: int) -> Self:
        """The same with shares turned into numbers of so many steps.

        >>> WarmUpConfig(length={"z2": 0.1, "z1": 50}).over(3000).length
        {'z2': 300, 'z1': 50}
        """
        return replace(self, start=_in_steps(self.start, steps), length=_in_steps(self.length, steps))


@dataclass(frozen=True, kw_only=True)
class CommitmentConfig(WarmUpConfig):
    """How `model.commitment` grows from `floor` times itself to the whole of it, by training step."""

    at: ClassVar[str] = "objective.commitment"

    floor: Annotated[float, Bound(least=0, below=1, expected="a weight in [0, 1)")] = 0.0
    """Smallest weight: 0 lets encoders go where they like at first."""


@dataclass(frozen=True, kw_only=True)
class FreeBitsConfig(Section):
    """Nats that a level may spend without being charged: below them its rate has no gradient."""

    at: ClassVar[str] = "objective.free_bits"

    nats: NonNegative | dict[str, NonNegative] = 0.0
    """Free nats for each level, channel or dimension (see `per`); 0: none.  One number, or one for each level."""
    per: Per = "level"
    """What the floor applies to; a channel's rate is summed over space first."""
    over: Over = "batch"
    """batch: the floor applies to the mean over the batch; sample: to every datum by itself."""

    @property
    def used(self) -> bool:
        return _any(self.nats)


@dataclass(frozen=True, kw_only=True)
class RegulariserConfig(Section):
    """What is charged for the weights alone: what a model adds by itself (NVAE: singular values and scales of batch
    norm), and penalties on the linear maps of any model."""

    at: ClassVar[str] = "objective.regulariser"

    weight: NonNegative = 0.01
    """Weight of a model's regularisers (NVAE's lambda: 0.01 or 0.1); 0: none.  Most models have none to weigh."""
    start: NonNegative = 0.0
    """Weight at the start of the warm-up, which moves to `weight` along with it, log-linearly; 0: `weight` at once."""
    orthogonal: NonNegative = 0.0
    """Weight of the squared inner products between rows of each linear map: pushes them apart, leaves their lengths; 0:
    none."""
    spectral: NonNegative = 0.0
    """Weight of the largest singular values of all linear maps, in any family without normalised weights; 0: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start and not self.weight:
            raise HvaeError("objective.regulariser.weight: cannot fall to 0 along a logarithm; set it above 0")


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig(Section):
    """What training minimises: the negative ELBO with its rates reweighed, or an importance-weighted bound.

    >>> ObjectiveConfig(warmup=WarmUpConfig(length={"z2": 1000, "z1": 500})).warmup.used
    True
    >>> ObjectiveConfig(kind="iwae")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: objective.samples: expected at least 2 with kind iwae (1 is the elbo); set it to 5, say
    """

    at: ClassVar[str] = "objective"

    kind: Kind = "elbo"
    """elbo; iwae: the importance-weighted bound over `samples` draws; stl, dreg: the same bound with gradients of lower
    variance, without the score of q (stl is biased above one draw, dreg never; a draw takes twice the time); fivo: of
    sequences, the bound of a particle filter of `samples` particles (vrnn, srnn, dmm); m2: semi-supervised, the bound
    of images whose class is unknown summed over all classes (model.condition.classifier); matching: the inference of a
    trained model (train.init) learns to read partly seen data, for hvae restore --way partial; all else is frozen."""
    samples: Count = 1
    """Draws of the latents for each datum: averaged by elbo, weighed by iwae and fivo (2 or more), stl and dreg (1 or
    more; with 1 both are the elbo without the score of q)."""
    threshold: Fraction = 0.5
    """Of fivo: particles are drawn anew once their effective number falls below this share of them (0: never)."""
    alpha: NonNegative = 0.1
    """Of m2: weight of the classifier's error on the labelled images of a batch, their mean, beside the bound."""
    beta: NonNegative | dict[str, NonNegative] = 1.0
    """Weight of the rates: above 1 compresses (beta-VAE).  One number, or one for each level, as in z1=1,z2=0.5."""
    keep: Fraction = 1.0
    """Share of its own past that a decoder of sequences is shown in training (word dropout; vrae, seqladder): with
    less it has to rely on its latents."""
    own: Fraction = 0.0
    """Share of the steps in which a decoder of sequences is fed its own draws in training, not the data (scheduled
    sampling; vrae, seqladder): it then runs step by step, and what is minimised is no bound."""
    own_length: StepsOrShare = 0.5
    """Steps over which that share grows from 0, linearly, or a share of train.steps; 0: at once."""
    layerwise: StepsOrShare = 0
    """Training from the top: the levels below are drawn from their priors until inference has come down to them, a
    level after so many steps, or after a share of train.steps (0.1: a tenth); 0: all levels at once."""
    stft: NonNegative = 0.0
    """Of sound: weight, in nats a sample, of the distance of short-time log spectra between the sound and its
    reconstruction, added to the loss and to no bound (0: none)."""
    warmup: WarmUpConfig = field(default_factory=WarmUpConfig)
    """Growth of the rates' weight at the beginning of training."""
    commitment: CommitmentConfig = field(default_factory=CommitmentConfig)
    """Growth of `model.commitment`, the pull of encoders to their codes (families of codes)."""
    free_bits: FreeBitsConfig = field(default_factory=FreeBitsConfig)
    """Rates that cost nothing up to a floor, against collapsing levels."""
    balance: bool = False
    """During warm-up, charge levels with a high rate more than those with a low one (NVAE)."""
    regulariser: RegulariserConfig = field(default_factory=RegulariserConfig)
    """What is charged for the weights alone, in models that ask for it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.balance and not self.warmup.used:
            raise HvaeError("objective.balance: acts during the warm-up and there is none; set objective.warmup.length")
        if self.regulariser.start and not self.warmup.used:
            raise HvaeError("objective.regulariser.start: moves with the warm-up and there is none; set its length")
        if self.balance and self.free_bits.used:
            raise HvaeError("objective.balance: both it and free bits reweigh low rates; choose one of the two")
        if self.threshold != 0.5 and self.kind != "fivo":
            raise HvaeError(f"objective.threshold: a choice of fivo alone, got kind {self.kind}; leave it out")
        if self.alpha != 0.1 and self.kind != "m2":
            raise HvaeError(f"objective.alpha: a choice of m2 alone, got kind {self.kind}; leave it out")
        if self.kind != "elbo":
            self._check_weighed()

    def over(self, steps: int) -> ObjectiveConfig:
        """The same with shares of the training turned into numbers of so many steps."""
        return replace(
            self,
            warmup=self.warmup.over(steps),
            commitment=self.commitment.over(steps),
            own_length=_steps(self.own_length, steps),
            layerwise=_steps(self.layerwise, steps),
        )

    def _check_weighed(self) -> None:
        if self.kind == "matching" and self.samples != 1:
            raise HvaeError(f"objective.samples: matching draws once for each datum, got {self.samples}; leave it at 1")
        if self.kind in ("iwae", "fivo") and self.samples < 2:
            raise HvaeError(
                f"objective.samples: expected at least 2 with kind {self.kind} (1 is the elbo); set it to 5, say"
            )
        if self.keep != 1.0:
            raise HvaeError(f"objective.keep: a choice of the elbo alone, got kind {self.kind}; leave it at 1")
        if self.own:
            raise HvaeError(f"objective.own: a choice of the elbo alone, got kind {self.kind}; leave it at 0")
        if self.layerwise:
            raise HvaeError(f"objective.layerwise: a choice of the elbo alone, got kind {self.kind}; leave it at 0")
        if self.stft:
            raise HvaeError(f"objective.stft: a choice of the elbo alone, got kind {self.kind}; leave it at 0")
        if self.commitment.used:
            raise HvaeError(f"objective.commitment: a choice of the elbo alone, got kind {self.kind}; leave it out")
        if self.weighing:
            # A preset may have set them, which its user has not seen.
            words = ", ".join(f"objective.{words}" for words in self.weighing)
            raise HvaeError(f"objective.kind: {self.kind} has no separate rates to weigh; set {words}")

    @property
    def weighing(self) -> tuple[str, ...]:
        """What weighs rates, each by its key and the value at which it does not."""
        plain = {
            "beta 1": self.beta != 1.0,
            "warmup.start 0": _any(self.warmup.start),
            "warmup.length 0": _any(self.warmup.length),
            "free_bits.nats 0": self.free_bits.used,
            "balance false": self.balance,
        }
        return tuple(words for words, is_set in plain.items() if is_set)


def of_all_levels(objective: ObjectiveConfig) -> ObjectiveConfig:
    """The same without the name of a level: where numbers were given by level, the largest of them holds for all.

    >>> of_all_levels(ObjectiveConfig(warmup=WarmUpConfig(length={"z3": 800, "z2": 100}))).warmup.length
    800
    """
    warmup, commitment, free_bits = objective.warmup, objective.commitment, objective.free_bits
    return replace(
        objective,
        beta=_largest(objective.beta),
        warmup=replace(warmup, start=_largest(warmup.start), length=_largest(warmup.length)),
        commitment=replace(commitment, start=_largest(commitment.start), length=_largest(commitment.length)),
        free_bits=replace(free_bits, nats=_largest(free_bits.nats)),
    )


def _largest(value: N | dict[str, N]) -> N | dict[str, N]:
    return max(value.values()) if isinstance(value, dict) and value else value
