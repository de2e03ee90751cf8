"""What happens when losses are not finite, and when the disk is full."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toy_training import Data, settings, toy, train
from toys import Pair

from hvae.errors import HvaeError
from hvae.objectives import ELBO, Loss, Objective
from hvae.training import fit
from hvae.walk import Trace

NAN = float("nan")


class Fails(Objective):
    """The ELBO, not finite at the given steps, the first `times` times each is met."""

    samples = 1

    def __init__(self, steps: range, times: int = 10**9) -> None:
        self.left = dict.fromkeys(steps, times)

    def __call__(self, trace: Trace, step: int) -> Loss:
        loss = ELBO()(trace, step)
        if self.left.get(step, 0) <= 0:
            return loss
        self.left[step] -= 1
        return Loss(loss.total * NAN, loss.terms)


class Spiked(Data):
    """One datum in fifty is so large that its rate overflows."""

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        x = super().batch(indices, generator)
        return torch.where(indices[:, None] == 3, torch.full_like(x, 1e30), x)


def column(folder: Path, name: str) -> list[float]:
    with open(folder / "metrics.csv", newline="") as f:
        return [float(row[name]) for row in csv.DictReader(f)]


def same(a: Pair, b: Pair) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_bad_datum_drops_its_steps_and_the_level_is_named(tmp_path: Path) -> None:
    model = toy()
    result = fit(model, ELBO(), Spiked(), settings(steps=50), tmp_path)
    assert result.dropped == 8, "fifty steps of 8 go eight times through fifty data"
    assert result.rollbacks == 0
    assert any("not finite: rate of z2" in note for note in result.notes)
    assert all(torch.isfinite(w).all() for w in model.state_dict().values())
    assert all(torch.isfinite(torch.tensor(column(tmp_path, "loss")))), "dropped steps are not in the means"
    assert column(tmp_path, "dropped")[-1] == 8


@pytest.mark.parametrize("name", ["metrics.csv", "last.ckpt", "model.safetensors"])
def test_a_folder_in_the_place_of_a_file_stops_the_training_when_that_is_written(name: str, tmp_path: Path) -> None:
    steps: list[int] = []

    def replaced(step: int, _: object) -> None:
        steps.append(step)
        if step == 7:
            (tmp_path / name).unlink()
            (tmp_path / name).mkdir()

    with pytest.raises(HvaeError, match=f"could not write .*{name}: a folder is in its place; move it away"):
        fit(toy(), ELBO(), Data(), settings(steps=40, save_every=5), tmp_path, on_step=replaced)
    assert steps[-1] == 10, "the next row or checkpoint after step 7 is that of step 10"


def test_gradients_alone_can_be_at_fault(tmp_path: Path) -> None:
    model = toy()
    model.px.weight.register_hook(lambda g: g * NAN)
    with pytest.raises(HvaeError, match=r"gradient of px\.weight"):
        fit(model, ELBO(), Data(), settings(), tmp_path)


def test_repeated_failures_go_back_at_half_the_learning_rate(tmp_path: Path) -> None:
    config = settings(retries=3, schedule="constant", save_every=10, warmup=0)
    result = fit(toy(), Fails(range(22, 25), times=1), Data(), config, tmp_path)
    assert (result.rollbacks, result.dropped, result.step) == (1, 3, 40)
    assert any("back to step 20, learning rate times 0.5" in note for note in result.notes)
    assert column(tmp_path, "step") == list(range(5, 41, 5)), "no row twice"
    assert column(tmp_path, "lr") == pytest.approx([0.01] * 4 + [0.005] * 4)


def test_going_back_means_as_if_it_had_not_happened(tmp_path: Path) -> None:
    """After a return the run is that of someone who halved the learning rate at the checkpoint."""
    one, two = toy(), toy()
    config = settings(retries=3, schedule="constant", warmup=0)
    fit(one, Fails(range(22, 25), times=1), Data(), config, tmp_path / "a")
    train(tmp_path / "b", model=two, steps=20, schedule="constant", warmup=0)
    train(tmp_path / "b", model=two, steps=40, schedule="constant", warmup=0, lr=0.005, resume=True)
    assert same(one, two)


def test_hopeless_runs_stop_with_advice(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=r"after step 20 .*lower train\.lr \(now 0\.01\)") as caught:
        fit(toy(), Fails(range(22, 40)), Data(), settings(retries=3, rollbacks=2), tmp_path)
    assert "\n" not in str(caught.value)
    assert column(tmp_path, "step") == [5, 10, 15, 20]


def test_a_new_checkpoint_renews_the_patience(tmp_path: Path) -> None:
    objective = Fails(range(12, 14), times=2)
    objective.left |= Fails(range(32, 34), times=2).left
    result = fit(toy(), objective, Data(), settings(retries=2, rollbacks=2), tmp_path)
    assert (result.rollbacks, result.step) == (4, 40)


def test_a_resumed_run_keeps_the_lowered_learning_rate(tmp_path: Path) -> None:
    config = settings(retries=2, schedule="constant", warmup=0)
    fit(toy(), Fails(range(12, 14), times=1), Data(), config, tmp_path)
    fit(toy(), ELBO(), Data(), settings(schedule="constant", warmup=0, steps=50), tmp_path, resume=True)
    assert column(tmp_path, "lr")[-1] == pytest.approx(0.005)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """torch.save fails at the calls whose numbers are put in the list."""
    calls, failing, save = [0], [], torch.save

    def maybe(content: object, f: object) -> None:
        calls[0] += 1
        if calls[0] in failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, f)  # type: ignore[arg-type]

    monkeypatch.setattr(torch, "save", maybe)
    return failing


def test_a_full_disk_warns_and_the_run_goes_on(tmp_path: Path, full_disk: list[int]) -> None:
    full_disk += [3, 4]  # steps 20 and 30; the first call is step 0
    one, two = toy(), toy()
    result = train(tmp_path / "full", model=one)
    assert result.step == 40
    assert [note for note in result.notes if "step 20 was not saved" in note and "No space left" in note]
    full_disk.clear()
    train(tmp_path / "free", model=two)
    assert same(one, two)


def test_the_last_good_checkpoint_survives_a_full_disk(tmp_path: Path, full_disk: list[int]) -> None:
    full_disk += [3, 4, 5]
    one, two = toy(), toy()
    with pytest.raises(HvaeError, match="No space left"):
        train(tmp_path / "full", model=one)
    assert torch.load(tmp_path / "full" / "last.ckpt", weights_only=True)["history"]["step"] == 10
    full_disk.clear()
    train(tmp_path / "full", model=one, resume=True)
    train(tmp_path / "free", model=two)
    assert same(one, two)
    assert column(tmp_path / "full", "loss") == column(tmp_path / "free", "loss")


def test_damaged_checkpoints_are_not_resumed(tmp_path: Path) -> None:
    train(tmp_path)
    path = tmp_path / "last.ckpt"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(HvaeError, match=r"last\.ckpt is damaged"):
        train(tmp_path, resume=True)
