"""Curves: right, monotone, and the same integers everywhere."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from hvae.coding.entropy.curves import UNIT, Curve, logistic, normal

CURVES = {"normal": (normal, torch.special.ndtr), "logistic": (logistic, torch.sigmoid)}


@pytest.fixture(params=list(CURVES))
def pair(request: pytest.FixtureRequest) -> tuple[Curve, object]:
    curve, exact = CURVES[request.param]
    return curve(), exact


def test_table_points_are_rounded_exactly(pair) -> None:
    curve, exact = pair
    points = torch.arange(len(curve.table), dtype=torch.float64) / curve.per - curve.reach
    difference = torch.from_numpy(curve.table).double() - exact(points) * UNIT
    assert difference[1:-1].abs().max() <= 0.51


def test_between_points_it_is_straight_and_close(pair) -> None:
    curve, exact = pair
    t = np.random.default_rng(0).uniform(-5, 5, 10_000)
    found = curve(t) / UNIT
    assert np.abs(found - exact(torch.from_numpy(t)).numpy()).max() < 1e-5


def test_it_never_falls(pair) -> None:
    curve, _ = pair
    t = np.sort(np.random.default_rng(0).uniform(-1.1 * curve.reach, 1.1 * curve.reach, 100_000))
    assert (np.diff(curve(t)) >= 0).all()


def test_ends_hold_everything(pair) -> None:
    curve, _ = pair
    assert curve(np.array([-np.inf, -1e300, 1e300, np.inf])).tolist() == [0, 0, UNIT, UNIT]


def test_inverse(pair) -> None:
    curve, _ = pair
    u = np.random.default_rng(0).integers(1, UNIT, 10_000)
    assert np.abs(curve(curve.inverse(u)) - u).max() <= 1


@pytest.mark.parametrize(("name", "digest"), [("normal", "08589b0a123f8437"), ("logistic", "00bbe8576beadd7c")])
def test_tables_never_change(name: str, digest: str) -> None:
    """Files depend on every integer of them: a new table is a new version of the format."""
    table = CURVES[name][0]().table.astype("<i8").tobytes()
    assert hashlib.sha256(table).hexdigest()[:16] == digest
