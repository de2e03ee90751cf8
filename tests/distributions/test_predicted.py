"""Linear prediction: the recursion of Levinson and Durbin; a law that sums to one and draws what it scores."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from hvae.distributions import LinearPrediction
from hvae.distributions.logistic import bins, log_mass
from hvae.distributions.predicted import predictors, reflections
from hvae.errors import HvaeError
from hvae.levels.likelihoods import head
from hvae.levels.predictive import PredictiveHead


def law(n: int, size: int, *, order: int = 2, levels: int = 4, log_scale: float = -1.0) -> LinearPrediction:
    g = torch.Generator().manual_seed(size)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(1, *shape, generator=g, dtype=torch.float64).expand(n, *shape)

    return LinearPrediction(
        0.3 * numbers(size),
        log_scale + numbers(size),
        logits=numbers(3),
        ratio=numbers(3),
        reflection=numbers(order).tanh(),
        levels=levels,
    )


@pytest.mark.parametrize("order", [1, 2, 5])
def test_it_sums_to_one(order: int) -> None:
    """Over all 4^3 frames, also where the order is more than a frame has samples."""
    frames = torch.tensor(list(product(range(4), repeat=3)), dtype=torch.float64) / 3
    total = law(len(frames), 3, order=order).log_prob(frames).sum(1).exp().sum()
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64))


def test_it_is_what_a_loop_over_the_samples_computes() -> None:
    """Sample i by the predictor of order min(i, K), step by step, and as wide as that leaves it."""
    p = law(1, 6, order=3, levels=64)
    k = p.reflection[0]
    x = torch.randint(64, (1, 6)).double() / 63
    signal = 2 * x[0] - 1
    expected = []
    for i in range(6):
        a: list[Tensor] = []
        for j in range(min(i, 3)):
            a = [a[m] - k[j] * a[j - 1 - m] for m in range(j)] + [k[j]]
        centre = p.loc[0, i] + sum(w * signal[i - 1 - m] for m, w in enumerate(a))
        wider = torch.stack([1 - k[j] ** 2 for j in range(min(i, 3), 3)] or [torch.ones(())]).prod().rsqrt().log()
        parts = [log_mass(centre, p.log_scale[0, i] + wider + r, bins(x[0, i], 64), 64) for r in p.ratio[0]]
        expected.append((torch.stack(parts) + p.logits[0].log_softmax(0)).logsumexp(0))
    torch.testing.assert_close(p.log_prob(x)[0], torch.stack(expected))


def test_predictors_solve_the_normal_equations() -> None:
    """Of every order: R a = r, with the autocorrelation of x_t = 1.2 x_{t-1} - 0.5 x_{t-2} + 0.1 x_{t-3} + noise."""
    torch.manual_seed(0)
    x = torch.zeros(4000, dtype=torch.float64)
    noise = torch.randn(4000, dtype=torch.float64)
    for t in range(3, 4000):
        x[t] = 1.2 * x[t - 1] - 0.5 * x[t - 2] + 0.1 * x[t - 3] + noise[t]
    r = torch.stack([(x[: len(x) - j] * x[j:]).mean() for j in range(5)])
    rows = predictors(reflections(r)[None])[0]
    for order in range(1, 5):
        lags = torch.arange(order)
        a = torch.linalg.solve(r[(lags[:, None] - lags).abs()], r[1 : order + 1])
        torch.testing.assert_close(rows[order, :order], a)
        assert not rows[order, order:].any()


def test_a_draw_has_the_distribution_that_is_scored() -> None:
    """E[-log p] of draws is the entropy that all frames give."""
    torch.manual_seed(0)
    frames = torch.tensor(list(product(range(4), repeat=2)), dtype=torch.float64) / 3
    logs = law(len(frames), 2).log_prob(frames).sum(1)
    entropy, variance = -(logs.exp() * logs).sum(), (logs.exp() * logs**2).sum() - (logs.exp() * logs).sum() ** 2
    p = law(20_000, 2)
    error = -p.log_prob(p.sample()).sum(1).mean() - entropy
    assert abs(error) < 4 * (variance / 20_000).sqrt()


def test_temperatures_detach_and_gradients() -> None:
    p = law(2, 4, levels=256)
    assert (p.tempered(1e-6).sample() - p.mode()).abs().max() < 2 / 255
    leaf = p.reflection.clone().requires_grad_()
    q = LinearPrediction(p.loc, p.log_scale, logits=p.logits, ratio=p.ratio, reflection=leaf, levels=256)
    x = p.sample()
    assert not q.detach().log_prob(x).requires_grad
    (gradient,) = torch.autograd.grad(q.log_prob(x).sum(), leaf)
    assert gradient.abs().min() > 0


def test_training_starts_at_the_filter_of_the_data() -> None:
    """Of frames of one autoregression, loud and quiet: its coefficients, and better than the uniform code by far."""
    torch.manual_seed(0)
    x = torch.zeros(400, 512, dtype=torch.float64)
    for t in range(2, 512):
        x[:, t] = 1.5 * x[:, t - 1] - 0.8 * x[:, t - 2] + torch.randn(400, dtype=torch.float64)
    levels = ((0.001 * x * torch.linspace(0.1, 3, 400)[:, None]).clamp(-1, 1) + 1).mul(32767.5).round() / 65535
    one = PredictiveHead((512,), 2**16, mixtures=2, order=4).double()
    raw = one.marginal(levels)
    p = one(raw.expand(400, -1))
    torch.testing.assert_close(
        predictors(p.reflection)[0, -1], torch.tensor([1.5, -0.8, 0, 0]).double(), atol=0.08, rtol=0
    )
    assert -p.log_prob(levels).mean() / torch.tensor(2.0).log() < 11
    assert one.marginal(torch.full((3, 512), 0.5, dtype=torch.float64)).isfinite().all()  # silence
    assert one.marginal(levels[:, :1].repeat(1, 512)).isfinite().all()  # no sample is news


@pytest.mark.parametrize("turns", [0.5, 1.0, 4.0])
def test_it_starts_at_numbers_for_long_slow_tones(turns: float) -> None:
    """Their first reflection coefficient is nearer one than any that a law can have."""
    one, time = PredictiveHead((4096,), 2**16, mixtures=2, order=8).double(), torch.arange(4096).double() / 4096
    tone = 0.5 + 0.4 * torch.sin(2 * torch.pi * turns * time + 0.3).repeat(3, 1)
    raw = one.marginal(tone)
    assert raw.isfinite().all() and one(raw.expand(3, -1)).log_prob(tone).isfinite().all()


def test_it_is_a_likelihood_of_frames_of_sound() -> None:
    with pytest.raises(HvaeError, match=r"frames of sound \(D,\), got data of shape \(3, 8, 8\)"):
        PredictiveHead((3, 8, 8), 256, mixtures=3, order=4)
    with pytest.raises(HvaeError, match="no likelihood named 'predictive'"):
        head("predictive", (3, 8, 8), 256)
