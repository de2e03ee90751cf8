"""Movements of free runs, of taught draws and of recorded sequences against closed forms."""

from __future__ import annotations

from pathlib import Path

import pytest
import sequential
import torch
from torch import Tensor

from hvae import Datum, Evidence, Model, Site
from hvae.config import RunConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.train import TrainConfig
from hvae.distributions import Normal
from hvae.errors import HvaeError
from hvae.metrics.free_run import free_run
from hvae.site import Visit
from hvae.study.evaluate import evaluate
from hvae.study.measures.free_run import FreeRun
from hvae.study.train import train


class Follower(Model):
    """x_t = a x_{t-1} + s e_t, x_0 = e_0 s, without latents."""

    timed = True

    def __init__(self, a: float, s: float) -> None:
        super().__init__()
        self.shape, self.a, self.s = (400, 1), a, s

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        before, xs = torch.zeros(evidence.n, 1), []
        for t in range(evidence.steps or self.shape[0]):
            x = None if evidence.x is None else evidence.x[:, t]
            law = Normal(self.a * before, torch.full_like(before, self.s))
            before = visit(Site("x", law, value=x, step=t, mask=evidence.exists(t), data=True))
            xs.append(before)
        return torch.stack(xs, 1)


def recorded(a: float, s: float, steps: int, count: int = 40) -> Tensor:
    noise, xs = torch.randn(steps, count, 1, generator=torch.Generator().manual_seed(1)), []
    for e in noise:
        xs.append(a * xs[-1] + s * e if xs else s * e)
    return torch.stack(xs, 1)


def test_a_model_that_is_the_source_moves_as_it_does() -> None:
    """Var x = s^2 / (1 - a^2), Var (x_t - x_{t-1}) = 2 s^2 / (1 + a)."""
    a, s = 0.8, 0.6
    found = free_run(Follower(a, s), [recorded(a, s, 400)], runs=60)
    for movement in (found.recorded, found.taught, found.free):
        assert movement.values == pytest.approx(s**2 / (1 - a**2), rel=0.06)
        assert movement.changes == pytest.approx(2 * s**2 / (1 + a), rel=0.03)
    assert found.changes_ratio.low95 < 1 < found.changes_ratio.high95 + 0.02


def test_errors_that_feed_on_themselves_show_in_free_runs_alone() -> None:
    """A model that forgets a little less than the source: taught draws hardly move otherwise, free ones drift."""
    found = free_run(Follower(0.99, 0.6), [recorded(0.8, 0.6, 400)], runs=60)
    taught, free = (m.values / found.recorded.values for m in (found.taught, found.free))
    assert taught < 1.5 and free > 5 and found.values_ratio.low95 > 2


def test_padding_enters_no_number() -> None:
    x = recorded(0.8, 0.6, 30, count=6)
    lengths = torch.tensor([30, 12, 20, 30, 7, 25])
    other = torch.where((torch.arange(30) < lengths[:, None])[..., None], x, 9.0)
    one, two = (free_run(Follower(0.8, 0.6), [Datum(data, lengths=lengths)], runs=2, steps=3) for data in (x, other))
    assert one.recorded == two.recorded and one.taught == two.taught
    alone = free_run(Follower(0.8, 0.6), [x[n : n + 1, : lengths[n]] for n in range(6)], runs=2, steps=3)
    assert alone.recorded.changes == pytest.approx(one.recorded.changes)


def test_tokens_are_refused() -> None:
    model = Follower(0.8, 0.6)
    model.shape = (5,)
    with pytest.raises(HvaeError, match="tokens, which have no variance"):
        free_run(model, [torch.zeros(2, 5)])


def test_as_a_measure_it_is_asked_for_by_name(tmp_path: Path) -> None:
    config = RunConfig(
        model=sequential.StepsConfig(),
        data=DataConfig(name="sequences", path=str(sequential.rolls(tmp_path / "rolls.npz"))),
        train=TrainConfig(steps=2, batch=4, valid_every=0, accelerator="cpu"),
        evaluate=EvaluateConfig(samples=2, measures=("likelihood",)),
    )
    folder = train(config, out=tmp_path / "run").folder
    evaluation = evaluate(folder, measures="free-run")
    found = evaluation.of(FreeRun)
    assert found and found.free.changes / found.recorded.changes == pytest.approx(found.changes_ratio.mean)
    assert any(line.name == "free runs move" for line in evaluation.headlines())
