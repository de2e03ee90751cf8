from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toy_training import Data, settings, toy, train
from toys import Pair

from hvae.config.train import TrainConfig
from hvae.errors import HvaeError
from hvae.objectives import ELBO, Loss, Objective
from hvae.training import engine as engine_module
from hvae.training import first_process, fit, over_processes
from hvae.walk import Trace
from hvae.weights import load_weights


class Watched(Objective):
    """The ELBO, with something done to its total at each call."""

    samples = 1

    def __init__(self, change: Callable[[Tensor, int], Tensor]) -> None:
        self.change = change

    def __call__(self, trace: Trace, step: int) -> Loss:
        loss = ELBO()(trace, step)
        return Loss(self.change(loss.total, step), loss.terms)


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", newline="") as f:
        return list(csv.DictReader(f))


def untimed(folder: Path) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name != "seconds"} for row in rows(folder)]


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_run_learns_and_leaves_its_files(tmp_path: Path) -> None:
    model = toy()
    result = train(tmp_path, model=model, steps=200, valid_every=100)
    table = rows(tmp_path)
    assert [int(row["step"]) for row in table] == list(range(5, 201, 5))
    assert float(table[-1]["loss"]) < 0.7 * float(table[0]["loss"])
    assert [row["step"] for row in table if row["valid/elbo"]] == ["100", "200"]
    elbo = float(table[-1]["log_likelihood"]) - float(table[-1]["rate/z1"]) - float(table[-1]["rate/z2"])
    assert float(table[-1]["elbo"]) == pytest.approx(elbo, rel=1e-5)
    assert (result.step, result.stopped, result.skipped, result.dropped) == (200, "steps", 0, 0)
    assert result.samples_per_second > 0
    assert result.last["valid/elbo"] == pytest.approx(float(table[-1]["valid/elbo"]))
    weights, description = load_weights(tmp_path / "model.safetensors")
    assert description == {"step": 200}
    assert not model.training
    assert all(torch.equal(weights[name], w) for name, w in model.state_dict().items())


def test_raw_weights_are_in_the_checkpoint_and_averaged_ones_in_the_model(tmp_path: Path) -> None:
    model = toy()
    train(tmp_path, model=model)
    raw = torch.load(tmp_path / "last.ckpt", weights_only=True)["learner"]["model"]
    assert not torch.equal(raw["px.weight"], model.px.weight)
    again = toy()
    train(tmp_path / "raw", model=again, ema=0.0)
    assert torch.equal(raw["px.weight"], again.px.weight), "averaging must not change the course"


