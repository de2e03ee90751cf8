"""What the textbooks of the field claim and can be settled exactly: no training, no sampling, float64.

Numbers are those of docs/texts.md, line by line.  Expectations are sums over all states of a table, or quadratures.

Shapes: `B` data; `K` nodes of a quadrature; `D` coordinates of a latent.
"""

from __future__ import annotations

import itertools
import math
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, S, T, TopDownGaussian
from torch import Tensor, nn

import hvae
from hvae.config.model import VAEConfig
from hvae.datum import Datum
from hvae.distributions import Bernoulli, Normal
from hvae.distributions.divergence import normal_kl
from hvae.draw import Draw, Drawn, each, given, mode, posterior
from hvae.levels.scale import gaussian, softclamp
from hvae.site import Site
from hvae.walk import Evidence, Model, Trace, Visit, run

EXAMPLES = Path(__file__).parents[1] / "examples"


def hermite(nodes: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of E f(e), e ~ N(0, 1): exact for polynomials of degree 2 nodes - 1."""
    at, weight = np.polynomial.hermite_e.hermegauss(nodes)
    return torch.from_numpy(at), torch.from_numpy(weight / math.sqrt(2 * math.pi))


@dataclass(frozen=True, eq=False)
class AtNodes(Draw):
    """Each latent at mean + scale * its node, where posterior would sample."""

    nodes: Mapping[str, Tensor]

    def __call__(self, site: Site) -> Drawn:
        if site.value is not None:
            return Drawn(site.value, site.proposal)
        law = site.q or site.p
        assert isinstance(law, Normal)
        return Drawn(law.loc + law.scale * self.nodes[site.name], law)


def under_q(model: LinearGaussian, x: Tensor, what: Callable[[Trace], Tensor]) -> Tensor:
    """E_q of a quadratic function of one-dimensional latents, (B,)."""
    at, weight = hermite(3)
    grid = torch.cartesian_prod(*[at] * len(model.names)).view(-1, len(model.names))
    weights = torch.cartesian_prod(*[weight] * len(model.names)).view(grid.shape).prod(1)
    nodes = {name: grid[:, [i]].repeat(len(x), 1) for i, name in enumerate(model.names)}
    trace = run(model, AtNodes(nodes), model.evidence(x).repeat(len(grid)))
    return what(trace).view(len(x), -1) @ weights


class Table(Model):
    """z -> (x1, x2), all of them bits, with free tables: eight states, all of which can be visited."""

    shape = (2,)

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        prior, decoder, encoder = (
            torch.randn(*shape, generator=random, dtype=torch.float64) for shape in ((1,), (2, 2), (4, 1))
        )
        self.prior, self.decoder, self.encoder = nn.Parameter(prior), nn.Parameter(decoder), nn.Parameter(encoder)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"q": self.encoder[(datum.x @ datum.x.new_tensor([2.0, 1.0])).long()]}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        q = None if evidence.x is None else Bernoulli(evidence.features["q"])
        z = visit(Site("z1", Bernoulli(self.prior.expand(evidence.n, 1)), q))
        return visit(evidence.site(Bernoulli(self.decoder[z[:, 0].long()])))


@dataclass(frozen=True, eq=False)
class States(Draw):
    """z1 as named, as if its posterior had drawn it."""

    z: Tensor

    def __call__(self, site: Site) -> Drawn:
        return Drawn(self.z, site.q) if site.value is None else Drawn(site.value, site.proposal)


X = torch.tensor(list(itertools.product((0.0, 1.0), repeat=2)), dtype=torch.float64)
P_DATA = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Whole:
    """All states of a Table, each (4 data, 2 values of z)."""

    log_p: Tensor
    log_q: Tensor
    log_likelihood: Tensor
    elbo: Tensor

    @property
    def q(self) -> Tensor:
        return self.log_q.exp()


def whole(model: Table) -> Whole:
    z = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(4)[:, None]
    trace = run(model, States(z), model.evidence(X).repeat(2))
    log_q, weight = trace["z1"].log_proposal(), trace.log_weight()
    nats = (weight + log_q, log_q, trace.log_likelihood(), trace.elbo())
    return Whole(*(each_state.view(4, 2).detach() for each_state in nats))


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(-1)


# 1


def test_the_gap_of_the_bound_is_the_divergence_to_the_true_posterior() -> None:
    exact, model = TopDownGaussian(1, latent=1), TopDownGaussian(1, latent=1).loosened()
    x = torch.randn(6, 5, dtype=torch.float64)
    q, best = model(x)["z1"].q, exact(x)["z1"].q
    gap = model.log_evidence(x) - under_q(model, x, Trace.elbo)
    torch.testing.assert_close(gap, normal_kl(q, best).sum(1))
    assert (gap > 0).all()
    torch.testing.assert_close(under_q(exact, x, Trace.elbo), exact.log_evidence(x))


# 2


def test_what_a_vae_minimises_is_modelling_error_plus_inference_error() -> None:
    states = whole(Table())
    log_data, log_model = P_DATA.log(), states.log_p.logsumexp(1)
    joint = (P_DATA[:, None] * states.q * (log_data[:, None] + states.log_q - states.log_p)).sum()
    modelling = kl(log_data, log_model)
    inference = P_DATA @ kl(states.log_q, states.log_p - log_model[:, None])
    torch.testing.assert_close(joint, modelling + inference)
    assert modelling > 0.01 and inference > 0.01
    # And it is the mean ELBO up to the entropy of the data.
    torch.testing.assert_close(joint, -(P_DATA[:, None] * states.q * states.elbo).sum() + P_DATA @ log_data)


# 3


def pieces(model: Table) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """E[ELBO], E[log p(x | z)], I_q(x; z) and KL(q(z) || p(z))."""
    states = whole(model)
    weight = P_DATA[:, None] * states.q
    marginal = weight.sum(0)
    information = (weight * (states.log_q - marginal.log())).sum()
    log_prior = torch.stack([nn.functional.logsigmoid(side * model.prior.detach()) for side in (-1, 1)], 1)[0]
    elbo, likelihood = (weight * states.elbo).sum(), (weight * states.log_likelihood).sum()
    return elbo, likelihood, information, kl(marginal.log(), log_prior)


def test_the_bound_splits_into_likelihood_information_and_the_marginal() -> None:
    elbo, likelihood, information, marginal = pieces(Table())
    torch.testing.assert_close(elbo, likelihood - information - marginal)
    assert information > 0.01


def test_a_latent_that_is_the_same_for_all_data_tells_nothing_of_them() -> None:
    model = Table()
    nn.init.constant_(model.encoder, 0.4)
    assert pieces(model)[2].abs() < 1e-12
    nn.init.constant_(model.encoder, model.prior.item())
    assert pieces(model)[3].abs() < 1e-12  # collapsed in full: the rate itself is zero


# 4


def chained(first: tuple[Tensor, Tensor], gain: Tensor, offset: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The joint Gaussian, mean (2,) and covariance (2, 2), of u ~ N(first) and v = gain u + offset + scale e."""
    mean, variance = first[0], first[1] ** 2
    cov = torch.stack([variance, gain * variance, gain * variance, gain**2 * variance + scale**2]).view(2, 2)
    return torch.stack([mean, gain * mean + offset]), cov


def chain_of_q(model: LinearGaussian, x: Tensor, first: str, second: str) -> tuple[Tensor, Tensor]:
    """q(first, second | x) of one datum, read from what a walk shows at two values of `first`."""
    at = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    trace = run(model, given({first: at}, posterior), model.evidence(x).repeat(2))
    q, then = trace[first].q, trace[second].q
    low, high = then.loc[:, 0]
    return chained((q.loc[0, 0], q.scale[0, 0]), high - low, low, then.scale[0, 0])


@pytest.mark.parametrize(
    ("walk", "first", "second"), [(TopDownGaussian, "z2", "z1"), (BottomUpGaussian, "z1", "z2")], ids=["down", "up"]
)
def test_the_divergence_of_a_hierarchy_is_the_sum_of_its_levels(
    walk: type[LinearGaussian], first: str, second: str
) -> None:
    model = walk(2, latent=1).loosened().requires_grad_(False)
    x = torch.randn(1, 5, dtype=torch.float64)
    q = chain_of_q(model, x, first, second)
    top = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    p = chained(top, model.gain["z1"][0], top[0], torch.as_tensor(T, dtype=torch.float64))
    if first == "z1":
        p = p[0].flip(0), p[1].flip(0, 1)
    whole_kl = torch.distributions.kl_divergence(*(torch.distributions.MultivariateNormal(*law) for law in (q, p)))
    rates = {name: under_q(model, x, lambda trace, name=name: trace.rates()[name])[0] for name in ("z1", "z2")}
    torch.testing.assert_close(rates["z1"] + rates["z2"], whole_kl)


# 5


def test_a_gaussian_decoder_of_fixed_scale_charges_squared_error() -> None:
    sigma = 0.3
    model = hvae.build(VAEConfig(latent=2, widths=(8,), likelihood="gaussian", sigma=sigma), shape=(1, 4, 4), bits=8)
    trace = model.double()(torch.rand(5, 1, 4, 4, dtype=torch.float64))
    error = ((trace["x"].value - trace["x"].law.mean()) ** 2).flatten(1).sum(1)
    constant = -0.5 * 16 * math.log(2 * math.pi * sigma**2)
    torch.testing.assert_close(trace.log_likelihood(), constant - error / (2 * sigma**2))


def gradient_estimators(loc: float, scale: float) -> dict[str, tuple[float, float]]:
    """Mean and variance of two one-draw estimators of d/d loc E[log p(x = 1 | z)], p a sigmoid of 3 z - 1."""
    e, weight = hermite(120)
    z = (loc + scale * e).requires_grad_()
    nats = nn.functional.logsigmoid(3 * z - 1)
    (slope,) = torch.autograd.grad(nats.sum(), z)
    estimators = {"reparameterised": slope, "score": nats.detach() * e / scale}
    return {k: (float(weight @ v), float(weight @ v**2 - (weight @ v) ** 2)) for k, v in estimators.items()}


@pytest.mark.parametrize(("loc", "scale"), [(0.2, 0.5), (-0.5, 0.3)])
def test_two_gradients_of_one_mean_differ_in_variance(loc: float, scale: float) -> None:
    (slope, quiet), (same, loud) = gradient_estimators(loc, scale).values()
    assert slope == pytest.approx(same, rel=1e-6)
    assert loud > 3 * quiet


# 6, 15


def test_a_posterior_of_two_peaks_is_out_of_reach_of_gaussians_however_deep_their_encoder() -> None:
    example = runpy.run_path(str(EXAMPLES / "two_peaks.py"))
    diagonal, full, two, three = example["gaps"](1.5, 0.3).values()
    assert diagonal > full + 0.3 and full > two + 0.1
    assert two > math.log(2) > 0.15 > three > 0
    # With noise nothing is seen of a and b: their posterior is their prior, and every family reaches it.
    assert all(gap < 0.01 for gap in example["gaps"](1.5, 30.0).values())


# 7


def test_the_best_decoder_of_a_code_is_the_mean_of_all_that_share_it() -> None:
    """Squared error, whose minimiser over constants is the mean: of a white and a black pixel it is grey."""
    data = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]], dtype=torch.float64)
    weight = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    decoder = (weight @ data).requires_grad_()
    nats = weight @ Normal(decoder.expand(3, 3), torch.ones(3, 3, dtype=torch.float64)).log_prob(data).sum(1)
    (slope,) = torch.autograd.grad(nats, decoder)
    torch.testing.assert_close(slope, torch.zeros_like(slope))
    assert decoder.tolist() == [0.75, 0.5, 0.75]  # no datum, and none of its pixels black or white


