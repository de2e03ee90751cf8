"""Diffusion is a hierarchy: every identity of docs/diffusion_is_a_hierarchical_vae.md, executed."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from hvae import ELBO, IWAE, Datum, HvaeError, build, coarse, given, posterior, prior, run, solver, thin
from hvae.config import VDMConfig
from hvae.distributions import Denoising, Normal, normal_kl, sum_rest
from hvae.distributions.denoising import alpha, noised, sigma
from hvae.draw import Draw, ddim, second_order, trained
from hvae.explore import sample
from hvae.metrics import depth
from hvae.models.conditioning import Entry, Unconditional
from hvae.models.diffusion import GUESSES, Diffusion
from hvae.nn.noise import FixedLinear, Monotone, Schedule
from hvae.walk import Evidence, Trace

LOW, HIGH, SPREAD = -6.0, 3.0, 0.7
SHAPE = (1, 6, 5)


class Exact(nn.Module):
    """E[x given z_t] of data that are N(0, SPREAD^2): what no network can better."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.nothing = 0, nn.Parameter(torch.zeros(0, dtype=torch.float64))
        self.level = nn.Identity()

    def forward(self, z: Tensor, level: Tensor) -> Tensor:
        self.calls += 1
        gamma = (LOW + (HIGH - LOW) * level)[:, None, None, None]
        a, variance = alpha(gamma), alpha(gamma) ** 2 * SPREAD**2 + sigma(gamma) ** 2
        return a * SPREAD**2 / variance * z - z


def exact(steps: int, schedule: Schedule | None = None, shape: tuple[int, ...] = SHAPE, walked: int = 20) -> Diffusion:
    return Diffusion(
        shape,
        values=256,
        steps=steps,
        walked=walked,
        visited=1,
        schedule=schedule or FixedLinear(LOW, HIGH),
        network=Exact(),
        guess=GUESSES["x0"],
        ends=(LOW, HIGH),
        condition=Unconditional(),
    )


def of(x: Tensor) -> Evidence:
    """Evidence of centred data that need not lie on a grid."""
    return Evidence(len(x), torch.zeros_like(x), features={"x": x})


def vdm(steps: int, **changed: object) -> Diffusion:
    torch.manual_seed(0)
    config = VDMConfig(steps=steps, widths=(4, 6), blocks=1, gamma_min=LOW, gamma_max=HIGH, **changed)
    built = build(config, SHAPE, bits=3).double().eval()
    assert isinstance(built, Diffusion)
    for w in built.network.parameters():
        if not w.any():
            nn.init.normal_(w, std=0.1)
    return built


def data(n: int = 3) -> Tensor:
    return torch.randint(0, 8, (n, *SHAPE), dtype=torch.float64) / 7


def levels(trace: Trace) -> list[Denoising]:
    return [record.p for record in trace.latents[1:]]


@pytest.mark.parametrize("steps", [1, 4, 30])
@pytest.mark.parametrize("predict", ["eps", "v", "x0"])
def test_the_sum_of_the_rates_is_the_diffusion_loss(steps: int, predict: str) -> None:
    model, x = vdm(steps, predict=predict), data()
    trace = model(x)
    loss = torch.zeros(3, dtype=torch.float64)
    for record in trace.latents[1:]:
        weight = 0.5 * torch.expm1(record.p.far - record.p.near)
        loss += sum_rest(weight * (record.q.noise() - record.p.noise()) ** 2)
        snr = 0.5 * (torch.exp(-record.p.near) - torch.exp(-record.p.far))
        torch.testing.assert_close(
            sum_rest(snr * (record.q.guess - record.p.guess) ** 2), record.rate(), rtol=1e-10, atol=0
        )
    spent = sum(rate for name, rate in trace.rates().items() if name != model.top)
    torch.testing.assert_close(spent, loss, rtol=1e-12, atol=0)


