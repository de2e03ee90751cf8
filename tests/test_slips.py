"""Slips of the pen in Python: one line that says what was expected, what came, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from hvae.config.model import VAEConfig
from hvae.datum import Datum
from hvae.distributions import Bernoulli, Normal
from hvae.draw import by_step, each, given, masked, mode, posterior, prior, replay, thin
from hvae.errors import HvaeError
from hvae.metrics import bounds
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model, run
from hvae.zoo import build


class Switches(Model):
    """Four switches, whose law has no location, and then the data."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.shape, self.weight = (4,), weight
        self.net = torch.nn.Linear(4, 4)

    def features(self, datum: Datum) -> dict[str, torch.Tensor]:
        return {"raw": self.net(datum.x)}

    def walk(self, visit: Visit, evidence: Evidence) -> torch.Tensor:
        raw = evidence.feature("raw")
        p = Bernoulli(self.net.weight.new_zeros(evidence.n, 4))
        z = visit(Site("z", p, None if raw is None else Bernoulli(raw), weight=self.weight))
        return visit(evidence.site(Normal(self.net(z), torch.ones_like(z))))


MODEL, X = Switches(), torch.zeros(3, 4)
Z = torch.zeros(3, 4)
BOOL = torch.ones(3, 4, dtype=torch.bool)
VALUES = run(MODEL, prior(), n=3).values()


def drawn(draw: Any, n: Any = 3) -> Callable[[], object]:
    return lambda: run(MODEL, draw(), n=n)