# 8


def test_without_a_prior_the_posterior_shrinks_to_a_point_and_the_rate_grows_without_end() -> None:
    model = TopDownGaussian(1, latent=1)
    x = torch.randn(4, 5, dtype=torch.float64)
    rates, likelihoods = [], []
    for spread in (0.0, -2.0, -4.0, -8.0):
        nn.init.constant_(model.spread["z1"], spread)
        rates.append(under_q(model, x, lambda trace: trace.rates()["z1"]).mean().item())
        likelihoods.append(under_q(model, x, Trace.log_likelihood).mean().item())
    assert likelihoods == sorted(likelihoods) and rates == sorted(rates)  # what beta 0 gains, and what it spends
    assert rates[-1] - rates[-2] == pytest.approx(4, abs=1e-3)  # a nat for each nat of log scale, for ever
    assert likelihoods[-1] - likelihoods[-2] < 1e-3


# 26


def best_for(beta: float, projected: Tensor, width: float = 1.2) -> tuple[float, float, float]:
    """The slope of the objective at its best q of one linear-Gaussian datum, the rate of that q and its distortion.

    E log p(x | z) - beta KL is quadratic: precision w^2 / (beta S^2) + 1, mean w x / (beta S^2) over it.
    """
    precision = width**2 / (beta * S**2) + 1
    loc = (width * projected / (beta * S**2) / precision).requires_grad_()
    log_scale = torch.full_like(loc, -0.5 * math.log(precision), requires_grad=True)
    q, p = Normal(loc, log_scale.exp()), Normal(torch.zeros_like(loc), torch.ones_like(loc))
    distortion, rate = 0.5 * ((projected - width * loc) ** 2 + width**2 * q.scale**2) / S**2, normal_kl(q, p)
    gradients = torch.autograd.grad((distortion + beta * rate).sum(), [loc, log_scale])
    return float(torch.cat(gradients).abs().max()), rate.mean().item(), distortion.mean().item()