def test_what_the_top_costs_is_closed() -> None:
    model, x = vdm(4), data()
    a, s = alpha(torch.tensor(HIGH).double()), sigma(torch.tensor(HIGH).double())
    centred = model.evidence(x).features["x"]
    by_hand = 0.5 * sum_rest(a**2 * centred**2 + s**2 - torch.log(s**2) - 1)
    torch.testing.assert_close(model(x).rates()[model.top], by_hand, rtol=1e-12, atol=0)


def test_a_level_is_bayes_rule() -> None:
    """q(z_s | z_t, x) q(z_t | x) = q(z_t | z_s) q(z_s | x), the encoder's own direction."""
    x, far, near = torch.randn(4, *SHAPE).double(), torch.tensor(1.0).double(), torch.tensor(-2.0).double()
    below, above = torch.randn_like(x), torch.randn_like(x)
    left = Denoising(above, x, far, near).log_prob(below) + noised(x, far).log_prob(above)
    ratio = alpha(far) / alpha(near)
    step = Normal(ratio * below, (sigma(far) ** 2 - ratio**2 * sigma(near) ** 2).sqrt().expand_as(x))
    torch.testing.assert_close(left, step.log_prob(above) + noised(x, near).log_prob(below), rtol=1e-12, atol=1e-12)


def test_the_encoder_is_a_markov_chain_upwards() -> None:
    """The text's form, z_0 to z_T by q(z_t | z_{t-1}), gives all latents of a walk the same probability."""
    model, x = vdm(5), data()
    trace, centred = model(x), model.evidence(x).features["x"]
    downwards = sum(record.log_proposal() for record in trace.latents)
    z = [record.value for record in reversed(trace.latents)]  # z_0 to z_T
    gammas = model.schedule(torch.arange(6).double() / 5)
    upwards = sum_rest(noised(centred, gammas[0]).log_prob(z[0]))
    for t in range(1, 6):
        ratio = alpha(gammas[t]) / alpha(gammas[t - 1])
        noise = (sigma(gammas[t]) ** 2 - ratio**2 * sigma(gammas[t - 1]) ** 2).sqrt()
        upwards = upwards + sum_rest(Normal(ratio * z[t - 1], noise.expand_as(z[t])).log_prob(z[t]))
    torch.testing.assert_close(downwards, upwards, rtol=1e-12, atol=1e-9)


def variance(gamma: Tensor) -> Tensor:
    """Of x given z_t, under the exact denoiser: 1 / (1 / SPREAD^2 + SNR)."""
    return 1 / (SPREAD**-2 + torch.exp(-gamma))


def closed(steps: int, schedule: Schedule) -> Tensor:
    """L_T of one number: half the sum of (SNR_s - SNR_t) v_t."""
    gammas = schedule(torch.linspace(0, 1, steps + 1, dtype=torch.float64))
    snr = torch.exp(-gammas)
    return 0.5 * ((snr[:-1] - snr[1:]) * variance(gammas[1:])).sum()


LIMIT = 0.5 * torch.log(variance(torch.tensor(HIGH).double()) / variance(torch.tensor(LOW).double()))


def test_more_levels_are_better_down_to_a_limit() -> None:
    line = FixedLinear(LOW, HIGH)
    losses = [closed(steps, line) for steps in (1, 2, 3, 5, 10, 30, 100, 1000, 10_000)]
    assert all(more < fewer for fewer, more in pairwise(losses))
    assert all(loss > LIMIT for loss in losses)
    torch.testing.assert_close(losses[-1], LIMIT, rtol=1e-3, atol=0)
    gaps = [closed(steps, line) - LIMIT for steps in (1000, 2000)]
    assert 1.99 < float(gaps[0] / gaps[1]) < 2.01, "the gap falls with 1 / T"


def test_the_limit_depends_on_the_ends_alone() -> None:
    bent = Monotone(LOW, HIGH, 16).double()
    nn.init.normal_(bent.v, std=4.0)
    ends = bent(torch.tensor([0.0, 1.0]).double()).detach()
    with torch.no_grad():  # the same ends as the line
        stretch = (HIGH - LOW) / (ends[1] - ends[0])
        bent.line.w *= stretch
        bent.v *= stretch
        bent.line.b += LOW - bent(torch.zeros(1).double())[0]
        assert abs(float(closed(3, bent) - closed(3, FixedLinear(LOW, HIGH)))) > 0.05
        torch.testing.assert_close(closed(20_000, bent), LIMIT, rtol=1e-3, atol=0)
        t = (torch.arange(100_000).double() + 0.5) / 100_000
        integral = 0.5 * (bent.slope(t) * torch.exp(-bent(t)) * variance(bent(t))).mean()
    torch.testing.assert_close(integral, LIMIT, rtol=1e-6, atol=0)


