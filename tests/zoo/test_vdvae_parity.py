"""The very deep VAE against the published code's recorded numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from published_vdvae import CONFIG, DIMS, Noise, load, named_noise, recorded, thin
from torch import Tensor, nn

from hvae.checkpoints.vdvae import _mixture_order, convert, published_shapes
from hvae.config.train import TrainConfig
from hvae.distributions import LogisticMixture
from hvae.distributions.logistic import Bins, log_mass
from hvae.draw import given, prior
from hvae.models import TopDown
from hvae.objectives import ELBO
from hvae.training.average import Average
from hvae.training.loss import Batch, LossStep
from hvae.training.optimisers import optimiser
from hvae.walk import Trace, run
from hvae.zoo.vdvae import level_names

FILE = load("vdvae_tiny.npz")
IMAGES = FILE["u8"].permute(0, 3, 1, 2).float() / 255
LEVELS = level_names(CONFIG)


def out(name: str) -> Tensor:
    return FILE[f"out/{name}"]


def close(ours: Tensor, theirs: Tensor, rtol: float = 1e-5) -> None:
    """Within `rtol` of the largest value: what float32 can promise of sums in another order."""
    error, size = (ours.double() - theirs.double()).abs().max(), theirs.double().abs().max()
    assert error <= rtol * size, f"off by {error / size:.2e} of the largest value"


@pytest.fixture(scope="module")
def model() -> TopDown:
    return recorded()


@torch.no_grad()
def seen(model: TopDown, draw: object, evidence: object = None) -> tuple[Trace, Tensor]:
    """A trace, and the state that its likelihood was made of."""
    states: list[Tensor] = []
    hook = model.leave[0].register_forward_hook(lambda module, inputs, output: states.append(output))
    trace = run(model, draw, evidence, n=len(IMAGES))
    hook.remove()
    return trace, states[0]


# --- What the published code computed


@pytest.mark.parametrize("name", ["noise", "zero"])
def test_each_term_of_the_loss(model: TopDown, name: str) -> None:
    noise = {level: (name == "noise") * some for level, some in named_noise().items()}
    trace, state = seen(model, Noise(noise), model.evidence(IMAGES))
    close(-trace.elbo().mean() / DIMS, out(f"{name}/elbo"))
    close(-trace.log_likelihood() / DIMS, out(f"{name}/distortion_per_image"))
    close(-trace.log_likelihood().mean() / DIMS, out(f"{name}/distortion"))
    close(sum(trace.rates().values()).mean() / DIMS, out(f"{name}/rate"))
    close(thin(state), out(f"{name}/px_z"))
    for rate, kl in zip(trace.rates().values(), out(f"{name}/kl"), strict=True):
        close(rate, kl)
    close(torch.cat([thin(trace[level].value, 200) for level in LEVELS]), out(f"{name}/z"))
    raw = model.leave[1](state)[:, _mixture_order(3).argsort()]  # our order of the raw numbers to theirs
    close(thin(raw.permute(0, 2, 3, 1)), out(f"{name}/dmol"))
    assert set(trace.estimators().values()) == {"analytic"}


def test_the_parameters_of_the_likelihood(model: TopDown) -> None:
    """From raw numbers in the published order: logits, then a channel's locations, log-scales and coefficients."""
    trace, state = seen(model, Noise(named_noise()), model.evidence(IMAGES))
    raw = model.leave[1](state)[:, _mixture_order(3).argsort()]
    p = trace["x"].p
    assert isinstance(p, LogisticMixture)
    torch.testing.assert_close(p.logits, raw[:, :3])
    parts = raw[:, 3:].unflatten(1, (3, 3, 3)).transpose(2, 3)  # (B, C, M, kind, H, W)
    torch.testing.assert_close(p.loc, parts[:, :, :, 0].transpose(1, 2))
    torch.testing.assert_close(p.log_scale, parts[:, :, :, 1].transpose(1, 2).clamp(min=-7))
    torch.testing.assert_close(p.coefficients, parts[:, :, :, 2].transpose(1, 2).tanh())


def test_features_of_each_resolution(model: TopDown) -> None:
    with torch.no_grad():
        features = model.bottom_up.up(IMAGES)
    assert list(features) == ["32", "16", "8", "4", "1"]
    for resolution, feature in features.items():
        close(thin(feature), out(f"feature/{resolution}"))


@pytest.mark.parametrize("t", [1.0, 0.8])
def test_generation_at_a_temperature(model: TopDown, t: float) -> None:
    close(thin(seen(model, Noise(named_noise(), t))[1]), out(f"prior/{t}"))


