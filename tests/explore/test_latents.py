"""Latents as things to hold: out of pictures, back, and on the way between two."""

from __future__ import annotations

import math
from io import BytesIO

import pytest
import torch
from PIL import Image
from toys import GREY, RGB, Chain, Ladder, images

from hvae.draw import mode, posterior, prior
from hvae.errors import HvaeError
from hvae.explore import decode, encode, interpolate, linear, reconstruct, sample, spherical
from hvae.explore.latents import PATHS
from hvae.explore.tiles import stations
from hvae.walk import Model, run, still

MODELS = pytest.mark.parametrize("model", [Ladder(GREY), Chain(GREY), Ladder(RGB)], ids=["ladder", "chain", "rgb"])


@MODELS
def test_decoding_the_encoded_is_the_reconstruction(model: Model) -> None:
    x = images(model.shape)
    for draw in (posterior, mode):
        values = encode(model, x, draw=draw, seed=1)
        assert set(values) == {"z3", "z2", "z1"} and all(len(value) == len(x) for value in values.values())
        assert not any(value.requires_grad for value in values.values())
        assert torch.equal(decode(model, values), reconstruct(model, x, draw=draw, seed=1))


@MODELS
def test_the_values_are_those_of_the_walk(model: Model) -> None:
    x = images(model.shape)
    with still(model, 4):
        trace = run(model, posterior, model.evidence(x))
    assert all(torch.equal(value, trace[name].value) for name, value in encode(model, x, seed=4).items())
    chunks = encode(model, x, draw=mode, chunk=2)
    assert all(torch.allclose(value, chunks[name], atol=1e-6) for name, value in encode(model, x, draw=mode).items())


@MODELS
def test_levels_that_are_not_given_are_drawn_at_their_temperature(model: Model) -> None:
    top = {"z3": torch.randn(5, 2)}
    assert torch.equal(decode(model, top, seed=2), sample(model, 5, given=top, seed=2))
    assert not torch.equal(decode(model, top, seed=2), decode(model, top, seed=3))
    cold = decode(model, top, temperature=0.0)
    assert torch.equal(cold, sample(model, 5, given=top, temperature=0.0))
    shared = {"z3": top["z3"], "z2": torch.ones(1, 3)}
    assert len(decode(model, shared)) == 5


def test_bad_latents() -> None:
    model = Ladder(GREY)
    for values, line in (
        ({}, "expected the values of at least one level to decode, got none"),
        ({"z9": torch.zeros(2, 2)}, "no level named 'z9'"),
        ({"z3": torch.zeros(2, 2), "z2": torch.zeros(3, 3)}, r"expected given\['z3'\] of shape \(3, 2\)"),
    ):
        with pytest.raises(HvaeError, match=line):
            decode(model, values)
    with pytest.raises(HvaeError, match="expected data of shape"):
        encode(model, torch.zeros(2, 3, 8, 8))


# Paths.


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
def test_paths_begin_and_end_where_they_should(path: object) -> None:
    assert callable(path)
    a, b = torch.randn(4, 3, 2), torch.randn(4, 3, 2)
    b[0], b[1], b[2] = a[0], -a[1], 0.0  # the same, the opposite, and nothing
    assert torch.allclose(path(a, b, 0.0), a, atol=1e-6) and torch.allclose(path(a, b, 1.0), b, atol=1e-6)
    assert path(a, b, 0.3).isfinite().all()
    assert torch.allclose(path(a, b, 0.25), path(b, a, 0.75), atol=1e-6)


def test_linear_is_straight() -> None:
    a, b = torch.randn(4, 3), torch.randn(4, 3)
    assert torch.allclose(linear(a, b, 0.25), 0.75 * a + 0.25 * b)


def test_spherical_keeps_length_and_turns_evenly() -> None:
    a, b = torch.randn(5, 40).double(), torch.randn(5, 40).double()
    a, b = (3 * v / v.norm(dim=1, keepdim=True) for v in (a, b))
    whole = torch.cosine_similarity(a, b).arccos()
    for t in (0.1, 0.5, 0.8):
        here = spherical(a, b, t)
        torch.testing.assert_close(here.norm(dim=1), torch.full((5,), 3.0).double())
        torch.testing.assert_close(torch.cosine_similarity(a, here).arccos(), t * whole)


def test_spherical_stays_where_draws_of_the_prior_are_and_linear_does_not() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(50, 1000), torch.randn(50, 1000)
    assert abs(float(spherical(a, b, 0.5).norm(dim=1).mean()) / math.sqrt(1000) - 1) < 0.02
    assert float(linear(a, b, 0.5).norm(dim=1).mean()) / math.sqrt(1000) < 0.75


# Interpolation.


@MODELS
def test_an_interpolation_ends_in_the_reconstructions(model: Model) -> None:
    a, b = images(model.shape)[:3], images(model.shape)[3:]
    made = interpolate(model, a, b, 5, draw=mode)
    assert made.shape == (5, 3, *model.shape) and made.min() >= 0 and made.max() <= 1
    torch.testing.assert_close(made[0], reconstruct(model, a, draw=mode))
    torch.testing.assert_close(made[-1], reconstruct(model, b, draw=mode))
    middle = {n: (z + encode(model, b, draw=mode)[n]) / 2 for n, z in encode(model, a, draw=mode).items()}
    torch.testing.assert_close(made[2], decode(model, middle))


def test_only_named_levels_go_the_way_and_the_rest_follows() -> None:
    model = Ladder(GREY)
    a, b = images(GREY)[:3], images(GREY)[3:]
    made = interpolate(model, a, b, 3, levels=["z3"], draw=mode, path=spherical)
    start, end = (encode(model, x, draw=mode)["z3"] for x in (a, b))
    for i, value in enumerate((start, spherical(start, end, 0.5), end)):
        torch.testing.assert_close(made[i], decode(model, {"z3": value}, temperature=0.0))
    drawn = [interpolate(model, a, b, 3, levels=["z3"], rest=prior(), seed=s) for s in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_progress_is_told_in_stations() -> None:
    told: list[tuple[int, int]] = []
    x = images(GREY)
    interpolate(Ladder(GREY), x, x, 3, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_bad_interpolations() -> None:
    model, x = Ladder(GREY), images(GREY)
    for arguments, line in (
        ((x, x, 1), "steps: expected at least 2, got 1"),
        ((x, x[:2], 3), "expected as many images at both ends"),
        ((x[:0], x[:0], 3), "expected at least 1 images"),
    ):
        with pytest.raises(HvaeError, match=line):
            interpolate(model, *arguments)
    with pytest.raises(HvaeError, match="no level named 'z7'"):
        interpolate(model, x, x, levels=["z7"])


def test_the_picture_names_the_stations() -> None:
    model = Ladder(RGB)
    x = images(RGB)
    made = interpolate(model, x[:2], x[2:4], 5)
    picture = stations(made)
    assert picture[:4] == b"\x89PNG" and stations(made) == picture
    wider = Image.open(BytesIO(stations(made, ends=(x[:2], x[2:4])))).size
    assert (wider[0] - 4) * 5 == (Image.open(BytesIO(picture)).size[0] - 4) * 7
    with pytest.raises(HvaeError, match="expected pictures"):
        stations(made[0, 0])