@pytest.mark.parametrize("steps", [1, 3, 12, 0])
@pytest.mark.parametrize("is_thinned", [False, True])
def test_walks_meet_the_closed_form(steps: int, is_thinned: bool) -> None:
    """Whole walks and those of one random level, in expectation over data; in continuous time the limit itself."""
    torch.manual_seed(1)
    model = exact(steps, shape=(1, 16, 16))
    x = SPREAD * torch.randn(1500, 1, 16, 16, dtype=torch.float64)
    trace = run(model, trained(posterior) if is_thinned else posterior, of(x))
    spent = sum(rate for name, rate in trace.rates().items() if name != model.top) / 256
    wanted = LIMIT if is_thinned and not steps else closed(steps or model.total, model.schedule)
    assert abs(float(spent.mean() - wanted)) < 5 * float(spent.std()) / math.sqrt(len(x))


def test_the_bound_is_the_entropy_and_what_the_top_still_knows() -> None:
    """-ELBO_inf - H(x) = KL(q(z_1) || p(z_1)), with the exact p(x | z_0): Gaussian data, one number, in closed form."""
    top, bottom = torch.tensor(HIGH).double(), torch.tensor(LOW).double()
    entropy = 0.5 * math.log(2 * math.pi * math.e * SPREAD**2)
    reconstruction = 0.5 * torch.log(2 * math.pi * math.e * variance(bottom))
    x = torch.full((1, 1), SPREAD, dtype=torch.float64)  # x^2 enters alone, and its mean is SPREAD^2
    prior_cost = normal_kl(noised(x, top), Normal(torch.zeros_like(x), torch.ones_like(x)))
    total = (alpha(top) ** 2 * SPREAD**2 + sigma(top) ** 2).sqrt()
    aggregate = normal_kl(Normal(torch.zeros_like(x), total * torch.ones_like(x)), Normal(0 * x, torch.ones_like(x)))
    torch.testing.assert_close(reconstruction + prior_cost + LIMIT - entropy, aggregate, rtol=1e-10, atol=1e-12)


def test_the_score_is_minus_the_noise_over_its_deviation() -> None:
    gamma, x = torch.tensor(-1.0).double(), torch.randn(3, *SHAPE).double()
    z = noised(x, gamma).sample().requires_grad_()
    (score,) = torch.autograd.grad(noised(x, gamma).log_prob(z).sum(), z)
    torch.testing.assert_close(score, -(z - alpha(gamma) * x) / sigma(gamma) / sigma(gamma), rtol=1e-12, atol=1e-12)
    model = exact(4)
    law = Denoising(z, model.denoised(z, gamma, Entry(lambda site: site.value)), gamma, gamma - 1)
    marginal = Normal(0 * x, (alpha(gamma) ** 2 * SPREAD**2 + sigma(gamma) ** 2).sqrt().expand_as(x))
    (score,) = torch.autograd.grad(marginal.log_prob(z).sum(), z)
    torch.testing.assert_close(score, -law.noise() / sigma(gamma), rtol=1e-12, atol=1e-12)


