"""Training from the top: each stage's loss is a bound on log p(x), and what lies below costs nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from families import FAMILIES, SHAPE, family
from linear_gaussian import BottomUpGaussian, TopDownGaussian
from torch import Tensor

from hvae.config.objective import ObjectiveConfig
from hvae.datum import Datum
from hvae.distributions import Normal, normal_kl
from hvae.draw import dropping, each, posterior, prior, trained, upper
from hvae.errors import HvaeError
from hvae.objectives import Layerwise
from hvae.objectives import build as objective
from hvae.site import Site
from hvae.training.loss import Batch, LossStep
from hvae.walk import Evidence, Model, Visit, names, run
from hvae.zoo import build


def toy(name: str) -> Model:
    torch.manual_seed(0)
    return build(FAMILIES[name], SHAPE, 1).double()


def data(n: int = 3) -> Tensor:
    torch.manual_seed(1)
    return torch.bernoulli(torch.full((n, *SHAPE), 0.4, dtype=torch.float64))


def test_a_stage_loses_the_divergence_of_the_prior_from_the_posterior_below() -> None:
    """With exact conditionals: log p(x) - ELBO_k = E KL(p(z_1 | z_2) || p(z_1 | z_2, x)), two levels of Gaussians."""
    model, n = TopDownGaussian(2).double(), 40_000
    torch.manual_seed(0)
    x = torch.randn(1, *model.shape, dtype=torch.float64)
    with torch.no_grad():
        trace = run(model, upper(1), model.evidence(x).repeat(n))
        below = trace["z1"]
        lost = normal_kl(below.p, below.q).sum(1)
        assert float(trace.rates()["z1"].abs().max()) == 0.0
        left = model.log_evidence(x) - trace.elbo() - lost
    assert abs(float(left.mean())) < 4 * float(left.std()) / math.sqrt(n)
    assert float(lost.mean()) > 0.1


def check_prior_below(model: Model, evidence: Evidence, levels: Sequence[str], count: int) -> None:
    """The upper `count` levels inferred: the same as drawing each of the others from its prior, at no rate."""
    torch.manual_seed(2)
    ours = run(model, upper(count), evidence)
    torch.manual_seed(2)
    theirs = run(model, each(dict.fromkeys(levels[count:], prior()), posterior), evidence)
    assert torch.equal(ours.elbo(), theirs.elbo())
    assert all(ours.rates()[level].abs().max() == 0 for level in levels[count:])


@pytest.mark.parametrize("name", ["ladder-residual", "lvae-mlp-precision", "vlae-conv", "vdvae", "nvae", "iafvae"])
def test_the_levels_below_are_drawn_from_their_priors(name: str) -> None:
    model = toy(name).eval()
    levels, evidence = names(model), model.evidence(data())
    for count in range(1, len(levels) + 2):
        check_prior_below(model, evidence, levels, count)


@pytest.mark.parametrize("name", ["stcn", "cwvae", "seqladder", "srnn", "vrae-ladder"])
def test_the_levels_of_sequences_below_are_too_whatever_their_lengths(name: str) -> None:
    model = family(name)
    torch.manual_seed(1)
    x = (torch.rand(3, *model.shape) < 0.4).double()
    evidence = model.evidence(Datum(x, lengths=torch.tensor([len(x[0]), 3, 1])))
    levels = names(model)
    for count in range(1, len(levels) + 1):
        check_prior_below(model, evidence, levels, count)


def test_a_stage_trains_every_network_but_the_inference_below() -> None:
    model = toy("ladder-residual").train()
    step = LossStep(model, objective(ObjectiveConfig(layerwise=10)))
    for number, idle in ((0, {"z2", "z1"}), (9, {"z2", "z1"}), (10, {"z1"}), (20, set())):
        model.zero_grad(set_to_none=True)
        total, terms = step(Batch(data()), number)
        total.backward()
        still = {name.split(".")[1] for name, w in model.named_parameters() if "posterior" in name and w.grad is None}
        assert still == idle
        assert {name for name in ("z3", "z2", "z1") if float(terms[f"rate/{name}"]) == 0.0} == idle
        others = [w for name, w in model.named_parameters() if "posterior" not in name and "bottom_up" not in name]
        assert all(w.grad is not None for w in others)


def test_levels_join_after_so_many_steps_or_a_share_of_them() -> None:
    config = ObjectiveConfig(layerwise=0.25).over(200)
    schedule = objective(config).schedule
    assert [schedule(posterior, step).count for step in (0, 49, 50, 149, 150)] == [1, 1, 2, 3, 4]
    assert Layerwise(50)(posterior, 50).count == 2
    with pytest.raises(HvaeError, match=r"objective.layerwise: expected a number of steps, got a share"):
        objective(ObjectiveConfig(layerwise=0.25))
    with pytest.raises(HvaeError, match=r"objective.layerwise: a choice of the elbo alone"):
        ObjectiveConfig(layerwise=5, kind="iwae", samples=5)
    with pytest.raises(HvaeError, match=r"objective.layerwise: expected a number of steps, or a share"):
        ObjectiveConfig(layerwise=1.5)


def test_it_goes_with_other_schedules_of_the_draw() -> None:
    both = objective(ObjectiveConfig(layerwise=5, own=0.5, own_length=10))
    draw = both.schedule(both.draw, 5)
    assert draw.count == 2 and draw.otherwise.keep == 0.75


@pytest.mark.parametrize("name", ["markov-mlp", "biva", "vdm"])
def test_a_walk_that_is_not_inferred_downwards_is_refused(name: str) -> None:
    model = toy(name)
    with pytest.raises(HvaeError, match="levels can be inferred from the top down where each is visited once"):
        run(model, trained(dropping(upper(1))), model.evidence(data()))
    with pytest.raises(HvaeError, match="expected at least 1 level to infer, got 0"):
        upper(0)


def test_of_a_markov_chain_too() -> None:
    model = BottomUpGaussian(2)
    with pytest.raises(HvaeError, match="z1 is not"):
        run(model, upper(1), model.evidence(torch.zeros(1, *model.shape, dtype=torch.float64)))


class Weighed(Model):
    """One latent, which stands for as many as each row says: `weight` (B,)."""

    shape = (1,)

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        law = Normal(evidence.data.new_zeros(evidence.n, 1), evidence.data.new_ones(evidence.n, 1))
        z = visit(Site("z1", law, law, weight=self.weight))
        return visit(evidence.site(Normal(z, law.scale)))


def test_a_level_that_each_row_weighs_is_refused_and_one_of_weight_one_is_not() -> None:
    x = torch.zeros(2, 1)
    with pytest.raises(HvaeError, match="z1 is not"):
        run(Weighed(torch.tensor([1.0, 3.0])), upper(1), Weighed(torch.ones(2)).evidence(x))
    model = Weighed(torch.ones(2))
    assert run(model, upper(1), model.evidence(x)).elbo().shape == (2,)
