"""A context above the levels: its transform, its nats, and that each key stands alone."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.fft import dctn
from torch import Tensor

from hvae.config.context import ContextConfig
from hvae.config.model import LadderConfig, ModelConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.datum import Datum
from hvae.distributions import GridGaussian
from hvae.draw import given, posterior, prior
from hvae.errors import HvaeError
from hvae.nn.cosine import Grid, shown, transformed
from hvae.walk import Model, names, run
from hvae.zoo import build

CONTEXT = ContextConfig(size=2, bits=2, steps=3, width=8, blocks=1)
LADDER = {"groups": (1, 1), "width": 4, "latent": 1}
STRINGS = {"encoder": "6x1,6d2,3d2,1x1", "decoder": "1x1,3m1,6m3,6x1", "width": 8, "latent": 2}


def model_of(config: ModelConfig, shape: tuple[int, ...] = (1, 6, 5)) -> Model:
    torch.manual_seed(0)
    return build(config, shape, 1).double().eval()


def ink(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.bernoulli(torch.full(shape, 0.4, dtype=torch.float64))


def test_the_transform_is_the_cosine_transform_and_its_own_inverse() -> None:
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64)
    whole = transformed(x, (6, 5))
    published = torch.from_numpy(dctn(x.numpy(), axes=(2, 3), norm="ortho")) / math.sqrt(30)
    torch.testing.assert_close(whole, published, rtol=0, atol=1e-14)
    torch.testing.assert_close(shown(whole, (6, 5)), x, rtol=0, atol=1e-14)
    torch.testing.assert_close(transformed(shown(whole[..., :2, :2], (12, 10)), (2, 2)), whole[..., :2, :2])


def test_a_grid_reaches_whatever_binary_data_can_be_and_no_further() -> None:
    grid = Grid((1, 2, 3), 2, 64).double()
    all_data = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6)), dtype=torch.float64).view(-1, 1, 2, 3)
    u = grid(all_data)
    torch.testing.assert_close(u.amin(0), torch.zeros_like(u[0]))
    torch.testing.assert_close(u.amax(0), torch.ones_like(u[0]))
    off = (grid.frequencies_at(u) - transformed(all_data, (2, 2))).abs()
    assert (off <= (grid.high - grid.low) / 63 / 2 + 1e-6).all()


@pytest.mark.parametrize("kind", ["ladder", "vdvae"])
def test_the_bound_counts_what_the_context_costs(kind: str) -> None:
    configs = {"ladder": LadderConfig(**LADDER, context=CONTEXT), "vdvae": VDVAEConfig(**STRINGS, context=CONTEXT)}
    model = model_of(configs[kind])
    trace = run(model, posterior, model.evidence(ink(3, 1, 6, 5)))
    spent = sum(rate for name, rate in trace.rates().items() if name.startswith("u"))
    parts = trace.log_likelihood() - sum(rate for name, rate in trace.rates().items() if name.startswith("z")) - spent
    torch.testing.assert_close(trace.elbo(), parts)
    assert names(model)[:5] == ["u4", "u3", "u2", "u1", "u"] and bool((spent > 0).all())
    law = trace["u"].p
    assert isinstance(law, GridGaussian)
    torch.testing.assert_close(law.logits.softmax(1).sum(1), torch.ones_like(trace["u"].value))
    grids = torch.linspace(0, 1, 4, dtype=torch.float64)
    masses = torch.stack([law.log_prob(grid.expand_as(trace["u"].value)).exp() for grid in grids]).sum(0)
    torch.testing.assert_close(masses, torch.ones_like(masses))


def test_importance_weights_sum_to_the_probability_that_data_have_the_context_they_were_drawn_under() -> None:
    """sum over all x of E_q w = sum of p(x, u(x)) = P(u = u(x)), estimated by draws from the model: at most 1."""
    context = ContextConfig(size=1, bits=1, steps=2, width=8, blocks=1)
    model = model_of(LadderConfig(groups=(1,), width=4, latent=1, context=context), (1, 2, 2))
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)), dtype=torch.float64).view(-1, 1, 2, 2)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        optimiser.zero_grad()
        (-model(every.repeat(4, 1, 1, 1)).elbo().mean()).backward()
        optimiser.step()
    with torch.no_grad():
        draws = 4000
        weights = run(model, posterior, model.evidence(every).repeat(draws)).log_weight().exp().view(16, draws)
        sums = weights.sum(0)
        sample = run(model, prior(), n=20_000)
        same = (model.features(Datum(sample.x))["u"] == sample["u"].value).double().flatten()
    error = math.hypot(float(sums.std()) / math.sqrt(draws), float(same.std()) / math.sqrt(len(same)))
    assert error < 0.05 and abs(float(sums.mean() - same.mean())) < 4 * error


def test_what_is_drawn_under_a_pinned_context_hears_it() -> None:
    model = model_of(LadderConfig(**LADDER, context=CONTEXT))
    pictures = []
    for value in (0.0, 1.0):
        torch.manual_seed(3)
        pinned = given({"u": torch.full((2, 1, 2, 2), value, dtype=torch.float64)}, prior())
        pictures.append(model.picture(run(model, pinned, n=2)))
    assert (pictures[0] - pictures[1]).abs().max() > 1e-3


@pytest.mark.parametrize("keys", [{"context": CONTEXT}, {"aggregate": True}])
def test_each_key_alone_adds_weights_and_moves_no_other(keys: dict[str, object]) -> None:
    plain, more = model_of(LadderConfig(**LADDER)).state_dict(), model_of(LadderConfig(**LADDER, **keys)).state_dict()
    assert set(plain) < set(more) and all(torch.equal(weight, more[name]) for name, weight in plain.items())
    kinds = {name.split(".")[0] for name in set(more) - set(plain)}
    assert kinds == ({"condition"} if "context" in keys else {"gather"})


def test_aggregated_latents_reach_the_data_by_a_linear_map_each() -> None:
    model = model_of(LadderConfig(**LADDER, aggregate=True))
    trace = run(model, prior(), n=2)
    h = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    values = {name: trace[name].value for name in ("z1", "z2")}
    gathered, apart = model.gather(h, values) - h, [model.gather(h, {**values, n: 0 * values[n]}) - h for n in values]
    bias = model.gather(h, {name: 0 * value for name, value in values.items()}) - h
    torch.testing.assert_close(gathered + bias, apart[0] + apart[1])


@pytest.mark.parametrize("kind", ["ladder", "vdvae"])
def test_a_context_larger_than_the_image_is_one_line(kind: str) -> None:
    large = ContextConfig(size=6)
    config = LadderConfig(**LADDER, context=large) if kind == "ladder" else VDVAEConfig(**STRINGS, context=large)
    with pytest.raises(HvaeError, match="model.context.size: expected at most 5 frequencies.*got 6"):
        build(config, (1, 6, 5), 1)
