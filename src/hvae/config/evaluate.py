"""The settings of an evaluation, and the conventions of published ones by name.  No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import Bound, Count, CountOrNone, Data, DataOrAll, Fraction, Length, Place, Repeats
from hvae.config.measures import Measures, groups, measures
from hvae.config.parse import Section
from hvae.errors import HvaeError


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a paper measured: `about` it, K `samples` a datum, and whether the likelihood is the `published` one.

    Where a published likelihood is not quite one (its masses do not sum to 1), the same weights can be read with the
    corrected one (`CORRECTED` names both); the two numbers differ and are never mixed.  Everywhere else there is one
    reading, and `published` changes nothing.  All of them score every datum, the last batch too, with the averaged
    weights where there are any.
    """

    about: str
    samples: int
    published: bool


PROTOCOLS: dict[str, Protocol] = {
    "hvae": Protocol(about="importance-weighted bound, corrected likelihood", samples=100, published=False),
    "vdvae": Protocol(
        about="one-sample ELBO, as Child 2021 (which leaves out the last batch)", samples=1, published=True
    ),
    "nvae": Protocol(about="IW-1000, as Vahdat and Kautz 2020", samples=1000, published=True),
    "biva": Protocol(about="IW-1000, as Maaloe et al. 2019", samples=1000, published=True),
    "iafvae": Protocol(
        about="IW-10000, as Kingma et al. 2016 on CIFAR-10 (whose masses lack the tails)",
        samples=10_000,
        published=False,
    ),
    "lvae": Protocol(about="IW-5000, as Sonderby et al. 2016", samples=5000, published=True),
    "iwae": Protocol(about="IW-5000, as Burda et al. 2015", samples=5000, published=True),
}
"""The conventions by name.

The last four take their K from what the authors released: biva from `--iw_samples` of the final test, on averaged
weights, in vlievin/biva-pytorch (run_deepvae.py) and from the evaluator of larsmaaloee/BIVA; iafvae from the README of
openai/iaf (3.15 bits a dimension by one sample, 3.111 by 10,000, averaged weights; for MNIST, table 1 of the paper has
K = 128); lvae from casperkaae/LVAE (run_models.py, the test of 5000 samples); iwae from yburda/iwae (experiments.py,
`num_samples`).
"""

CORRECTED: Mapping[str, Mapping[str, str]] = {
    "vdvae": {"dmol-vdvae5": "dmol-vdvae5-exact"},
    "nvae": {"dmol-nvae": "dmol"},
}
"""By family: each published likelihood whose masses do not sum to 1, and the corrected reading of the same weights."""


def reading(family: str, likelihood: str, published: bool) -> str:
    """The likelihood that the weights of a family are read with: the published one, or the corrected one.

    >>> reading("vdvae", "dmol-vdvae5", published=False), reading("vdvae", "dmol", published=True)
    ('dmol-vdvae5-exact', 'dmol')
    """
    pairs = CORRECTED.get(family, {})
    if published:
        pairs = {right: first for first, right in pairs.items()}
    return pairs.get(likelihood, likelihood)


def verdict(family: str, likelihood: str) -> str:
    """What a reading is, in a word: "published" or "corrected" where the two differ, else "exact"."""
    pairs = CORRECTED.get(family, {})
    return "published" if likelihood in pairs else "corrected" if likelihood in pairs.values() else "exact"


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Section):
    """How the numbers and pictures of a finished model are made.

    >>> EvaluateConfig(samples=0)
    Traceback (most recent call last):
    ...
    hvae.config.bounds.OutOfBounds: evaluate.samples: expected at least 1, got 0
    >>> EvaluateConfig(protocol="nvae").draws
    1000
    """

    at: ClassVar[str] = "evaluate"

    protocol: Literal["hvae", "vdvae", "nvae", "biva", "iafvae", "lvae", "iwae"] = "hvae"
    """Whose convention: with the likelihood as published vdvae (one-sample ELBO), nvae and biva (IW-1000), lvae and
    iwae (IW-5000); with the corrected one hvae (IW-100) and iafvae (IW-10000)."""
    split: Literal["test", "valid"] = "test"
    """The data scored: test, or valid while settings are still being chosen."""
    samples: Count | None = None
    """Importance samples K a datum: the bound IW-K; 1 leaves the ELBO alone; none: as many as the protocol says."""
    block: CountOrNone = 0
    """Of likelihood: beside IW-K the bound IW-M by blocks of so many of the same draws, and what K gain on it, by the
    same data (0: no blocks)."""
    measures: Measures = ("quick",)
    """What is measured, by group (what is not possible is left out) or by name (what is named must be possible)."""
    batch: Count = 100
    """Data scored at once."""
    rows: Count | None = None
    """Rows walked at once (a datum times its samples): bounds the memory, changes no result but the draws.  None: as
    many as need at most 1 GiB, 1024 at most."""
    limit: DataOrAll = 0
    """Score only so many data, chosen at random but always the same (0: all)."""
    held: Repeats = 1
    """Top levels that the coarse-to-fine experiment holds (the model's depth less one, at most)."""
    threshold: Fraction = 0.5
    """Of fivo: particles are drawn anew once their effective number falls below this share of them (0: never)."""
    pairs: Annotated[int, Bound(least=2, most=10**6)] = 64
    """Data compared with one another for mutual information: time grows with the square, the bias falls."""
    codes: Literal["means", "samples"] = "means"
    """What stands for a level in classes and disentanglement: means of q, or samples of it."""
    factors: Place = ""
    """An .npz file with the factors of the images the model was trained on, for disentanglement; none: as the data
    set knows them."""
    features: Place = ""
    """What samples are compared by: classifier, random, the Inception of published FID (its file of weights, .pth or
    .safetensors), or a network of yours (a .pt2, .pt or .ts file, or MODULE:NAME, which run code: name only what you
    trust; a file that names one needs --trust too); none: a classifier where there are labels, else random."""
    features_size: Annotated[int, Bound(least=0, most=1 << 14)] = 0
    """Pixels a side that your network wants (0: as they are)."""
    features_channels: Repeats = 3
    """Channels that your network wants."""
    solver: Annotated[str, Length(0, 100)] = ""
    """How samples of a diffusion are drawn for quality, as in ddim:50: ancestral, ddim or second-order, and its steps
    (none: ancestral, all levels)."""
    generated: Data = 5000
    """Samples compared with as many real images, at most."""
    seed: Annotated[int, Bound(least=0, most=10**12)] = 0
    """Seed of every draw of an evaluation and a report."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_block(self.block, self.draws)

    @property
    def draws(self) -> int:
        """Importance samples K a datum."""
        return self.samples or PROTOCOLS[self.protocol].samples

    @property
    def wanted(self) -> tuple[str, ...]:
        """The measures, groups resolved, in the order in which they are taken.

        >>> EvaluateConfig(measures=("classes", "likelihood")).wanted
        ('likelihood', 'classes')
        """
        members = groups()
        names = {name for measure in self.measures for name in members.get(measure, (measure,))}
        return tuple(name for name in measures() if name in names)


def check_block(block: int, samples: int) -> None:
    """Raises HvaeError unless blocks of so many draws divide the samples into two or more, or there are none (0).

    >>> check_block(30, 100)
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: evaluate.block: expected a divisor of evaluate.samples (100) below it, or 0, got 30
    """
    if block and (block < 0 or block >= samples or samples % block):
        raise HvaeError(
            f"evaluate.block: expected a divisor of evaluate.samples ({samples}) below it, or 0, got {block}"
        )
