from __future__ import annotations

import pytest
import torch
from torch import Tensor
from toys import GREY, RGB, Chain, Ladder, images

from hvae.datum import Datum
from hvae.draw import mode, posterior, prior
from hvae.errors import HvaeError
from hvae.explore import from_top, reconstruct, sample
from hvae.explore.frame import encode
from hvae.walk import Model, run, still

MODELS = pytest.mark.parametrize("model", [Ladder(GREY), Chain(GREY), Ladder(RGB)], ids=["ladder", "chain", "rgb"])


@MODELS
def test_it_is_what_the_trace_says(model: Model) -> None:
    x = images(model.shape)
    with still(model, 4):
        trace = run(model, posterior, model.evidence(x))
    assert torch.allclose(reconstruct(model, x, seed=4), trace["x"].p.mean(), atol=1e-6)


@MODELS
def test_the_mode_needs_no_seed(model: Model) -> None:
    x = images(model.shape)
    assert torch.equal(reconstruct(model, x, draw=mode), reconstruct(model, x, draw=mode))


@MODELS
def test_every_number_of_top_levels(model: Model) -> None:
    x = images(model.shape)
    rows = from_top(model, x, seed=1)
    assert rows.shape == (4, len(x), *model.shape)
    assert rows.min() >= 0 and rows.max() <= 1
    assert torch.equal(rows, from_top(model, x, seed=1))
    assert torch.equal(rows[3], reconstruct(model, x, seed=1))


@MODELS
def test_no_level_knows_nothing_of_the_data(model: Model) -> None:
    a, b = (from_top(model, images(model.shape, 6) * scale, counts=[0], rest=mode)[0] for scale in (1.0, 0.0))
    assert torch.equal(a, b)
    assert torch.allclose(a, sample(model, 6, temperature=0.0))


def test_the_kept_levels_are_shared_and_only_the_rest_is_redrawn() -> None:
    model, x = Chain(GREY), images(GREY)
    # The chain's picture needs z1 alone: with all levels kept it does not depend on what draws the rest.
    hot, cold = (from_top(model, x, counts=[2, 3], rest=rest, seed=1) for rest in (prior(3.0), mode))
    assert torch.equal(hot[1], cold[1])
    assert not torch.allclose(hot[0], cold[0])


def test_counts_choose_rows() -> None:
    model, x = Ladder(GREY), images(GREY)
    every, some = from_top(model, x, rest=mode, seed=1), from_top(model, x, counts=[3, 1], rest=mode, seed=1)
    assert torch.equal(some, every[[3, 1]])


def test_encoding_in_chunks_of_the_modes_is_encoding_at_once() -> None:
    model, x = Chain(GREY).eval(), images(GREY, 7)
    with torch.no_grad():
        pieces, whole = encode(model, x, mode, chunk=3), encode(model, x, mode)
    assert list(pieces) == ["z1", "z2", "z3"]
    for name in whole:
        assert torch.allclose(pieces[name], whole[name], atol=1e-6)


def test_the_type_of_the_weights_is_used() -> None:
    assert reconstruct(Ladder(GREY).double(), images(GREY)).dtype == torch.float64


def test_bad_input() -> None:
    model = Ladder(GREY)
    with pytest.raises(HvaeError, match="between 0 and 3 top levels, got 4"):
        from_top(model, images(GREY), counts=[4])
    with pytest.raises(HvaeError, match=r"expected data of shape \(B, 1, 8, 8\)"):
        reconstruct(model, images(RGB))
    with pytest.raises(HvaeError, match="at least 1 images"):
        reconstruct(model, images(GREY, 0))


@pytest.mark.parametrize(
    ("x", "line"),
    [
        (torch.ones(2, *GREY, dtype=torch.int64), "of a floating type, got int64"),
        (torch.ones(2, *GREY, dtype=torch.complex64), "of a floating type, got complex64"),
        (torch.ones(2, *GREY).to_sparse(), "expected a dense tensor as data, got a sparse one"),
        (Datum(torch.ones(2, *GREY).to_sparse()), "expected a dense tensor as data, got a sparse one"),
        (torch.ones(2, *GREY, device="meta"), "expected a tensor with values as data, got one on the meta device"),
    ],
)
def test_data_that_are_no_floats_side_by_side_are_one_line(x: Tensor | Datum, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        reconstruct(Ladder(GREY), x)
