"""float16 with a factor of the loss: gradients that it would lose, those too large for it, and what a run resumes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_fit import rows
from torch import Tensor, nn
from toy_training import settings, toy, train

import hvae
from hvae.config.model import LadderConfig
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.training import saving, scaling
from hvae.training.engine import engine
from hvae.training.scaling import LossScale
from hvae.walk import run
from hvae.zoo import build


def test_it_falls_at_once_rises_slowly_and_never_beyond_its_ends() -> None:
    scale = LossScale()
    first = scale.factor
    assert scale.falls()
    for _ in range(scaling.PATIENCE - 1):
        scale.holds()
    assert scale.factor == first / 2
    scale.holds()
    assert scale.factor == first
    for _ in range(40 * scaling.PATIENCE):
        scale.holds()
    assert scale.factor == scaling.MOST
    while scale.falls():
        pass
    assert scale.factor == 1.0


def test_float16_computes_networks_in_it_and_rates_in_float32(tmp_path: Path) -> None:
    types, model = set(), toy()
    model.q1.register_forward_hook(lambda module, inputs, out: types.add((out.dtype, module.weight.dtype)))
    train(tmp_path, model=model, steps=2, precision="16")
    assert types == {(torch.float16, torch.float32)}
    torch.manual_seed(0)
    ladder = build(LadderConfig(groups=(1, 1), width=8, latent=2), (1, 8, 8), 1)
    with torch.autocast("cpu", torch.float16):
        trace = run(ladder, posterior, ladder.evidence(torch.zeros(2, 1, 8, 8)))
    assert {rate.dtype for rate in trace.rates().values()} == {trace.log_likelihood().dtype} == {torch.float32}


def test_it_learns_as_float32_does(tmp_path: Path) -> None:
    for precision in ("16", "32"):
        train(tmp_path / precision, steps=100, precision=precision)
    half, single = (float(rows(tmp_path / precision)[-1]["loss"]) for precision in ("16", "32"))
    assert half == pytest.approx(single, rel=0.02)
    assert half < 0.8 * float(rows(tmp_path / "32")[0]["loss"])


@pytest.mark.parametrize(("factor", "arrives"), [(1.0, False), (2.0**12, True)])
def test_gradients_that_float16_would_lose_arrive(
    factor: float, arrives: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Halves end at 6e-8: a slope of a billionth passes a layer only if the loss was large."""
    slopes: list[Tensor] = []

    def flatten(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        if out.requires_grad:
            out.register_hook(lambda slope: slope * 1e-9)

    monkeypatch.setattr(scaling, "FIRST", factor)
    model = toy()
    model.q1.register_forward_hook(flatten)
    model.q1.weight.register_hook(slopes.append)
    train(tmp_path, model=model, steps=1, precision="16")
    assert bool(slopes[0].any()) == arrives


def test_a_gradient_too_large_halves_the_factor_and_moves_nothing(tmp_path: Path) -> None:
    model = toy()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    shouts = iter([True, True])

    def shout(slope: Tensor) -> Tensor:
        return slope * float("inf") if next(shouts, False) else slope

    model.q1.weight.register_hook(shout)
    result = train(tmp_path, model=model, steps=2, precision="16", save_every=2)
    assert (result.skipped, result.dropped) == (2, 0)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert saving.read_checkpoint(tmp_path / "last.ckpt")["learner"]["scale"] == {"factor": scaling.FIRST / 4, "row": 0}


def test_a_resumed_run_has_the_factor_and_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "PATIENCE", 15)
    whole, parts = toy(), toy()
    train(tmp_path / "whole", model=whole, steps=40, precision="16")
    train(tmp_path / "parts", model=parts, steps=40, precision="16", minutes=1e-9)
    assert saving.read_checkpoint(tmp_path / "parts" / "last.ckpt")["history"]["step"] < 40
    train(tmp_path / "parts", model=parts, steps=40, precision="16", resume=True)
    states = [saving.read_checkpoint(tmp_path / name / "last.ckpt")["learner"]["scale"] for name in ("whole", "parts")]
    assert states[0] == states[1]
    assert states[0]["factor"] != scaling.FIRST, "a factor that never moved would show nothing"
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True))


def test_a_checkpoint_of_before_goes_on(tmp_path: Path) -> None:
    train(tmp_path, steps=10)
    content = saving.read_checkpoint(tmp_path / "last.ckpt")
    del content["learner"]["scale"]
    saving.write_checkpoint(tmp_path / "last.ckpt", content)
    assert train(tmp_path, steps=20, resume=True).step == 20


def test_float16_where_it_was_never_tried_is_one_line() -> None:
    with pytest.raises(HvaeError, match=r"train\.precision: expected 32 on mps, .* got 16"):
        engine(settings(precision="16", accelerator="mps"))


def test_a_convolutional_run_in_float16_ends_with_finite_weights(tmp_path: Path) -> None:
    words = {"train.precision": "16", "train.accelerator": "cpu", "train.steps": 3, "evaluate.measures": "likelihood"}
    result = hvae.train("digits", out=tmp_path / "run", overrides=words | {"evaluate.limit": 4, "evaluate.samples": 1})
    assert "precision: '16'" in (result.folder / "config.yaml").read_text()
    assert (result.training.dropped, result.training.step) == (0, 3)
