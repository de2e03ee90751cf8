"""Laws of one's own: registered once, they are coded like those of the library; unregistered, they are refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from hvae.coding import Codec, Continuous, Discrete, Form, Picture, Standard, Uncodable, curve, masses, read, register
from hvae.coding.entropy.curves import Curve, Ints
from hvae.coding.entropy.numerics import calm, noise, still
from hvae.coding.entropy.stack import Stack
from hvae.coding.lossless import bitsback
from hvae.coding.lossless.book import calibrate
from hvae.datum import Datum
from hvae.distributions import Bernoulli, Distribution, LocationScale, Normal, divergence, standard_normal
from hvae.errors import HvaeError
from hvae.explore.resample import has_offsets, offsets
from hvae.metrics.regret import improvable
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model

LEVELS, PLACES, DIMS = 4, 5, 3
_LAPLACE: list[Curve] = []


def laplace_curve() -> Curve:
    if not _LAPLACE:
        _LAPLACE.append(curve(lambda t: 1 - (-t).exp() / 2, reach=22, per=64))
    return _LAPLACE[0]


class Laplace(LocationScale):
    """Longer tails than a Gaussian."""

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale

    def at(self, loc: Tensor, scale: Tensor) -> Laplace:
        return Laplace(loc, scale)

    def sample(self) -> Tensor:
        u = torch.rand_like(self.loc) - 0.5
        return self.loc - self.scale * u.sign() * torch.log1p(-2 * u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        return -(value - self.loc).abs() / self.scale - (2 * self.scale).log()

    def mode(self) -> Tensor:
        return self.loc

    mean = mode


@register(Laplace)
def _laplace(law: Laplace) -> Form:
    density = Standard(laplace_curve, lambda distance: np.asarray(np.exp(-distance) / 2))
    return Continuous(law.loc, law.scale, density)


class Binomial(Distribution):
    """Counts of LEVELS - 1 trials, as values k / (LEVELS - 1)."""

    density = False

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def probabilities(self) -> Tensor:
        """(B, LEVELS, ...)."""
        p, n = self.logits.sigmoid(), LEVELS - 1
        return torch.stack([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(LEVELS)], 1)

    def sample(self) -> Tensor:
        trials = torch.bernoulli(self.logits.sigmoid().expand(LEVELS - 1, *self.logits.shape))
        return trials.mean(0)

    def log_prob(self, value: Tensor) -> Tensor:
        index = (value * (LEVELS - 1)).round().long()[:, None]
        return self.probabilities().log().gather(1, index)[:, 0]

    def mode(self) -> Tensor:
        return self.probabilities().argmax(1).to(self.logits) / (LEVELS - 1)

    def mean(self) -> Tensor:
        return self.logits.sigmoid()

    def tempered(self, t: float) -> Binomial:
        return Binomial(self.logits / t)

    def detach(self) -> Binomial:
        return Binomial(self.logits.detach())


@register(Binomial)
def _binomial(law: Binomial) -> Discrete:
    return masses(law.probabilities())


class Codes(Distribution):
    """Rows of a codebook (K, D) at each of P places, with probabilities (B, K, P): the value is (B, P, D)."""

    density = False

    def __init__(self, book: Tensor, probabilities: Tensor) -> None:
        self.book, self.probabilities = book, probabilities

    def sample(self) -> Tensor:
        b, k, p = self.probabilities.shape
        rows = torch.multinomial(self.probabilities.mT.reshape(b * p, k), 1)
        return self.book[rows].reshape(b, p, -1)

    def log_prob(self, value: Tensor) -> Tensor:
        row = torch.cdist(value, self.book.expand(len(value), -1, -1)).argmin(2)
        return self.probabilities.log().gather(1, row[:, None])[:, 0]

    def mode(self) -> Tensor:
        return self.book[self.probabilities.argmax(1)]

    mean = mode

    def tempered(self, t: float) -> Codes:
        return self

    def detach(self) -> Codes:
        return self


@register(Codes)
def _codes(law: Codes) -> Discrete:
    def vectors(symbols: Ints) -> Tensor:
        return law.book[torch.from_numpy(symbols)].unflatten(0, (len(law.probabilities), -1))

    return masses(law.probabilities, vectors)


class Cold(Normal):
    """A Gaussian that scores its values in a way of its own."""

    def log_prob(self, value: Tensor) -> Tensor:
        return 2 * super().log_prob(value)


Latents = Callable[[Tensor, Tensor | None], tuple[Distribution, Distribution | None]]


class Own(Model):
    """x of one latent: `latents` makes p and q of zeros (B, 1) and of the pixels (B, 16)."""

    shape = (1, 4, 4)

    def __init__(self, latents: Latents, likelihood: Callable[[Tensor], Distribution], width: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.latents, self.likelihood = latents, likelihood
        self.out = torch.nn.Linear(width, 16)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        zeros = self.out.weight.new_zeros(evidence.n, 1)
        p, q = self.latents(zeros, None if evidence.x is None else evidence.x.flatten(1))
        z = visit(Site("z1", p, q))
        return visit(evidence.site(self.likelihood(self.out(z.flatten(1)).unflatten(1, self.shape))))


def laplaces(zeros: Tensor, x: Tensor | None) -> tuple[Distribution, Distribution | None]:
    p = Laplace(zeros.expand(-1, 6), torch.ones_like(zeros).expand(-1, 6))
    return p, None if x is None else Laplace(x[:, :6] - 0.5, 0.3 + 0.2 * x[:, 6:12])


def gaussians(zeros: Tensor, x: Tensor | None) -> tuple[Distribution, Distribution | None]:
    return standard_normal(zeros, (6,)), None if x is None else Normal(x[:, :6] - 0.5, 0.3 + 0.2 * x[:, 6:12])


def of_two_kinds(zeros: Tensor, x: Tensor | None) -> tuple[Distribution, Distribution | None]:
    return laplaces(zeros, x)[0], gaussians(zeros, x)[1]


def coins(zeros: Tensor, x: Tensor | None) -> tuple[Distribution, Distribution | None]:
    return Bernoulli(zeros.expand(-1, 6)), None if x is None else Bernoulli(4 * x[:, :6] - 2)


def counts(zeros: Tensor, x: Tensor | None) -> tuple[Distribution, Distribution | None]:
    return Binomial(zeros.expand(-1, 6)), None if x is None else Binomial(4 * x[:, :6] - 2)


BOOK = torch.linspace(-1, 1, 7 * DIMS, dtype=torch.float64).reshape(7, DIMS)


def codes(zeros: Tensor, x: Tensor | None) -> tuple[Distribution, Distribution | None]:
    p = Codes(BOOK.to(zeros), zeros.new_ones(len(zeros), 7, PLACES) / 7)
    if x is None:
        return p, None
    nearest = (6 * x[:, :PLACES]).round().long()
    return p, Codes(p.book, torch.nn.functional.one_hot(nearest, 7).mT.to(zeros))


def cold(zeros: Tensor, x: Tensor | None) -> tuple[Distribution, Distribution | None]:
    p, q = gaussians(zeros, x)
    return p, None if not isinstance(q, Normal) else Cold(q.loc, q.scale)


MODELS = {
    "latent of a location and a scale": (laplaces, Bernoulli, 6),
    "p and q of two kinds": (of_two_kinds, Bernoulli, 6),
    "latent of two values": (coins, Bernoulli, 6),
    "latent of own masses": (counts, Bernoulli, 6),
    "latent of vectors": (codes, Bernoulli, PLACES * DIMS),
    "likelihood": (gaussians, Binomial, 6),
}


def pixels(model: Own, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, LEVELS if model.likelihood is Binomial else 2, (count, 1, 4, 4))


@pytest.mark.parametrize("name", MODELS)
def test_own_laws_are_coded_as_short_as_they_say(name: str) -> None:
    model = still(Own(*MODELS[name]))
    levels = pixels(model, 200)
    x, start = torch.from_numpy(levels / levels.max()), noise(2000)
    stack = Stack.start(start)
    with calm():
        book, spent = calibrate(model, model.evidence(x[:16])), 0.0
        before = stack.bits
        for part in x.split(20):
            spent -= float(bitsback.encode(model, stack, part, book).log_weight().sum()) / math.log(2)
        assert stack.bits - before == pytest.approx(spent, rel=0.01)
        back = [bitsback.decode(model, stack, 20, book) for _ in range(10)]
    assert torch.allclose(torch.cat(back[::-1]), x)
    assert np.array_equal(stack.ending(), start)


@pytest.mark.parametrize("name", MODELS)
def test_files_of_own_laws_come_back(name: str) -> None:
    model = Own(*MODELS[name])
    levels = pixels(model, 40).astype(np.uint8)
    codec = Codec(model, bits=2 if levels.max() > 1 else 1)
    file = codec.compress([Picture("a", one, 0) for one in levels])
    assert file.kept == 0
    assert np.array_equal(np.stack([p.levels for p in codec.decompress(read(file.content))]), levels)


def test_a_subclass_is_never_taken_for_its_parent() -> None:
    x = np.zeros((1, 4, 4), dtype=np.uint8)
    with pytest.raises(Uncodable, match=r"got Normal.*or register the law"):
        Codec(Own(cold, Bernoulli, 6), bits=1).compress([Picture("a", x, 0)])
    q, p = Cold(torch.zeros(1, 2), torch.ones(1, 2)), standard_normal(torch.zeros(1), (2,))
    assert divergence(q, p, torch.zeros(1, 2))[1] == "sampled"


def test_laws_of_a_location_and_a_scale_can_be_moved_by_others() -> None:
    model, x = Own(laplaces, Bernoulli, 6), torch.rand(3, 1, 4, 4).round()
    assert has_offsets(model) and offsets(model, x)["z1"].shape == (3, 6)
    improvable(model, x)
    tempered = Laplace(torch.zeros(1, 2), torch.ones(1, 2)).tempered(0.5)
    assert isinstance(tempered, Laplace) and tempered.scale[0, 0] == 0.5


def test_what_cannot_be_registered_is_named() -> None:
    with pytest.raises(HvaeError, match="Normal is coded by the library itself"):
        register(Normal)
    with pytest.raises(HvaeError, match="expected a class of distributions"):
        register(dict)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "wrong", [torch.full((1, 3, 2), 0.5), torch.tensor([[1.5, -0.5]]), torch.tensor([[torch.nan, 1.0]]), torch.ones(3)]
)
def test_numbers_that_are_no_probabilities_are_refused(wrong: Tensor) -> None:
    with pytest.raises(HvaeError, match="expected probabilities"):
        masses(wrong)


def test_a_function_that_returns_no_form_is_named() -> None:
    class Odd(Bernoulli):
        pass

    register(Odd)(lambda law: law.logits)  # type: ignore[arg-type, return-value]
    with pytest.raises(HvaeError, match="registered for Odd to return a form"):
        Codec(Own(gaussians, Odd, 6), bits=1).compress([Picture("a", np.zeros((1, 4, 4), dtype=np.uint8), 0)])


@pytest.mark.parametrize("f", [lambda t: t * 0 + 1, lambda t: -t, lambda t: (-t).exp() / 2])
def test_curves_that_are_no_distribution_functions_are_refused(f: Callable) -> None:
    with pytest.raises(HvaeError, match="distribution function"):
        curve(f, reach=2, per=4)
