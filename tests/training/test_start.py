"""A model that starts from data: once, before the optimiser and the average, with one batch for all processes."""

from __future__ import annotations

from pathlib import Path

import torch
from processes import finished
from torch import Tensor
from toy_training import Data, toy, train
from toys import Pair

from hvae.datum import Datum
from hvae.training.saving import read_checkpoint


class Starting(Pair):
    """Its first layer's bias starts at minus the mean of what it was shown, with some noise."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Tensor] = []

    def prepare(self, datum: Datum) -> None:
        self.shown.append(datum.x)
        with torch.no_grad():
            self.q1.bias.fill_(-datum.x.mean()).add_(1e-3 * torch.randn(()))


def starting() -> Starting:
    torch.manual_seed(0)
    return Starting()


def test_the_first_batch_is_shown_once_before_anything_is_made_of_the_weights(tmp_path: Path) -> None:
    model = starting()
    train(tmp_path, model=model, steps=1, lr=0.0, warmup=0)
    assert len(model.shown) == 1 and model.shown[0].shape == (8, 6)
    learner = read_checkpoint(tmp_path / "last.ckpt")["learner"]
    # No step moved the weights, so the average agrees with them only if it was made after the start.
    assert torch.equal(learner["model"]["q1.bias"], learner["average"]["q1.bias"])
    assert torch.allclose(learner["model"]["q1.bias"], -model.shown[0].mean().expand(6), atol=0.01)


def test_the_data_shown_are_those_of_the_first_step(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    class Watched(Starting):
        def features(self, datum: Datum) -> dict[str, Tensor]:
            seen.append(datum.x)
            return super().features(datum)

    torch.manual_seed(0)
    model = Watched()
    train(tmp_path, model=model, steps=1, accumulate=2)
    assert model.shown[0].shape == (4, 6) and torch.equal(seen[0], model.shown[0])


def test_a_resumed_run_does_not_start_again_and_ends_the_same(tmp_path: Path) -> None:
    whole, part, rest = starting(), starting(), starting()
    train(tmp_path / "whole", model=whole, steps=30)
    train(tmp_path / "parts", model=part, steps=30, minutes=1e-9)
    train(tmp_path / "parts", model=rest, steps=30, resume=True)
    assert len(part.shown) == 1 and not rest.shown
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), rest.state_dict().values(), strict=True))


def test_models_that_start_from_nothing_are_trained_as_before(tmp_path: Path) -> None:
    model = toy()
    before = {name: w.clone() for name, w in model.state_dict().items()}
    model.prepare(Datum(Data().x))
    assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())
    assert train(tmp_path, model=model, steps=2).step == 2


PARALLEL = """
import sys, torch
from test_start import starting, train
torch.set_num_threads(1)
train(__import__("pathlib").Path(sys.argv[1]), model=starting(), steps=20, devices=2)
"""


def test_two_processes_start_with_the_same_model(tmp_path: Path) -> None:
    one = starting()
    train(tmp_path / "one", model=one, steps=20, accumulate=2)
    program = tmp_path / "program.py"
    program.write_text(PARALLEL)
    run = finished(program, tmp_path / "two")
    assert run.returncode == 0, run.stderr
    learner = read_checkpoint(tmp_path / "two" / "last.ckpt")["learner"]
    ours = read_checkpoint(tmp_path / "one" / "last.ckpt")["learner"]
    assert learner["model"].keys() == ours["model"].keys()
    assert all(torch.allclose(learner["model"][name], w, atol=1e-5) for name, w in ours["model"].items())
