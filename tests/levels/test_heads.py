"""Heads: every kind over images and vectors, its value by hand, its start, and its errors."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from hvae.config.columns import COLUMNS
from hvae.config.model import Likelihood
from hvae.distributions import LogisticMixture, Normal, sum_rest
from hvae.errors import HvaeError
from hvae.levels.heads import BernoulliHead, GaussianGlobalHead, GaussianHead, GaussianPixelHead, Head
from hvae.levels.likelihoods import HEADS, head
from hvae.levels.logisticheads import START, LogisticHead, LogisticPixelHead, MixtureHead
from hvae.levels.scale import VARIANCES

SHAPES = [(3, 4, 5), (1, 4, 5), (2, 4, 5), (7,)]
LEVELS = {"bernoulli": 2, "bernoulli-bounded": 2}
PLAIN = sorted(HEADS.keys() - {COLUMNS})
"""Those of data whose every number has a law of one kind; tables are tested by themselves."""
DISCRETE = [k for k in PLAIN if not k.startswith(("gaussian", "noise"))]


def made(kind: str, shape: tuple[int, ...]) -> Head:
    return head(kind, shape, LEVELS.get(kind, 8), mixtures=4)


def raw_for(h: Head, n: int = 2, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(n, h.width, *h.shape[1:])


def data(n: int, shape: tuple[int, ...], levels: int) -> Tensor:
    return torch.randint(0, levels, (n, *shape)) / (levels - 1)


@pytest.fixture(params=PLAIN)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_kind_of_the_config_has_a_head() -> None:
    assert {*get_args(Likelihood), COLUMNS} == set(HEADS)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_and_vectors(kind: str, shape: tuple[int, ...]) -> None:
    h = made(kind, shape)
    p = h(raw_for(h).requires_grad_())
    x = data(2, shape, LEVELS.get(kind, 8))
    assert p.sample().shape == p.mode().shape == p.mean().shape == x.shape
    assert sum_rest(p.log_prob(x)).shape == (2,)
    assert p.density is kind.startswith("gaussian")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_reach_every_raw_number_and_parameter(kind: str, shape: tuple[int, ...]) -> None:
    h = made(kind, shape)
    raw = raw_for(h).requires_grad_()
    h(raw).log_prob(data(2, shape, LEVELS.get(kind, 8)).clamp(0.01, 0.99)).sum().backward()
    assert (raw.grad != 0).all()
    assert all(q.grad is not None and (q.grad != 0).all() for q in h.parameters())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_half_precision_is_widened(kind: str, shape: tuple[int, ...]) -> None:
    h = made(kind, shape)
    raw, x = raw_for(h).bfloat16(), data(2, shape, LEVELS.get(kind, 8))
    log_p = h(raw).log_prob(x)
    assert log_p.dtype == torch.float32
    torch.testing.assert_close(log_p, h(raw.float()).log_prob(x))


def test_double_stays_double(kind: str) -> None:
    h = made(kind, (3, 4, 5)).double()
    p = h(raw_for(h).double())
    assert {p.sample().dtype, p.mode().dtype, p.mean().dtype} == {torch.float64}
    assert p.log_prob(data(2, (3, 4, 5), LEVELS.get(kind, 8))).dtype == torch.float64


@pytest.mark.parametrize("kind", DISCRETE)
@pytest.mark.parametrize("levels", [2, 32, 256])
def test_raw_zero_is_near_the_uniform_code(kind: str, levels: int) -> None:
    levels = LEVELS.get(kind, levels)
    for shape in ((3, 8, 8), (192,)):
        h = head(kind, shape, levels)
        bits = -sum_rest(h(raw_for(h, 16, 0.0)).log_prob(data(16, shape, levels))).mean() / 192 / math.log(2)
        assert math.log2(levels) - 0.01 < bits < math.log2(levels) + 0.4


def test_raw_zero_is_mid_grey(kind: str) -> None:
    h = head(kind, (3, 4, 5), LEVELS.get(kind, 256))
    torch.testing.assert_close(h(raw_for(h, 2, 0.0)).mean(), torch.full((2, 3, 4, 5), 0.5))


# --- Gaussians


@pytest.mark.parametrize("sigma", [0.1, 2.0])
def test_fixed_sigma_is_the_squared_error_and_its_constant(sigma: float) -> None:
    h = GaussianHead((2, 3, 3), sigma=sigma)
    raw, x = torch.randn(4, 2, 3, 3, dtype=torch.float64), torch.rand(4, 2, 3, 3, dtype=torch.float64)
    error = ((x - (raw + 1) / 2) ** 2).sum((1, 2, 3))
    constant = 18 * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    torch.testing.assert_close(-sum_rest(h(raw).log_prob(x)), error / (2 * sigma**2) + constant, atol=1e-6, rtol=1e-7)


@pytest.mark.parametrize("name", sorted(set(VARIANCES) - {"exp"}))  # which has no floor, as published
def test_pixel_sigma_stays_positive(name: str) -> None:
    p = GaussianPixelHead((1, 2, 2), positive=VARIANCES[name])(torch.full((1, 2, 2, 2), -1e4))
    assert (p.scale > 1e-4).all() and p.log_prob(torch.zeros(1, 1, 2, 2)).isfinite().all()
    zero = GaussianPixelHead((1, 2, 2), positive=VARIANCES[name])(torch.zeros(1, 2, 2, 2))
    torch.testing.assert_close(zero.scale, torch.full((1, 1, 2, 2), 0.5 * 2**0.5 if name == "above-one" else 0.5))


def test_global_sigma_learns_the_root_mean_squared_error() -> None:
    """Rybkin et al. 2021: the best sigma of a fixed mean is the root of the mean squared error."""
    h = GaussianGlobalHead((5,)).double()
    raw, x = torch.zeros(200, 5, dtype=torch.float64), 0.5 + 0.2 * torch.randn(200, 5, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(h.parameters(), max_iter=50)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -h(raw).log_prob(x).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert h(raw).scale[0, 0].item() == pytest.approx((x - 0.5).pow(2).mean().sqrt().item(), rel=1e-4)


def test_shared_scales_stop_softly() -> None:
    for h, parameter in (
        (one := GaussianGlobalHead((3,)), one.log_sigma),
        (two := LogisticHead((3,), 4), two.log_scale),
    ):
        parameter.data.fill_(-12.0)
        p = h(torch.zeros(2, 3))
        log_scale = p.scale.log() if isinstance(p, Normal) else p.log_scale
        assert (log_scale >= h.floor).all()
        log_scale.sum().backward()
        assert (parameter.grad > 0).all()


# --- logistics


@pytest.mark.parametrize("floor", [-7.0, -3.0])
def test_floor_of_the_log_scale(floor: float) -> None:
    for h in (LogisticPixelHead((2, 1, 1), 4, floor=floor), MixtureHead((2, 1, 1), 4, mixtures=3, floor=floor)):
        raw = torch.full((1, h.width, 1, 1), -1e4)
        assert (h(raw).log_scale == floor).all()
    assert LogisticPixelHead((1,), 4).floor == MixtureHead((1,), 4).floor == -7


@pytest.mark.parametrize("head", [LogisticHead, LogisticPixelHead, MixtureHead])
def test_a_finer_grid_has_a_lower_floor(head: type[LogisticHead]) -> None:
    """As small a part of a bin: with the floor of 8 bits no sample of 16 bits would cost less than 7 bits."""
    assert head((1,), 256).floor == -7
    assert head((1,), 2**16).floor == pytest.approx(-7 - math.log(257))


@pytest.mark.parametrize("shape", [(5,), (1, 2, 2), (3, 2, 2)])
def test_a_mixture_starts_around_quiet_sound(shape: tuple[int, ...]) -> None:
    """Better than the uniform code of 16 bits by far, whatever the form of a step."""
    torch.manual_seed(0)
    levels = 2**16
    x = ((0.5 + 0.01 * torch.randn(500, *shape)) * (levels - 1)).round() / (levels - 1)
    h = MixtureHead(shape, levels, mixtures=4)
    raw = h.marginal(x)
    law = h(raw.expand(500, *raw.shape))
    bits = -law.log_prob(x).sum() / x.numel() / math.log(2)
    gaussian = math.log2(0.01 * (levels - 1) * math.sqrt(2 * math.pi * math.e))
    assert gaussian < bits < gaussian + 1


def test_logistic_head_has_one_scale_a_channel() -> None:
    h = LogisticHead((3, 2, 2), 256)
    h.log_scale.data = torch.tensor([3.0, 2.0, 1.0]).view(3, 1, 1)  # far above the floor, which then adds e^-8
    p = h(torch.randn(2, 3, 2, 2))
    expected = torch.tensor([3.0, 2.0, 1.0]).view(1, 3, 1, 1).expand(2, 3, 2, 2)
    torch.testing.assert_close(p.log_scale, expected, atol=1e-3, rtol=0)


def test_the_layout_of_mixture_parameters() -> None:
    h = MixtureHead((3, 1, 1), 256, mixtures=2)
    p = h(torch.arange(20.0).view(1, 20, 1, 1) / 100)
    raw = torch.arange(20.0) / 100
    torch.testing.assert_close(p.logits.flatten(), raw[:2])
    torch.testing.assert_close((p.loc - h.spread).flatten(), raw[2:8])
    torch.testing.assert_close(p.log_scale.flatten() - START, raw[8:14])
    torch.testing.assert_close(p.coefficients.flatten().atanh(), raw[14:])
    assert p.loc.shape == (1, 2, 3, 1, 1) and p.coefficients.shape == (1, 2, 3, 1, 1)


def published_to_ours(m: int) -> Tensor:
    """Where each of our raw numbers lies in the published layout of three channels, as the docstring says."""
    loc, log_scale, pair = ([m + (3 * c + i) * m + k for k in range(m) for c in range(3)] for i in range(3))
    return torch.tensor([*range(m), *loc, *log_scale, *pair])


def test_the_published_layout_gives_the_published_means() -> None:
    m, raw = 2, torch.randn(1, 20, 1, 1)
    h = MixtureHead((3, 1, 1), 256, mixtures=m)
    p = h(raw[:, published_to_ours(m)])
    per_channel = raw.flatten()[m:].view(3, 3, m)  # (channel, location | log-scale | coefficient, component)
    torch.testing.assert_close((p.loc - h.spread)[0, ..., 0, 0].T, per_channel[:, 0])
    torch.testing.assert_close(p.log_scale[0, ..., 0, 0].T - START, per_channel[:, 1].clamp(-6))
    torch.testing.assert_close(p.coefficients[0, ..., 0, 0].T, per_channel[:, 2].tanh())


def test_components_start_apart() -> None:
    """Equal components would get equal gradients for ever, also behind a last layer that starts at zero."""
    last = nn.Conv2d(4, (h := MixtureHead((1, 2, 2), 16, mixtures=3)).width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    h(last(torch.randn(8, 4, 2, 2))).log_prob(data(8, (1, 2, 2), 16)).sum().backward()
    assert len(set(last.bias.grad[:3].tolist())) == 3


def test_a_vector_is_one_channel_at_each_coordinate() -> None:
    vector, image = MixtureHead((6,), 16, mixtures=3), MixtureHead((1, 2, 3), 16, mixtures=3)
    raw, x = torch.randn(4, 9, 2, 3), data(4, (1, 2, 3), 16)
    a, b = vector(raw.flatten(1)), image(raw)
    assert isinstance(a, LogisticMixture) and vector.width == 9 * 6 and image.width == 9
    torch.testing.assert_close(a.log_prob(x.flatten(1)), b.log_prob(x).flatten(1))
    torch.testing.assert_close(a.mean(), b.mean().flatten(1))
    torch.testing.assert_close(a.mode(), b.mode().flatten(1))


# --- the builder's side


def test_widths() -> None:
    widths = {k: head(k, (3, 4, 5), LEVELS.get(k, 256)).width for k in PLAIN}
    assert widths == {
        "bernoulli": 3,
        "bernoulli-bounded": 3,
        "gaussian": 3,
        "gaussian-pixel": 6,
        "gaussian-full": 9,
        "gaussian-global": 3,
        "logistic": 3,
        "logistic-pixel": 6,
        "dmol": 100,
        "categorical": 768,
        "noise": 3,
        "noise-global": 3,
    }


def test_compiles_and_exports(kind: str) -> None:
    class Score(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = made(kind, (2, 3, 3))

        def forward(self, raw: Tensor, x: Tensor) -> Tensor:
            return self.head(raw).log_prob(x)

    score = Score()
    raw, x = raw_for(score.head), data(2, (2, 3, 3), LEVELS.get(kind, 8))
    compiled = torch.compile(score, fullgraph=True, backend="aot_eager")
    batch = torch.export.Dim("batch")
    exported = torch.export.export(score, (raw, x), dynamic_shapes=({0: batch}, {0: batch})).module()
    torch.testing.assert_close(compiled(raw, x), score(raw, x))
    raw, x = raw_for(score.head, 5), data(5, (2, 3, 3), LEVELS.get(kind, 8))
    torch.testing.assert_close(exported(raw, x), score(raw, x))
    torch.compiler.reset()


def test_repr_says_what_the_last_layer_must_give() -> None:
    assert repr(head("dmol", (3, 32, 32), 256)) == "MixtureHead((3, 32, 32), width=100)"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("dmoll", (1, 2, 2), 2), "no likelihood named 'dmoll'; did you mean 'dmol'"),
        (("bernoulli", (1, 2, 2), 256), "grey values are not binary: use dmol"),
        (("dmol", (1, 2, 2), 1), "expected levels of at least 2, got 1"),
        (("logistic", (1, 2, 2), 1), "expected levels of at least 2"),
        (("logistic-pixel", (1, 2, 2), 0), "expected levels of at least 2"),
        (("categorical", (1, 2, 2), 1), "expected levels of at least 2"),
    ],
)
def test_errors_say_what_to_do(arguments: tuple, says: str) -> None:
    with pytest.raises(HvaeError) as caught:
        head(*arguments)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_impossible_numbers() -> None:
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(HvaeError, match="sigma above 0"):
            head("gaussian", (1, 2, 2), 2, sigma=wrong)
    with pytest.raises(HvaeError, match="mixtures of at least 1"):
        head("dmol", (1, 2, 2), 2, mixtures=0)


def test_a_wrong_width_is_caught() -> None:
    with pytest.raises(AssertionError, match="width=6"):
        head("logistic-pixel", (3, 2, 2), 256)(torch.zeros(1, 3, 2, 2))


def test_the_bernoulli_marginal_is_finite_and_says_the_mean() -> None:
    head, x = BernoulliHead((1, 1, 3)), torch.tensor([[[[0.0, 1.0, 1.0]]], [[[0.0, 1.0, 0.0]]]])
    marginal = head.marginal(x)
    assert torch.allclose(marginal.sigmoid(), torch.tensor([[[0.5 / 3, 2.5 / 3, 0.5]]]))
    assert GaussianHead((1, 1, 3)).marginal(x) is None


def test_a_bounded_logit_costs_at_most_thirty_nats_and_is_the_free_one_near_zero() -> None:
    free, bounded = (head(kind, (3,), 2) for kind in ("bernoulli", "bernoulli-bounded"))
    x, far = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[1e30, -1e30, 40.0]])
    assert bounded(far).log_prob(x).tolist()[0][:2] == pytest.approx([-30.0, -30.0])
    near = torch.linspace(-5, 5, 3)[None]
    torch.testing.assert_close(bounded(near).log_prob(x), free(near).log_prob(x), rtol=0.01, atol=1e-3)