SLIPS: dict[str, tuple[Callable[[], object], str]] = {
    # rows
    "rows below 0": (drawn(prior, n=-1), "rows: expected at least 0, got -1"),
    "half a row": (drawn(prior, n=1.5), "rows: expected a whole number, got 1.5"),
    "rows in words": (drawn(prior, n="3"), "rows: expected a whole number, got '3'"),
    "repeat -1": (lambda: MODEL.evidence(X).repeat(-1), "rows for each datum: expected at least 1, got -1"),
    "repeat 0": (lambda: MODEL.evidence(X).repeat(0), "rows for each datum: expected at least 1, got 0"),
    "repeat 1.5": (lambda: MODEL.evidence(X).repeat(1.5), "expected a whole number"),  # type: ignore[arg-type]
    # values
    "a list": (drawn(lambda: given({"z": [1.0] * 4}, prior())), "z: expected a tensor .* got list; use torch.as_te"),
    "an array": (drawn(lambda: given({"z": np.zeros((3, 4))}, prior())), "expected a tensor .* got ndarray"),
    "one column": (drawn(lambda: given({"z": Z[:, :1]}, prior())), r"z: expected .* shape \(3, 4\), got \(3, 1\)"),
    "no axis": (drawn(lambda: given({"z": Z[:, 0]}, prior())), r"shape \(3, 4\), got \(3,\)"),
    "one row": (drawn(lambda: given({"z": Z[:1]}, prior())), r"shape \(3, 4\), got \(1, 4\)"),
    "whole numbers": (drawn(lambda: given({"z": Z.long()}, prior())), "torch.float32, got torch.int64; convert it"),
    "doubles": (drawn(lambda: given({"z": Z.double()}, prior())), "expected .* torch.float32, got torch.float64"),
    "no mapping": (drawn(lambda: given([Z], prior())), "expected a mapping from the names of variables, got list"),
    "no name": (drawn(lambda: given({1: Z}, prior())), r"expected the name of a variable, or \('name', step\)"),
    "half a key": (drawn(lambda: given({("z",): Z}, prior())), "expected the name of a variable"),
    "a step in words": (drawn(lambda: given({("z", "0"): Z}, prior())), "expected the name of a variable"),
    "a step of one": (drawn(lambda: given({("z", 7): Z}, prior())), "z is visited once, got step 7 of it"),
    "another name": (drawn(lambda: given({"z1": Z}, prior())), "no level named 'z1'; did you mean 'z'"),
    "a short replay": (drawn(lambda: replay({"z": Z})), "no value to replay named 'x'"),
    "a replay of rows": (drawn(lambda: replay(VALUES), n=5), r"z: expected a given value of shape \(5, 4\)"),
    "a flat series": (lambda: by_step("z", torch.zeros(3)), r"z: expected a series .* got shape \(3,\)"),
    "a list of steps": (lambda: by_step("z", [Z]), "z: expected a series .* got list"),  # type: ignore[arg-type]
    # draws
    "prior without ()": (drawn(lambda: prior), r"expected a draw such as posterior, mode or prior\(\), got prior"),
    "otherwise": (drawn(lambda: given({"z": Z}, prior)), "expected a draw such as"),
    "a temperature": (drawn(lambda: each({"z": 0.7})), r"expected a draw such as .* got float"),
    "heat in words": (lambda: prior("hot"), "expected a temperature of 0 or more, got 'hot'"),  # type: ignore[arg-type]
    "a float mask": (lambda: masked(Z, prior(), mode), "a tensor of torch.bool, got torch.float32; compare it"),
    "a listed mask": (lambda: masked([True], prior(), mode), "torch.bool, got list"),  # type: ignore[arg-type]
    "a narrow mask": (
        drawn(lambda: each({"z": masked(BOOL[:, :3], prior(), mode)})),
        r"z: expected a mask that broadcasts to \(3, 4\), got shape \(3, 3\)",
    ),
    "a deep mask": (drawn(lambda: each({"z": masked(BOOL[None], prior(), mode)})), "expected a mask that broadcasts"),
    "nothing to thin": (drawn(lambda: thin(2)), r"this walk has no steps .* got thin\(...\)"),
    "thin below": (drawn(lambda: given({"z": Z}, each({"x": mode}, thin(2)))), "this walk has no steps"),
    "thin to 0": (lambda: thin(0), "expected at least 1 step to visit, got 0"),
    "thin in words": (lambda: thin("2"), "count: expected a whole number, got '2'"),  # type: ignore[arg-type]
    "data for evidence": (lambda: run(MODEL, posterior, X), r"got Tensor; use model.evidence\(x\)"),  # type: ignore[arg-type]
    # bounds
    "arrays to measure": (lambda: bounds(MODEL, [X.numpy()]), "got ndarray; use torch.as_tensor"),  # type: ignore[list-item]
    "lists to measure": (lambda: bounds(MODEL, [[0.0]]), "got list; use torch.as_tensor"),  # type: ignore[list-item]
    "pairs to measure": (lambda: bounds(MODEL, [(X, X)]), "got tuple; use torch.as_tensor"),  # type: ignore[list-item]
    "an empty batch": (lambda: bounds(MODEL, [X[:0]]), "expected data in every batch, got an empty one"),
    "half a sample": (lambda: bounds(MODEL, [X], 1.5), "samples: expected a whole number, got 1.5"),  # type: ignore[arg-type]
    "one row to normalise": (
        lambda: run(build(VAEConfig(latent=2, widths=(8,), norm="batch"), shape=(1, 4, 4), bits=1), prior(), n=1),
        r"expected at least 2 data at once, .* got 1; take larger batches, model.norm none, or model.eval\(\)",
    ),
    "no rows": (lambda: bounds(MODEL, [X], chunk_rows=0), "chunk_rows: expected at least 1, got 0"),
    "a weighed level": (lambda: bounds(Switches(weight=2.0), [X]), "z stands for several sites by its weight"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_one_line(name: str) -> None:
    slip, line = SLIPS[name]
    with pytest.raises(HvaeError, match=line) as told:
        slip()
    assert "\n" not in str(told.value)


def test_what_is_right_passes() -> None:
    """The same calls without their slips."""
    for draw in (given({"z": Z}, prior()), replay(VALUES), each({"z": masked(BOOL[:1], prior(), mode)}, prior(0.5))):
        assert run(MODEL, draw, n=3)["z"].value.shape == (3, 4)
    assert len(run(MODEL, prior(), n=0)["z"].value) == 0
    assert MODEL.evidence(X).repeat(2).n == 6 and bounds(MODEL, [X, X[:1]], 2, chunk_rows=3).data == 4


SHAPES = [(None, 4), (), 28, None, "28", (1, 0, 4), (1, -2), (1.5, 4), (True, 4), ("a", 4), [[1], 4]]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_wrong_shape_is_one_line(shape: Any) -> None:
    with pytest.raises(HvaeError, match=r"expected a shape of positive sizes such as \(1, 28, 28\), got ") as refused:
        build(VAEConfig(latent=2, widths=(8,)), shape=shape, bits=1)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("bits", [-1, None, 1.5, "8", True, float("nan")])
def test_a_wrong_depth_is_one_line(bits: Any) -> None:
    with pytest.raises(HvaeError, match="bits: expected a whole number such as 8, or 0 for real numbers, got "):
        build(VAEConfig(latent=2, widths=(8,)), shape=(1, 4, 4), bits=bits)


def test_sizes_of_numpy_and_torch_are_sizes() -> None:
    model = build(VAEConfig(latent=2, widths=(8,)), shape=np.array([1, 4, 4]), bits=np.int64(1))
    assert build(VAEConfig(latent=2, widths=(8,)), shape=torch.zeros(1, 4, 4).shape, bits=1).shape == model.shape