def test_ancestral_steps_are_ddim_with_eta_one() -> None:
    for law in levels(run(vdm(6), prior(), n=2)):
        other = law.ddim(1.0)
        torch.testing.assert_close(other.loc, law.loc, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(other.scale, law.scale, rtol=0, atol=0)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_ddim_keeps_the_marginals(eta: float) -> None:
    """z_t = a_t x + s_t eps goes to a mean of a_s x, and to the variance s_s^2, of what eps and the step add."""
    far, near, x = torch.tensor(1.0).double(), torch.tensor(-1.5).double(), torch.randn(2, *SHAPE).double()
    flat, up = (Denoising(alpha(far) * x + e * sigma(far), x, far, near).ddim(eta) for e in (0, 1))
    torch.testing.assert_close(flat.loc, alpha(near) * x, rtol=1e-12, atol=1e-12)
    total = (up.loc - flat.loc) ** 2 + up.scale**2
    torch.testing.assert_close(total, (sigma(near) ** 2).expand_as(x), rtol=1e-12, atol=0)


def last(model: Diffusion, draw: Draw, top: Tensor) -> Tensor:
    return run(model, given({model.top: top}, draw), n=len(top)).latents[-1].value


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("second-order", 2)])
def test_solvers_follow_the_flow_at_their_order(name: str, order: int) -> None:
    """With the exact denoiser a path keeps its quantile: z_0 = z_1 times the ratio of their deviations."""
    model, top = exact(4096), torch.randn(3, *SHAPE).double()
    first, end = (
        (alpha(g) ** 2 * SPREAD**2 + sigma(g) ** 2).sqrt()
        for g in (torch.tensor(HIGH).double(), torch.tensor(LOW).double())
    )
    errors = [float((last(model, solver(f"{name}:{s}"), top) - end / first * top).abs().max()) for s in (32, 64, 128)]
    for coarser, finer in pairwise(errors):
        assert 0.8 * 2**order < coarser / finer < 1.25 * 2**order


@pytest.mark.parametrize("name", ["ancestral", "ddim", "second-order"])
def test_steps_are_calls_of_the_denoiser(name: str) -> None:
    model = exact(40)
    for steps in (1, 7, 40):
        before = model.network.calls
        run(model, solver(f"{name}:{steps}"), n=2)
        assert model.network.calls - before == steps


@pytest.mark.parametrize("steps", [10, 100, 1000, 0])
def test_a_step_of_training_calls_it_once(steps: int) -> None:
    model = exact(steps)
    trace = run(model, trained(posterior), of(torch.randn(4, *SHAPE).double()))
    assert model.network.calls == 1
    assert len(trace.rates()) == 11


def test_weights_do_not_grow_with_the_levels() -> None:
    sizes = {sum(w.numel() for w in vdm(steps).parameters()) for steps in (1, 10, 1000, 0)}
    assert len(sizes) == 1


def test_coarse_walks_are_those_of_shallower_models() -> None:
    deep, x = vdm(12), data(2)
    shallow = vdm(4)
    shallow.load_state_dict(deep.state_dict())
    torch.manual_seed(3)
    a = run(deep, coarse(4), deep.evidence(x))
    torch.manual_seed(3)
    b = shallow(x)
    torch.testing.assert_close(a.elbo(), b.elbo(), rtol=1e-12, atol=0)


def test_names_are_few_and_levels_are_pinned_in_walks_of_any_length() -> None:
    model = vdm(30)
    whole = model(data(2))
    assert len(whole.rates()) == 11 and len(whole.latents) == 31
    some = run(model, given({("z4", 9): whole["z4", 9].value}, coarse(10, prior())), n=2)
    assert torch.equal(some["z4", 9].value, whole["z4", 9].value)
    pinned = {pin: value for pin, value in whole.values().items() if pin[0] != "x" and isinstance(pin, tuple)}
    again = run(model, given({model.top: whole[model.top].value, **pinned}, prior()), n=2)
    torch.testing.assert_close(again["x"].p.mean(), whole["x"].p.mean())


def test_a_level_is_named_as_it_is_visited() -> None:
    """The bands of thinned walks and of whole ones are the same: each level alone, by its number."""
    model, x = exact(37), torch.randn(37, *SHAPE).double()
    whole = run(model, posterior, of(x))
    where = {step: name for name, step in whole.records if step is not None}
    numbers = torch.arange(37)[:, None]
    trace = run(model, given({"visited": numbers}, thin(1)), of(x))
    for level in range(37):
        visited = [record.name for record in trace.latents if record.mask is not None and bool(record.mask[level])]
        assert visited == [where[level]]


