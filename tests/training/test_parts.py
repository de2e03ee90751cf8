"""Training some parts of a model, and starting from the weights of another run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from toy_training import Data, settings
from toys import Pair

from hvae.errors import HvaeError
from hvae.objectives import ELBO
from hvae.training import fit
from hvae.training.parts import Parts, begin_from, matching
from hvae.training.saving import read_checkpoint
from hvae.weights import load_weights

NAMES = ["levels.z2.prior.weight", "levels.z2.prior.bias", "levels.z1.prior.weight", "head.bias"]


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["levels.z2"], NAMES[:2]),
        (["levels"], NAMES[:3]),
        (["*.bias"], [NAMES[1], NAMES[3]]),
        (["levels.*.weight", "head"], [NAMES[0], NAMES[2], NAMES[3]]),
        (["prior"], NAMES[:3]),
        (["prior.bias", "head"], [NAMES[1], NAMES[3]]),
        ([], []),
    ],
)
def test_patterns(patterns: list[str], chosen: list[str]) -> None:
    assert matching(NAMES, patterns) == chosen


@pytest.mark.parametrize("pattern", ["levels.z3", "haed", "levels.z2.priorr", "priorr"])
def test_a_pattern_that_fits_nothing_names_the_nearest(pattern: str) -> None:
    with pytest.raises(HvaeError, match=f"no parameter named '{pattern}'; did you mean"):
        matching(NAMES, [pattern])


def test_frozen_parts_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    model = nn_with_norm()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    fit(model, ELBO(), Data(), settings(steps=6, only=("px", "p1.bias")), tmp_path)
    saved = load_weights(tmp_path / "model.safetensors")[0]
    changed = {name for name, t in before.items() if not torch.equal(t, saved[name])}
    assert changed == {"px.weight", "px.bias", "p1.bias"}
    moments = read_checkpoint(tmp_path / "last.ckpt")["learner"]["optimiser"]["state"]
    assert len(moments) == 3, "what is frozen has no moments"


def nn_with_norm() -> Pair:
    """A model whose inference has batch norm: its statistics move unless it is in evaluation mode."""
    torch.manual_seed(0)
    model = Pair()
    model.q1 = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 6))  # type: ignore[assignment]
    return model


def test_a_resumed_run_freezes_the_same(tmp_path: Path) -> None:
    whole, parts = nn_with_norm(), nn_with_norm()
    fit(whole, ELBO(), Data(), settings(steps=6, only=("px",)), tmp_path / "whole")
    fit(parts, ELBO(), Data(), settings(steps=3, only=("px",), schedule="constant"), tmp_path / "part")
    assert all(
        torch.equal(a, b) for a, b in zip(whole.q1.state_dict().values(), parts.q1.state_dict().values(), strict=True)
    )


def test_training_begins_with_the_weights_of_another_run(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = Pair()
    fit(first, ELBO(), Data(), settings(steps=3), tmp_path / "first")
    torch.manual_seed(2)
    second = Pair()
    config = settings(steps=1, init=str(tmp_path / "first"), only=("px.bias",))
    result = fit(second, ELBO(), Data(), config, tmp_path / "second")
    given = load_weights(tmp_path / "first" / "model.safetensors")[0]
    saved = load_weights(tmp_path / "second" / "model.safetensors")[0]
    assert all(torch.equal(given[name], saved[name]) for name in given if name != "px.bias")
    assert any("tensors begin as in" in note for note in result.notes)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    fit(Pair(), ELBO(), Data(), settings(steps=1), tmp_path / "run")
    wide = Pair(width=4)
    with pytest.raises(HvaeError, match=r"have other shapes than this model's: q1.weight \(6, 6\) for \(8, 6\)"):
        begin_from(wide, tmp_path / "run")
    with pytest.raises(HvaeError, match="no tensor of .* has a name of this model"):
        begin_from(nn.Linear(2, 2), tmp_path / "run")
    with pytest.raises(HvaeError, match="nowhere"):
        begin_from(Pair(), tmp_path / "nowhere")
    grown = Pair()
    grown.more = nn.Linear(1, 1)
    assert "start anew: more.weight, more.bias" in begin_from(grown, tmp_path / "run")


def test_an_unknown_pattern_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="no parameter named 'pz'"):
        fit(Pair(), ELBO(), Data(), settings(steps=1, only=("pz",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_evaluation_mode_reaches_frozen_modules_alone() -> None:
    model = nn.ModuleDict({"a": nn.Sequential(nn.Linear(2, 2), nn.Dropout()), "b": nn.BatchNorm1d(2, affine=False)})
    Parts(model, ["a.0.bias"]).train()
    assert model["a"][1].training and not model["b"].training


def test_each_step_is_told_and_loggers_of_ones_own_get_rows(tmp_path: Path) -> None:
    from lightning.fabric.loggers import CSVLogger

    steps: list[tuple[int, float]] = []
    own = CSVLogger(tmp_path / "logs", flush_logs_every_n_steps=1)
    fit(
        Pair(),
        ELBO(),
        Data(),
        settings(steps=3, log_every=1),
        tmp_path / "run",
        on_step=lambda step, terms: steps.append((step, float(terms["loss"]))),
        loggers=[own],
    )
    assert [step for step, _ in steps] == [1, 2, 3] and all(loss == loss for _, loss in steps)
    assert list((tmp_path / "logs").rglob("metrics.csv"))


def test_after_step_is_called_for_taken_steps_alone(tmp_path: Path) -> None:
    class Counting(Pair):
        calls = 0

        def after_step(self) -> None:
            self.calls += 1

    model = Counting()
    fit(model, ELBO(), Data(), settings(steps=4), tmp_path / "taken")
    assert model.calls == 4
    skipped = Counting()
    config = settings(steps=4, skip_factor=1e-9, skip_window=1)
    result = fit(skipped, ELBO(), Data(), config, tmp_path / "skipped")
    assert result.skipped > 0 and skipped.calls == 4 - result.skipped


@pytest.mark.parametrize(
    ("was", "now"), [(("px",), ("px.*",)), (("px", "p1"), ("p1", "px")), (("p?",), ("px", "p1")), ((), ("*",))]
)
def test_other_words_for_the_same_parts_go_on(tmp_path: Path, was: tuple[str, ...], now: tuple[str, ...]) -> None:
    whole, parts = Pair(), Pair()
    parts.load_state_dict(whole.state_dict())
    fit(whole, ELBO(), Data(), settings(steps=4, only=was, schedule="constant"), tmp_path / "whole")
    fit(parts, ELBO(), Data(), settings(steps=2, only=was, schedule="constant"), tmp_path / "part")
    fit(parts, ELBO(), Data(), settings(steps=4, only=now, schedule="constant"), tmp_path / "part", resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))


@pytest.mark.parametrize(("was", "now"), [(("px",), ("p1",)), ((), ("px",)), (("px",), ()), (("px", "p1"), ("px",))])
def test_a_run_is_not_resumed_with_other_parts(tmp_path: Path, was: tuple[str, ...], now: tuple[str, ...]) -> None:
    fit(Pair(), ELBO(), Data(), settings(steps=1, only=was), tmp_path)
    with pytest.raises(HvaeError, match="trains .* a resumed run keeps it"):
        fit(Pair(), ELBO(), Data(), settings(steps=2, only=now), tmp_path, resume=True)
