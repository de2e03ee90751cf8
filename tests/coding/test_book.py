"""Bins of each level: as few as the data need."""

from __future__ import annotations

import pytest
import torch
from families import data, family

from hvae.coding.bins import Grid, Relative
from hvae.coding.book import Book, calibrate
from hvae.errors import HvaeError
from hvae.site import Site


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


def test_books_survive_json() -> None:
    book = Book({"z1": Grid(-4.0, 0.25, 6), "z2": Relative(8)})
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
    with pytest.raises(HvaeError, match="fineness above 0"):
        calibrate(model, model.evidence(data(2)), 0)
    with pytest.raises(HvaeError, match="not finite"):
        torch.nn.init.constant_(next(model.parameters()), float("nan"))
        calibrate(model, model.evidence(data(2)))