def test_same_seed_same_run_other_seed_other_run(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(tmp_path / name, seed=seed)
    assert untimed(tmp_path / "a") == untimed(tmp_path / "b")
    assert untimed(tmp_path / "a")[0] != untimed(tmp_path / "c")[0]


class Blank(Data):
    """The same datum over and over: whatever differs between batches is the noise of the posterior."""

    def batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        return torch.zeros_like(self.x[indices])


def test_every_micro_batch_has_noise_of_its_own(tmp_path: Path) -> None:
    drawn: list[tuple[float, ...]] = []
    model = toy()
    model.p1.register_forward_pre_hook(lambda module, given: drawn.append(tuple(given[0].flatten().tolist())))
    fit(model, ELBO(), Blank(), settings(steps=2, accumulate=2, lr=0.0), tmp_path)
    assert len(set(drawn)) == len(drawn) == 4


def test_validations_and_their_timing_leave_the_course_alone(tmp_path: Path) -> None:
    one, two = toy(), toy()
    train(tmp_path / "a", model=one)
    train(tmp_path / "b", model=two, valid_every=3, save_every=7, log_every=4)
    assert same(one, two)


def test_on_evaluate_sees_the_average_and_adds_columns(tmp_path: Path) -> None:
    seen: list[int] = []

    def evaluate(model: Pair, step: int) -> dict[str, float]:
        assert not model.training
        seen.append(step)
        return {"valid/mine": 2.0 * step}

    description = {"bits": 8}
    fit(toy(), ELBO(), Data(), settings(valid_every=20), tmp_path, description=description, on_evaluate=evaluate)
    assert seen == [20, 40]
    assert [row["valid/mine"] for row in rows(tmp_path) if row["valid/mine"]] == ["40", "80"]
    assert load_weights(tmp_path / "model.safetensors")[1] == {"bits": 8, "step": 40}


def test_time_limit_stops_early_and_saves(tmp_path: Path) -> None:
    result = train(tmp_path, steps=100_000, minutes=0.01)
    assert result.stopped == "minutes"
    assert 0.6 <= result.seconds < 20
    assert load_weights(tmp_path / "model.safetensors")[1]["step"] == result.step
    assert result.last["step"] == result.step
    assert "valid/elbo" in result.last


@pytest.mark.parametrize(
    "changes", [{"precision": "bf16"}, {"optimiser": "lamb"}, {"optimiser": "adamax", "clip": 5.0}]
)
def test_other_settings_learn_too(tmp_path: Path, changes: dict[str, object]) -> None:
    train(tmp_path, steps=100, **changes)
    table = rows(tmp_path)
    assert float(table[-1]["loss"]) < 0.8 * float(table[0]["loss"])


def test_bf16_computes_networks_in_bf16(tmp_path: Path) -> None:
    types = set()
    model = toy()
    model.q1.register_forward_hook(lambda module, given, out: types.add((out.dtype, module.weight.dtype)))
    train(tmp_path, model=model, steps=2, precision="bf16")
    assert types == {(torch.bfloat16, torch.float32)}


def test_bf16_leaves_the_data_as_they_are(tmp_path: Path) -> None:
    shown: list[torch.Tensor] = []
    model, features = toy(), Pair.features
    with pytest.MonkeyPatch.context() as m:
        m.setattr(Pair, "features", lambda self, datum: shown.append(datum.x) or features(self, datum))
        train(tmp_path, model=model, steps=1, precision="bf16")
    assert {x.dtype for x in shown} == {torch.float32}
    assert not all(torch.equal(x, x.bfloat16().float()) for x in shown), "data that bf16 could hold would show nothing"


def test_clipping_shortens_the_gradient(tmp_path: Path) -> None:
    lengths: list[float] = []

    class Watching(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            gradients = [w.grad for w in self.param_groups[0]["params"] if w.grad is not None]
            lengths.append(torch.nn.utils.get_total_norm(gradients).item())
            super().step()

    with pytest.MonkeyPatch.context() as m:
        m.setattr("hvae.training.learner.optimiser", lambda config, weights: Watching(weights, lr=1e-3))
        train(tmp_path, steps=10, clip=2.5)
    assert lengths == pytest.approx([2.5] * 10, rel=1e-4)
    assert float(rows(tmp_path)[0]["grad_norm"]) > 2.5, "the row has the norm before clipping"


def test_steps_of_huge_gradients_are_skipped_and_move_nothing(tmp_path: Path) -> None:
    skipped, dropped = toy(), toy()
    config = settings(skip_factor=10.0)
    loud = Watched(lambda total, step: total * (1e4 if step == 39 else 1.0))
    result = fit(skipped, loud, Data(), config, tmp_path / "skipped")
    assert result.skipped == 1
    assert rows(tmp_path / "skipped")[-1]["skipped"] == "1"
    broken = Watched(lambda total, step: total * (float("nan") if step == 39 else 1.0))
    fit(dropped, broken, Data(), config, tmp_path / "dropped")
    assert same(skipped, dropped)
    whole = toy()
    fit(whole, ELBO(), Data(), config, tmp_path / "whole")
    assert not same(skipped, whole)


@pytest.mark.parametrize("size", [1e4, 1e22, 1e30])
def test_a_step_whose_gradient_is_longer_than_float32_is_clipped(tmp_path: Path, size: float) -> None:
    huge = Watched(lambda total, step: total * (size if step == 39 else 1.0))
    clipped, still = toy(), toy()
    result = fit(clipped, huge, Data(), settings(clip=0.01, skip_factor=0.0), tmp_path / "clipped")
    assert (result.dropped, result.rollbacks) == (0, 0)
    assert all(bool(w.isfinite().all()) for w in clipped.parameters())
    fit(still, ELBO(), Data(), settings(clip=0.01, skip_factor=0.0), tmp_path / "still")
    for w, v in zip(clipped.parameters(), still.parameters(), strict=True):
        assert torch.allclose(w, v, rtol=1e-4, atol=1e-6), "a clipped gradient says the direction alone"


def test_a_step_whose_gradient_is_longer_than_float32_is_dropped_where_it_is_not_clipped(tmp_path: Path) -> None:
    huge = Watched(lambda total, step: total * (1e30 if step == 39 else 1.0))
    result = fit(toy(), huge, Data(), settings(clip=0.0), tmp_path)
    assert result.dropped == 1
    assert any("not finite: the length of the gradient" in note and "train.clip" in note for note in result.notes)


def test_resuming_where_nothing_is_starts(tmp_path: Path) -> None:
    assert train(tmp_path, resume=True).step == 40


def test_compiling_changes_no_more_than_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The compiler's own code generator takes half a minute; what is tested here is how it is put to use.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    one, two = toy(), toy()
    train(tmp_path / "a", model=one, accumulate=2)
    train(tmp_path / "b", model=two, accumulate=2, compile=True)
    assert all(torch.allclose(x, y, atol=1e-4) for x, y in zip(one.parameters(), two.parameters(), strict=True))


LAUNCHERS: dict[str, dict[str, str]] = {
    "none": {},
    "torchrun": {
        **{"TORCHELASTIC_RUN_ID": "1", "RANK": "{rank}", "LOCAL_RANK": "{rank}", "GROUP_RANK": "0"},
        **{"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"},
    },
    "torchrun, second node": {
        **{"TORCHELASTIC_RUN_ID": "1", "RANK": "{rank}", "LOCAL_RANK": "0", "GROUP_RANK": "{rank}"},
        **{"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1"},
    },
    "srun": {
        **{"SLURM_NTASKS": "2", "SLURM_PROCID": "{rank}", "SLURM_LOCALID": "{rank}", "SLURM_NODEID": "0"},
        **{"SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "7", "SLURM_NODELIST": "node1", "SLURM_NTASKS_PER_NODE": "2"},
    },
    "lightning": {"LOCAL_RANK": "{rank}"},
    "lightning, second node": {"NODE_RANK": "{rank}", "LOCAL_RANK": "0"},
    "numbers of nobody": {"SLURM_PROCID": "1", "RANK": "3"},
}


@pytest.mark.parametrize(
    ("launcher", "rank", "devices", "first"),
    [
        ("none", 0, 1, True),
        ("none", 0, 2, True),
        *((name, 0, 2, True) for name in LAUNCHERS if name != "none"),
        *((name, 1, 2, False) for name in LAUNCHERS if name not in ("none", "numbers of nobody")),
        *((name, 1, 1, True) for name in LAUNCHERS if "second" not in name),  # each trains alone
        ("numbers of nobody", 1, 2, True),
    ],
)
def test_the_first_process_is_the_one_that_the_engine_lets_write(
    monkeypatch: pytest.MonkeyPatch, launcher: str, rank: int, devices: int, first: bool
) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC_")) or name.endswith(("RANK", "WORLD_SIZE")):
            monkeypatch.delenv(name)
    for name, value in LAUNCHERS[launcher].items():
        monkeypatch.setenv(name, value.format(rank=rank))
    assert first_process(TrainConfig(accelerator="cpu", devices=devices)) is first


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS"])
@pytest.mark.parametrize("number", ["x", "", "1e3", "9" * 5000])
def test_a_launcher_without_a_number_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, number: str) -> None:
    monkeypatch.setenv(name, number)
    with pytest.raises(HvaeError, match=f"the environment has {name}=.{{2,70}}, expected a number; unset {name}"):
        first_process(TrainConfig(accelerator="cpu", devices=1))


def test_settings_that_are_no_settings_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="expected an hvae.config.TrainConfig, .* got {'steps': 3}"):
        fit(toy(), ELBO(), Data(), {"steps": 3}, tmp_path / "run")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(HvaeError, match="already holds a run"):
        train(tmp_path)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    one, two = toy(), toy(seed=5)
    train(tmp_path, model=one)
    before = (tmp_path / "metrics.csv").read_bytes()
    result = train(tmp_path, model=two, resume=True)
    assert same(one, two)
    assert (tmp_path / "metrics.csv").read_bytes() == before
    assert (result.step, result.stopped) == (40, "steps")
    assert result.last["loss"] == pytest.approx(float(rows(tmp_path)[-1]["loss"]))


def test_resuming_with_other_settings_says_so(tmp_path: Path) -> None:
    train(tmp_path)
    result = train(tmp_path, resume=True, steps=60, lr=0.005)
    assert result.step == 60
    assert "resumed at step 40 with steps=60 (was 40), lr=0.005 (was 0.01)" in result.notes


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(HvaeError, match="another model") as caught:
        train(tmp_path, model=Pair(width=5), resume=True)
    assert "\n" not in str(caught.value)


def test_an_interrupted_run_saves_and_resumes_exactly(tmp_path: Path) -> None:
    whole, parts = toy(), toy()
    train(tmp_path / "whole", model=whole)
    stop = Watched(lambda total, step: (step == 16 and os.kill(os.getpid(), signal.SIGTERM), total)[1])
    valid = Data(20)
    first = fit(parts, stop, Data(), settings(), tmp_path / "parts", valid=valid)
    assert (first.stopped, first.step) == ("interrupt", 18)
    fit(parts, ELBO(), Data(), settings(), tmp_path / "parts", valid=valid, resume=True)
    assert same(whole, parts)
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")


def test_a_closed_terminal_stops_after_a_step_and_one_that_is_ignored_never() -> None:
    if not hasattr(signal, "SIGHUP"):
        pytest.skip("this system has no SIGHUP")
    usual = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with engine_module.stop_sign() as sign:
            os.kill(os.getpid(), signal.SIGHUP)
        assert sign.is_interrupted and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with engine_module.stop_sign() as sign:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not sign.is_interrupted and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, usual)


def test_tensorboard_by_name(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train(tmp_path, loggers=("tensorboard",))
    (events,) = (tmp_path / "tensorboard").glob("events*")
    assert b"rate/z1" in events.read_bytes()


def test_a_missing_logger_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "find_spec", lambda name: None)
    with pytest.raises(HvaeError, match="-m pip install 'wandb>="):
        train(tmp_path, loggers=("wandb",))
    with pytest.raises(HvaeError, match="did you mean 'wandb'"):
        train(tmp_path, loggers=("wandbb",))


def test_absent_devices_and_odd_batches_are_refused(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(HvaeError, match="accelerator=cuda"):
            train(tmp_path, accelerator="cuda")
    with pytest.raises(HvaeError, match="expected at most .* on this machine, got 1000000"):
        train(tmp_path, devices=1_000_000)
    with pytest.raises(HvaeError, match="strategy=ddpp"):
        train(tmp_path, strategy="ddpp")
    with pytest.raises(HvaeError, match="expected a multiple of train.accumulate"):
        train(tmp_path, accumulate=3)


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="empty split"):
        fit(toy(), ELBO(), Data(0), settings(), tmp_path)


def test_over_processes_is_the_identity_alone() -> None:
    t = torch.randn(3)
    assert over_processes(t) is t
