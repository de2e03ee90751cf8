"""Inference that learns to read a part: its masks, what is trained, and that its optimum is the exact posterior."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from families import data, family
from torch import Tensor, nn

import hvae
from hvae.config.model import LadderConfig
from hvae.config.objective import ObjectiveConfig
from hvae.config.run import RunConfig
from hvae.config.train import TrainConfig
from hvae.datum import Datum, filled
from hvae.distributions import Normal
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.objectives import ELBO, Matching, build
from hvae.objectives.matching import Lesson, hiding
from hvae.site import Site, Visit
from hvae.study.beforehand import check_parts
from hvae.study.matching import inference, matched, parts, teacher
from hvae.training.loss import walked
from hvae.walk import Evidence, Model, Trace, run


class Sum(Model):
    """z ~ N(0, 1), x_i = z + N(0, 1) for two values; inference is any linear map of what it reads."""

    shape = (2,)

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(2, 1)
        self.spread = nn.Parameter(torch.zeros(()))
        self.mean = nn.Parameter(torch.zeros(()))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"read": self.read(datum.x)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        h = evidence.feature("read")
        one = self.mean.new_ones(evidence.n, 1)
        q = None if h is None else Normal(h, self.spread.exp() * one)
        z = visit(Site("z", Normal(self.mean * one, one), q))
        return visit(evidence.site(Normal(z.expand(-1, 2), torch.ones_like(z).expand(-1, 2))))


def exact() -> Sum:
    """q(z | x) = N((x_1 + x_2) / 3, 1 / 3)."""
    model = Sum().double()
    with torch.no_grad():
        model.read.weight.fill_(1 / 3)
        model.read.bias.zero_()
        model.spread.fill_(-0.5 * torch.tensor(3.0).log())
    return model


def test_the_optimum_is_the_exact_posterior_given_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two values one is seen and the other reads as it: p(z | x_1) = N(x_1 / 2, 1 / 2)."""
    monkeypatch.setattr("hvae.objectives.matching.hiding", lambda x: torch.arange(2).expand_as(x) == 0)
    torch.manual_seed(0)
    model, objective = exact(), Matching(exact())
    z = torch.randn(4_000, 1, dtype=torch.float64)
    x = z + torch.randn(4_000, 2, dtype=torch.float64)
    moments = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(400):
        moments.zero_grad()
        objective(walked(model, objective, Datum(x), 0), 0).total.backward()
        moments.step()
    q = run(
        model, posterior, model.evidence(filled(torch.tensor([[2.0, 9.0]]).double(), torch.tensor([[True, False]])))
    )
    law = q["z"].q
    assert law is not None
    assert float(law.mean().detach()) == pytest.approx(1.0, abs=0.05) and float(
        model.spread.detach().exp()
    ) == pytest.approx(0.5**0.5, abs=0.03)


def test_nothing_is_to_be_learnt_where_all_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.objectives.matching.hiding", lambda x: torch.ones_like(x, dtype=torch.bool))
    model = family("ladder-residual")
    loss = Matching(copy.deepcopy(model))
    assert abs(float(loss(walked(model, loss, Datum(data()), 0), 0).total.detach())) < 1e-9


@pytest.mark.parametrize("name", ["vae-tanh", "ladder-residual", "lvae-flow", "markov-conv", "biva-flat", "nvae"])
def test_generation_does_without_what_is_trained(name: str) -> None:
    model, x = family(name), data()
    own = inference(model)
    before = _drawn(model)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if key in own:
                weight.add_(1.0)
    assert own and torch.equal(_drawn(model), before)
    objective = Matching(copy.deepcopy(model))
    loss = objective(walked(model, objective, Datum(x), 0), 0)
    assert bool(loss.total.isfinite()) and all(key == "loss" or key.startswith("matching/") for key in loss.terms)


def _drawn(model: Model) -> Tensor:
    return hvae.sample(model, 3, seed=1)


def test_masks_hide_some_and_show_some_and_channels_together() -> None:
    torch.manual_seed(0)
    seen = hiding(torch.zeros(2_000, 3, 8, 6))
    assert torch.equal(seen[:, 0], seen[:, 2]) and 0.4 < float(seen.float().mean()) < 0.6
    assert hiding(torch.zeros(5, 7)).shape == (5, 7)
    lower = ~seen[:, 0, 4:].flatten(1).any(1) & seen[:, 0, :4].flatten(1).all(1)
    assert lower.any(), "halves are among the boxes"


def config(**train: object) -> RunConfig:
    own = RunConfig(model=LadderConfig(groups=(0, 1, 1), width=4, latent=2), objective=ObjectiveConfig(kind="matching"))
    return replace(own, train=TrainConfig(**train))  # type: ignore[arg-type]


def test_inference_alone_is_trained() -> None:
    model = family("ladder-residual")
    only = matched(config(init="somewhere"), model).train.only
    assert only == ("bottom_up", *(f"levels.z{k}.posterior" for k in (3, 2, 1)))
    assert parts(["a.b", "a.c"], {"a.b"}) == ("a.b",)
    assert matched(RunConfig(), model) == RunConfig()


def test_what_cannot_be_matched_is_one_line() -> None:
    model = family("ladder-residual")
    for refuse in (lambda: matched(config(), model), lambda: check_parts(config())):
        with pytest.raises(HvaeError, match=r"name its run in train\.init"):
            refuse()
    with pytest.raises(HvaeError, match="is part of generation"):
        matched(config(init="somewhere", only=("leave",)), model)
    with pytest.raises(HvaeError, match="of sequences"):
        matched(config(init="somewhere"), family("vrnn"))
    with pytest.raises(HvaeError, match=r"name its run in train\.init"):
        build(ObjectiveConfig(kind="matching"))
    with pytest.raises(HvaeError, match="leave it at 1"):
        ObjectiveConfig(kind="matching", samples=3)
    with pytest.raises(HvaeError, match=r"objective\.loop"):
        Matching(model)(ELBO().loop(model, posterior, model.evidence(data())), 0)
    assert teacher(RunConfig(), (1, 6, 5), 1) is None


def test_the_steps_of_a_level_that_recurs_are_summed() -> None:
    """KL(N(m, 1) || N(0, 1)) = m^2 / 2 at each step: 1/2, 2 and 9/2 nats."""
    lesson, lesson.whole = Lesson(), Trace()
    for step in range(3):
        taught, learnt = (Normal(torch.full((4, 1), m), torch.ones(4, 1)) for m in (1.0 + step, 0.0))
        for trace, q in ((lesson.whole, taught), (lesson, learnt)):
            trace.note(Site("z", q, q, step=step), taught.loc, q)
    loss = Matching(nn.Identity())(lesson, 0)
    assert float(loss.total) == pytest.approx(7.0)
    assert float(loss.terms["matching/z"]) == pytest.approx(7.0)
