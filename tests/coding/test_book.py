"""Bins of each level: as few as the data need."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from families import data, family
from torch import Tensor

from hvae.coding.entropy.bins import Grid, Relative, Scaled
from hvae.coding.entropy.forms import GAUSSIAN, LOGISTIC, Standard
from hvae.coding.entropy.numerics import still
from hvae.coding.entropy.stack import Stack
from hvae.coding.lossless.book import Book, _by_prior, calibrate
from hvae.coding.lossless.coder import ORDERS, Coder, with_enough_noise
from hvae.datum import Datum
from hvae.distributions import Bernoulli, Normal, standard_normal
from hvae.errors import HvaeError
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model


@pytest.mark.parametrize(("name", "grids"), [("markov-mlp", {"z1", "z2"}), ("lvae-mlp-residual", set())])
def test_only_levels_that_are_drawn_before_their_prior_get_grids(name: str, grids: set[str]) -> None:
    model = family(name)
    book = calibrate(model, model.evidence(data(8)))
    assert {level for level, choice in book.levels.items() if isinstance(choice, Grid)} == grids
    assert set(book.levels) == {"z1", "z2", "z3"}


def test_finer_means_more_bins() -> None:
    model = family("vae-mlp")
    coarse, fine = (calibrate(model, model.evidence(data(8)), f).levels["z1"] for f in (4.0, 64.0))
    assert isinstance(coarse, Relative) and isinstance(fine, Relative)
    assert 2 <= fine.bits - coarse.bits <= 5


def test_grids_are_as_wide_as_both_laws_and_exact() -> None:
    model = family("markov-mlp")
    trace = model(data(8))
    grid = calibrate(model, model.evidence(data(8))).levels["z1"]
    assert isinstance(grid, Grid)
    high = grid.low + grid.step * 2**grid.bits
    for law in (trace["z1"].p, trace["z1"].q):
        assert grid.low < (law.loc - 6 * law.scale).min() and (law.loc + 6 * law.scale).max() < high
    assert grid.step.hex().startswith("0x1.0000000000000p")
    assert (grid.low / grid.step).is_integer()


class Aside(Model):
    """A standard normal whose posterior lies `off` deviations from its middle: data unlike the training's."""

    shape = (1, 1, 1)

    def __init__(self, off: float) -> None:
        super().__init__()
        self.off = torch.nn.Parameter(torch.tensor(off))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        x = evidence.x
        p = standard_normal(self.off.new_zeros(evidence.n), (40,))
        q = None if x is None else Normal(self.off.expand(evidence.n, 40), self.off.new_full((evidence.n, 40), 0.2))
        z = visit(Site("z1", p, q))
        return visit(Site("x", Bernoulli((z.mean(1) - self.off)[:, None, None, None]), value=x, data=True))


@pytest.mark.parametrize(("off", "kind"), [(0.5, Relative), (5.0, Scaled)])
def test_data_far_from_the_prior_get_even_bins_and_lose_nothing(off: float, kind: type) -> None:
    model = still(Aside(off))
    levels = np.random.default_rng(0).integers(0, 2, (64, 1, 1, 1), dtype=np.uint8)
    book = calibrate(model, model.evidence(torch.from_numpy(levels[:16]).double()))
    assert isinstance(book.levels["z1"], kind)

    def coded(book: Book) -> tuple[float, float]:
        """Nats on the stack less minus the ELBO, and how far values lie from the middle of q, in its deviations."""
        found = list[float]()

        def use(stack: Stack) -> None:
            before, trace = stack.bits, Coder(model, ORDERS[0], book, 1).encode(stack, levels)
            found[:] = [
                (stack.bits - before) * math.log(2) + float(trace.elbo().sum()),
                float((trace["z1"].value - off).abs().mean()) / 0.2,
            ]

        with_enough_noise(use)
        return found[0], found[1]

    above, aside = coded(book)
    # 64 x 40 draws, of each of which log q - log p varies by (0.2 off)^2 + 1/2.
    assert abs(above) < 4 * math.sqrt(64 * 40 * ((0.2 * off) ** 2 + 0.5))
    assert aside == pytest.approx(math.sqrt(2 / math.pi), rel=0.05)
    if kind is Scaled:
        assert coded(Book({"z1": Relative(8)}))[1] > 5


@pytest.mark.parametrize("standard", [GAUSSIAN, LOGISTIC])
def test_data_where_the_prior_has_no_density_have_even_bins(standard: Standard) -> None:
    """Half a deviation of q wide each, and as many as reach twice as far as the data: 2^13 over 8 x 1008."""
    assert _by_prior(np.full(5, 1000.0), np.ones(5), standard, 2.0) == Scaled(-1, 13)


def test_books_survive_json() -> None:
    book = Book({"z1": Grid(-4.0, 0.25, 6), "z2": Relative(8), "z3": Scaled(-5, 11)})
    assert Book.from_dict(book.to_dict()) == book
    with pytest.raises(HvaeError, match="no calibrated bins"):
        Book.from_dict({"z1": {"width": 3}})


def test_faults_are_one_line() -> None:
    with pytest.raises(HvaeError, match="no level with calibrated bins named 'z9'; did you mean 'z1'"):
        Book({"z1": Relative(4)}).bins(Site("z9"))
    with pytest.raises(HvaeError, match="has no grid; calibrate again"):
        Book({"z1": Relative(4)}).bins(Site("z1"))
    with pytest.raises(HvaeError, match="expected 1 to 20 bits"):
        Relative(30)
    with pytest.raises(HvaeError, match="a step above 0"):
        Grid(0.0, 0.0, 4)
    model = family("vae-mlp")
    for wrong in (0.0, -1.0, math.inf, math.nan, 1e300, 1e-300):
        with pytest.raises(HvaeError, match="fineness above 0"):
            calibrate(model, model.evidence(data(2)), wrong)
    with pytest.raises(HvaeError, match="not finite"):
        torch.nn.init.constant_(next(model.parameters()), float("nan"))
        calibrate(model, model.evidence(data(2)))