def test_generation_from_given_latents(model: TopDown) -> None:
    trace, _ = seen(model, Noise(named_noise()), model.evidence(IMAGES))
    values = {level: trace[level].value for level in LEVELS}
    close(thin(seen(model, given(values, prior()))[1]), out("given/all"))
    half = {level: values[level] for level in LEVELS[: len(LEVELS) // 2]}
    close(thin(seen(model, given(half, Noise(named_noise(), 0.1)))[1]), out("given/half"))


def test_samples(model: TopDown) -> None:
    trace, _ = seen(model, Noise(named_noise()))
    uniforms = [FILE[f"uniform/{kind}"].permute(0, 3, 1, 2) for kind in ("gumbel", "logistic")]
    with mock.patch("torch.rand_like", side_effect=uniforms):
        unrounded = trace["x"].p.unrounded()
    close(thin(2 * unrounded.permute(0, 2, 3, 1) - 1), out("sample"))
    # They cut what lies between two grey values; where the cut is close, the last bit decides.
    off = (thin((255 * unrounded.permute(0, 2, 3, 1)).floor()) - out("sample_u8").float()).abs()
    assert off.max() <= 1 and off.mean() < 1e-2
    with mock.patch("torch.rand_like", side_effect=uniforms):
        sample = trace["x"].p.sample()
    assert (sample - unrounded)[:, 0].abs().max() <= 0.5 / 255 + 1e-6
    torch.testing.assert_close(255 * sample, (255 * sample).round())


def their_mass(loc: Tensor, log_scale: Tensor, where: Bins, levels: int) -> Tensor:
    """The published log-mass of a bin: below 1e-5 it is the bin's width times the density in its middle."""
    n, inverse, centred = levels - 1, torch.exp(-log_scale), where.centre - loc
    high, low = inverse * (centred + 1 / n), inverse * (centred - 1 / n)
    mass, middle = high.sigmoid() - low.sigmoid(), inverse * centred
    density = middle - log_scale - 2 * F.softplus(middle) - math.log(n / 2)
    inside = torch.where(mass > 1e-5, mass.clamp(min=1e-12).log(), density)
    return torch.where(
        where.has_low == 0, F.logsigmoid(high), torch.where(where.has_high == 0, -F.softplus(low), inside)
    )


def test_the_same_function_in_float64() -> None:
    """To 1e-10 with their mass of rare bins; ours, which is exact, moves the loss of this untrained model by 2e-6."""
    noise = {name: some.double() for name, some in named_noise().items()}
    model, losses = recorded().double(), []
    for mass in (log_mass, their_mass):
        model.zero_grad()
        model.head.mass = mass
        trace = run(model, Noise(noise), model.evidence(FILE["u8"].permute(0, 3, 1, 2).double() / 255))
        losses.append(-trace.elbo().mean() / DIMS)
    losses[1].backward()
    close(losses[0], out("double/elbo"), 1e-5)
    close(losses[1], out("double/elbo"), 1e-10)
    close(-trace.log_likelihood().mean() / DIMS, out("double/distortion"), 1e-10)
    close(sum(trace.rates().values()).mean() / DIMS, out("double/rate"), 1e-10)
    close(nn.utils.clip_grad_norm_(model.parameters(), math.inf), out("double/grad_norm"), 1e-10)


def test_a_training_step() -> None:
    """Clipped gradients, AdamW and the average of the weights, with the pieces that our trainer is made of.

    Our loss is in nats an image: the norm to clip to and Adam's epsilon are as many times the published ones.
    """
    model, step = recorded().train(), load("vdvae_tiny_step.npz")
    model.head.mass = their_mass
    config = TrainConfig(lr=1e-3, betas=(0.9, 0.9), weight_decay=0.01, eps=1e-8 * DIMS, clip=0.5 * DIMS, ema=0.999)
    average = Average(model, config.ema)
    average.updates = 10**6  # past the rise of the decay, which the published average does not have
    adamw = optimiser(config, model.parameters())
    with mock.patch("torch.randn_like", side_effect=list(named_noise().values())):
        LossStep(model, ELBO())(Batch(IMAGES), 0)[0].backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    close(norm / DIMS, step["grad_norm"])
    grads = {name: p.grad for name, p in model.named_parameters()}
    adamw.step()
    average.update()
    close(_in_their_order(grads) / DIMS, step["grad"], 2e-5)  # between two machines theirs differ by 8e-6
    close(_in_their_order(dict(model.named_parameters())), step["param"], 2e-5)
    close(_in_their_order(dict(average.model.named_parameters())), step["ema"])


def _in_their_order(ours: Mapping[str, Tensor]) -> Tensor:
    """Thinned values of all weights, by way of a conversion of where each of them stands."""
    shapes = published_shapes(CONFIG)
    places = torch.arange(sum(math.prod(shape) for shape in shapes.values())).double()
    parts = places.split([math.prod(shapes[name]) for name in sorted(shapes)])
    state = {name: part.view(shapes[name]) for name, part in zip(sorted(shapes), parts, strict=True)}
    moved = convert(state, CONFIG)
    flat = torch.empty(len(places))
    for name, places in moved.items():
        flat[places.long().flatten()] = ours[name].detach().flatten()
    return thin(flat, 10_000)