def test_a_larger_beta_buys_rate_with_reconstruction() -> None:
    x = 1.3 * torch.randn(200, dtype=torch.float64)
    flat, rates, distortions = zip(*(best_for(beta, x) for beta in (1.0, 2.0, 4.0, 8.0)), strict=True)
    assert max(flat) < 1e-9  # each is the best q for its beta
    assert list(rates) == sorted(rates, reverse=True) and list(distortions) == sorted(distortions)
    assert distortions[-1] > 2 * distortions[0]


# 32


def test_rates_are_counted_in_float32_because_half_precision_loses_them() -> None:
    raw = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0)).mul(0.05).bfloat16()
    q, p = gaussian(raw, softclamp), gaussian(torch.zeros_like(raw), softclamp)
    assert q.scale.dtype == torch.float32
    truth = normal_kl(*(Normal(law.loc.double(), law.scale.double()) for law in (q, p))).sum()
    ours, half = (normal_kl(*laws).double().sum() for laws in ((q, p), in_half(q, p)))
    assert abs(ours / truth - 1) < 1e-5
    assert abs(half / truth - 1) > 0.05


def in_half(*laws: Normal) -> list[Normal]:
    return [Normal(law.loc.bfloat16(), law.scale.bfloat16()) for law in laws]


# 36


