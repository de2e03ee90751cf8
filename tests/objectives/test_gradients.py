from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from families import data, family
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import Flowed, Normal, sum_rest
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.objectives import IWAE, Objective
from hvae.objectives.gradients import STL, DReG, Twins
from hvae.site import Site
from hvae.walk import Evidence, Model, Trace, Visit, run

Loss = Callable[[Trace], Tensor]


class Toy(Model):
    """z2 ~ N(0, 1), z1 ~ N(z2 / 2, 1), x ~ N(z1, 1); q: z2 ~ N(a, 1), z1 ~ N(b z2, 0.7^2), whatever x is."""

    shape = (1,)

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.4, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(0.9, dtype=torch.float64))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        one = torch.ones(evidence.n, 1, dtype=torch.float64)
        z2 = visit(Site("z2", Normal(0 * one, one), Normal(self.a * one, one)))
        z1 = visit(Site("z1", Normal(0.5 * z2, one), Normal(self.b * z2, 0.7 * one)))
        return visit(Site("x", Normal(z1, one), value=evidence.x, data=True))


def toy_gradient(objective: Objective | Loss, k: int, draws: int = 200_000) -> list[float]:
    """The gradient of the bound with respect to (a, b) at x = 1.3, over so many draws."""
    model, x = Toy(), torch.full((draws // k, 1), 1.3, dtype=torch.float64)
    draw, rows = (objective.draw, objective.samples) if isinstance(objective, Objective) else (posterior, k)
    trace = run(model, draw, model.evidence(x).repeat(rows))
    loss = objective(trace, 0).total if isinstance(objective, Objective) else objective(trace)
    (-loss).backward()
    return [float(model.a.grad), float(model.b.grad)]


def detached_level_by_level(trace: Trace, k: int, power: int) -> Tensor:
    """The estimator as it must not be: the parameters of each level's q stopped, and z2 -> mean of z1 with them."""
    log_p = sum(record.log_prob() for record in trace.records.values())
    log_w = (log_p - sum(sum_rest(r.q.detach().log_prob(r.value)) for r in trace.latents)).view(-1, k)
    return -(log_w.detach().softmax(1) ** power * log_w).sum(1).mean()


def near(*values: float) -> object:
    return pytest.approx(list(values), abs=0.012)


def test_the_toy_with_one_draw_is_the_same_by_every_estimator() -> None:
    # By hand: -a - a (b - 1/2)^2 + b (x - a b), and a x - (2 b - 1/2) (a^2 + 1).
    exact = near(0.382, -0.988)
    for objective in (IWAE(1), STL(1), DReG(1), lambda t: detached_level_by_level(t, 1, 1)):
        assert toy_gradient(objective, 1) == exact


def test_the_golden_toy_with_five_draws() -> None:
    plain = near(-0.035, -0.216)
    assert toy_gradient(IWAE(5), 5, draws=400_000) == plain
    assert toy_gradient(DReG(5), 5) == plain
    # What a hierarchy loses when each level's mean and scale are detached: the upper level turns around.
    assert toy_gradient(lambda t: detached_level_by_level(t, 5, 2), 5) == near(0.197, -0.216)


def test_stl_is_biased_for_more_than_one_draw() -> None:
    assert toy_gradient(STL(5), 5) == near(0.036, -0.620)
    assert toy_gradient(lambda t: detached_level_by_level(t, 5, 1), 5) == near(0.428, -0.620)


@pytest.fixture(params=[TopDownGaussian, BottomUpGaussian])
def model(request: pytest.FixtureRequest) -> LinearGaussian:
    return request.param(3)


def gradients(model: Model, objective: Objective, x: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    objective(run(model, objective.draw, model.evidence(x).repeat(objective.samples)), 0).total.backward()
    return {name: w.grad.clone() for name, w in model.named_parameters()}


def test_dreg_and_the_plain_gradient_agree_on_every_weight(model: LinearGaussian) -> None:
    # Each weight of p is a weight of q here, as in a ladder.
    model.loosened(shift=0.2, spread=0.1)
    x = torch.randn(1, 5, dtype=torch.float64).expand(4_000, 5)
    plain, dreg = (gradients(model, objective, x) for objective in (IWAE(4), DReG(4)))
    for name, expected in plain.items():
        torch.testing.assert_close(dreg[name], expected, atol=0.05, rtol=0.05, msg=name)


@pytest.mark.parametrize("objective", [STL(), DReG(4)])
def test_no_variance_where_q_is_exact(model: LinearGaussian, objective: Objective) -> None:
    found = gradients(model, objective, torch.randn(3, 5, dtype=torch.float64))
    for name, gradient in found.items():
        if name.startswith(("shift", "spread")):
            assert gradient.abs().max() < 1e-12, name
    plain = gradients(model, IWAE(4), torch.randn(3, 5, dtype=torch.float64))
    assert all(plain[name].abs().min() > 1e-4 for name in plain if name.startswith("shift"))


def test_many_draws_are_quieter_by_dreg() -> None:
    model = TopDownGaussian(2).loosened(shift=0.2, spread=0.1)
    x = torch.randn(1, 5, dtype=torch.float64)
    spread = {}
    for objective in (IWAE(16), DReG(16)):
        found = torch.stack([gradients(model, objective, x)["shift.z2"] for _ in range(60)])
        spread[type(objective)] = float(found.std(0).mean())
    assert spread[DReG] < 0.6 * spread[IWAE]


def test_the_value_is_that_of_the_bound(model: LinearGaussian) -> None:
    x = torch.randn(6, 5, dtype=torch.float64)
    model.loosened()
    objective = DReG(3)
    trace = run(model, objective.draw, model.evidence(x).repeat(objective.samples))
    total, terms = objective(trace, 0)
    log_w = trace.log_weight().view(6, 2, 3)
    torch.testing.assert_close(log_w[:, 0], log_w[:, 1])
    torch.testing.assert_close(total, -(log_w[:, 0].logsumexp(1) - torch.tensor(3.0).log()).mean())
    torch.testing.assert_close(terms["loss"], -terms["iwae"])
    torch.testing.assert_close(terms["elbo"], trace.elbo().mean())
    assert terms["twin_gap"] < 1e-12 and not any(term.requires_grad for term in terms.values())


@pytest.mark.parametrize("name", ["vae-conv", "markov-mlp", "lvae-mlp-precision", "vlae-mlp", "ladder-residual"])
def test_families_have_finite_gradients_and_equal_twins(name: str) -> None:
    model = family(name)
    objective = DReG(2)
    trace = run(model, objective.draw, model.evidence(data()).repeat(objective.samples))
    total, terms = objective(trace, 0)
    total.backward()
    assert terms["twin_gap"] < 1e-9
    assert all(w.grad is None or w.grad.isfinite().all() for w in model.parameters())


def test_dropout_is_seen_in_the_gap() -> None:
    model = family("ladder-recomputed").train()
    objective = STL()
    trace = run(model, objective.draw, model.evidence(data()).repeat(objective.samples))
    for record in trace.latents:
        assert torch.equal(record.value.view(4, 2, -1)[:, 0], record.value.view(4, 2, -1)[:, 1])
    assert objective(trace, 0).terms["twin_gap"] > 0


def test_twins_keep_what_is_known_and_cut_the_history() -> None:
    q = Normal(torch.zeros(4, 3, requires_grad=True), torch.ones(4, 3))
    z = Twins(2)(Site("z1", q=q)).value
    (gradient,) = torch.autograd.grad(z.sum(), q.loc)
    assert gradient.tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 2
    known = Site("z1", p=q, value=z, proposal=q)
    assert Twins(2)(known).value is z


def test_faults_are_one_line() -> None:
    with pytest.raises(HvaeError, match="samples: expected at least 1"):
        DReG(0)
    model = Toy()
    with pytest.raises(HvaeError, match="expected a multiple of 4 rows, got 6"):
        STL(2)(run(model, posterior, model.evidence(torch.ones(6, 1, dtype=torch.float64))), 0)
    q = Flowed(Normal(torch.zeros(2, 1), torch.ones(2, 1)), lambda z: (2 * z, torch.full_like(z, 2.0).log()))
    with pytest.raises(HvaeError, match="no inverse"):
        q.log_prob(Twins(1)(Site("z1", q=q)).value)


def test_compiles_as_one_graph() -> None:
    torch.compiler.reset()
    model, x, objective = TopDownGaussian(2), torch.randn(4, 5, dtype=torch.float64), DReG(3)

    def loss(x: Tensor) -> Tensor:
        return objective(run(model, objective.draw, model.evidence(x).repeat(objective.samples)), 0).total

    torch.manual_seed(1)
    got = torch.compile(loss, fullgraph=True, backend="aot_eager")(x)
    torch.manual_seed(1)
    torch.testing.assert_close(got, loss(x))