def test_the_depth_of_a_model_is_measured() -> None:
    torch.manual_seed(0)
    model = vdm(1000)
    result = depth(model, data(64).split(32), counts=(2, 10, 1000), visits=4)
    two, ten, most = (row.negative_elbo_nats for row in result.by_levels)
    assert two.mean > ten.mean > most.mean - 3 * most.standard_error
    whole = run(model, coarse(10), model.evidence(data(64).repeat(4, 1, 1, 1))).elbo()
    assert abs(float(-whole.detach().mean()) - ten.mean) < 6 * ten.standard_error
    continuous = vdm(0, walked=7)
    assert [row.levels for row in depth(continuous, data(4).split(2)).by_levels] == [7, 10, 100, 1000, 0]


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "steps": (lambda: VDMConfig(steps=-1), "model.steps: expected 1 to 1,000,000 levels, or 0 for continuous time"),
    "too many steps": (lambda: VDMConfig(steps=10**7), "or 0 for continuous time, got 10000000"),
    "half a step": (lambda: VDMConfig(steps=cast("int", 0.5)), "model.steps: expected a whole number, got 0.5"),
    "visited": (lambda: VDMConfig(steps=3, visited=4), r"at most model.steps \(3\)"),
    "schedule": (lambda: VDMConfig(gamma_min=1.0, gamma_max=1.0), "noise grows with time"),
    "likelihood": (lambda: VDMConfig(likelihood="dmol"), "expected gaussian-grid"),
    "vectors": (lambda: build(VDMConfig(), (7,), bits=1), "needs images"),
    "too many": (lambda: sample(vdm(4), 2, solver="ddim:5"), "expected 1 to 4 levels, .* got 5"),
    "no step": (lambda: solver("ddim:0"), "of 1 or more steps"),
    "no number": (lambda: solver("ddim:many"), "of 1 or more steps"),
    "no solver": (lambda: solver("euler:5"), "no solver named 'euler'"),
    "eta": (lambda: ddim(1.5), "from 0"),
    "coarse": (lambda: coarse(0), "at least 1 level"),
    "no data": (lambda: run(vdm(4), thin(1, prior()), n=2), "cannot be left out"),
    "depth": (lambda: depth(vdm(4), data(2).split(2), counts=(0,)), "0 levels stand for continuous time"),
    "weights": (lambda: IWAE(2)(run(vdm(0), trained(posterior), vdm(0).evidence(data(4))), 0), "has a weight"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_one_line(what: str) -> None:
    ask, line = REFUSED[what]
    with pytest.raises(HvaeError, match=line) as fault:
        ask()
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("draw", [coarse(2, prior()), ddim(), second_order(), solver("ancestral:3")])
def test_other_families_have_the_levels_they_have(draw: Draw) -> None:
    from hvae.config.model import LVAEConfig

    model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), (1, 4, 4), bits=1)
    with pytest.raises(HvaeError, match="levels of this model are what they are"):
        run(model, draw, n=2)
    with pytest.raises(HvaeError, match="is about diffusions"):
        sample(model, 2, solver="ddim:2")
    with pytest.raises(HvaeError, match="depth is of diffusions|of diffusions"):
        depth(model, [torch.ones(2, 1, 4, 4)])


def test_the_loss_of_training_is_the_bound_in_expectation() -> None:
    model, x = vdm(6), data(2).repeat(3000, 1, 1, 1)
    with torch.no_grad():
        thinned = ELBO()(run(model, trained(posterior), model.evidence(x)), 0).total
        whole = -model(x[:600]).elbo()
        one = -run(model, trained(posterior), model.evidence(x)).elbo()
    error = 5 * math.sqrt(float(one.var()) / len(one) + float(whole.var()) / len(whole))
    assert abs(float(thinned - whole.mean())) < error


def test_evidence_is_the_datum_and_nothing_random() -> None:
    model, x = vdm(3), data(2)
    assert torch.equal(model.features(Datum(x))["x"], (2 * (7 * x).round() + 1) / 8 - 1)