def test_a_level_at_its_priors_mean_gives_no_bound() -> None:
    """Uncharged and unsampled, the top may claim more than log p(x): at data that its mean explains well."""
    model = TopDownGaussian(2, latent=1)
    x = torch.zeros(1, 5, dtype=torch.float64)
    claimed = under_q_of(model, x, each({"z2": at_prior_mean}, posterior))
    assert claimed > model.log_evidence(x) + 0.1


class _PriorMean(Draw):
    def __call__(self, site: Site) -> Drawn:
        assert site.p is not None
        return Drawn(site.p.mode(), site.p)


at_prior_mean = _PriorMean()


def under_q_of(model: LinearGaussian, x: Tensor, draw: Draw) -> Tensor:
    """The ELBO of a draw that leaves z1 to its exact posterior, which has no variance."""
    return run(model, draw, model.evidence(x)).log_weight()


def test_drawing_before_the_merge_claims_more_than_log_p() -> None:
    """z ~ the message N(x / w, S^2 / w^2), the charge that of the merged q: far from the prior the sum is too large."""
    w = torch.ones((), dtype=torch.float64)
    x = torch.tensor(4.0, dtype=torch.float64)
    one = torch.ones_like(x)
    merged = Normal(x / (1 + S**2), (S**2 / (1 + S**2)) ** 0.5 * one)
    likelihood = Normal(x, S * one).log_prob(x) - 0.5  # E over the message: its variance is that of the noise
    claimed = likelihood - normal_kl(merged, Normal(0 * one, one))
    log_p = Normal(0 * one, (w + S**2).sqrt()).log_prob(x)
    right = Normal(w * merged.loc, S * one).log_prob(x) - 0.5 * merged.scale**2 / S**2
    torch.testing.assert_close(right - normal_kl(merged, Normal(0 * one, one)), log_p)
    assert claimed > log_p + 0.5


# 56


def slopes(model: LinearGaussian, x: Tensor) -> dict[str, Tensor | None]:
    """The gradient of log p(x | z) by the location of each level's q."""
    trace = model(x)
    shifts = [model.shift[name] for name in model.names]
    grads = torch.autograd.grad(trace.log_likelihood().sum(), shifts, allow_unused=True)
    return dict(zip(model.names, grads, strict=True))


def test_in_a_bottom_up_stack_the_data_never_reach_the_top_and_in_a_ladder_they_do() -> None:
    x = torch.randn(6, 5, dtype=torch.float64)
    up, down = (slopes(walk(3), x) for walk in (BottomUpGaussian, TopDownGaussian))
    assert up["z2"] is None and up["z3"] is None and up["z1"].abs().min() > 0
    assert all(down[name].abs().min() > 0 for name in ("z1", "z2", "z3"))


def test_what_one_level_can_do_alone_leaves_nothing_for_a_second() -> None:
    """Two levels with z1 = 0.8 z2 + 0.6 e give z1 the variance 1: the same p(x) as one level, so the top may rest."""
    one, two = TopDownGaussian(1), TopDownGaussian(2)
    one.load_state_dict(two.state_dict(), strict=False)
    nn.init.constant_(two.gain["z1"], math.sqrt(1 - T**2))
    x = torch.randn(6, 5, dtype=torch.float64)
    torch.testing.assert_close(one.log_evidence(x), two.log_evidence(x))


def test_mode_is_no_stand_in_for_a_draw() -> None:
    """A posterior without its noise spends rates of zero variance but no bound: the claim exceeds log p(x)."""
    model = TopDownGaussian(1, latent=1)
    x = torch.randn(6, 5, dtype=torch.float64)
    assert (run(model, mode, model.evidence(x)).elbo() > model.log_evidence(x)).all()
