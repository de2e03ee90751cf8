"""The very deep VAE: the published code's recorded numbers, a plain form of the same function, and its sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from published_vdvae import CONFIG, DIMS, Noise, load, named_noise, recorded, theirs, thin
from torch import Tensor, nn

from hvae.checkpoints.vdvae import _mixture_order, convert, published_shapes
from hvae.config.train import TrainConfig
from hvae.config.vdvae import PUBLISHED, VDVAEConfig
from hvae.config.vdvae_blocks import decoder_blocks, encoder_blocks
from hvae.distributions import LogisticMixture
from hvae.distributions.logistic import Bins, log_mass
from hvae.draw import given, posterior, prior
from hvae.errors import HvaeError
from hvae.models import TopDown
from hvae.nn import Recomputed
from hvae.objectives import ELBO
from hvae.train.average import Average
from hvae.train.loss import LossStep
from hvae.train.optimisers import optimiser
from hvae.walk import Trace, names, run
from hvae.zoo import build
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
        LossStep(model, ELBO())(IMAGES, 0)[0].backward()
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


# --- The same function in its plain form


def _layer(state: Mapping[str, Tensor], name: str, h: Tensor) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(h, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def _plain_block(state: Mapping[str, Tensor], name: str, h: Tensor) -> Tensor:
    for part in ("c1", "c2", "c3", "c4"):
        h = _layer(state, f"{name}.{part}", F.gelu(h))
    return h


def _plain_features(state: Mapping[str, Tensor], config: VDVAEConfig, x: Tensor) -> dict[int, Tensor]:
    h = _layer(state, "encoder.in_conv", (255 * x + config.shift) * config.scale)
    features = {config.resolutions[0]: h}
    for i, block in enumerate(encoder_blocks(config.encoder)):
        h = F.avg_pool2d(h + _plain_block(state, f"encoder.enc_blocks.{i}", h), block.pool)
        missing = config.widths[block.above] - h.shape[1]
        h = torch.cat([h, h.new_zeros(len(h), missing, *h.shape[2:])], 1)
        features[block.above] = h
    return features


def plain(state: Mapping[str, Tensor], config: VDVAEConfig, x: Tensor, noise: Mapping[str, Tensor]) -> list[Tensor]:
    """The raw numbers of the likelihood, then each level's KL, of the published function written without thought."""
    features, d = _plain_features(state, config, x), config.latent
    at = sorted({b.resolution for b in decoder_blocks(config.decoder) if b.resolution <= config.no_bias_above})
    states = {r: state[f"decoder.bias_xs.{i}"].expand(len(x), -1, -1, -1) for i, r in enumerate(at)}
    kls: list[Tensor] = []
    for i, (level, block) in enumerate(zip(level_names(config), decoder_blocks(config.decoder), strict=True)):
        e, name = features[block.resolution], f"decoder.dec_blocks.{i}"
        h = states.get(block.resolution, torch.zeros_like(e))
        if block.source:
            above = states[block.source][:, : h.shape[1]]
            h = h + F.interpolate(above, scale_factor=block.resolution // block.source)
        qm, qs = _plain_block(state, f"{name}.enc", torch.cat([h, e], 1)).split(d, 1)
        pm, ps, step = _plain_block(state, f"{name}.prior", h).split([d, d, h.shape[1]], 1)
        kl = ps - qs - 0.5 + 0.5 * ((2 * qs).exp() + (qm - pm) ** 2) / (2 * ps).exp()
        kls.append(kl.sum((1, 2, 3)))
        h = h + step + _layer(state, f"{name}.z_proj", qm + qs.exp() * noise[level])
        states[block.resolution] = h + _plain_block(state, f"{name}.resnet", h)
    last = states[config.resolutions[0]] * state["decoder.gain"] + state["decoder.bias"]
    return [_layer(state, "decoder.out_net.out_conv", last), *kls]


SHAPES = {
    "several levels a resolution": VDVAEConfig(
        encoder="8x1,8d2,4x2,4d4,1x1", decoder="1x2,4m1,4x2,8m4,8x1", width=12, latent=3, mixtures=2
    ),
    "1x1 blocks at 2, no bias above 2": VDVAEConfig(
        encoder="8d2,4d2,2x1,2d2", decoder="1x1,2m1,2x1,4m2,8m4", width=8, latent=2, mixtures=1, no_bias_above=2
    ),
    "features filled up, states cut": VDVAEConfig(
        encoder="8x1,8d2,4x1,4d4,1x1",
        decoder="1x1,4m1,4x1,8m4,8x1",
        width=8,
        custom_widths="4:12,1:20",
        bottleneck=0.5,
        latent=2,
        mixtures=2,
        checkpoint=True,
    ),
    "no bias at all": VDVAEConfig(encoder="8x1,8d2", decoder="4x1,8m4", width=8, latent=2, no_bias_above=2),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_plain_form_is_the_same_function(name: str) -> None:
    config = SHAPES[name]
    shapes = published_shapes(config)
    state = {key: torch.randn(s, dtype=torch.float64) / (1 + math.prod(s[1:])) ** 0.5 for key, s in shapes.items()}
    model = build(config, (3, 8, 8)).double()
    model.load_state_dict(convert(state, config))
    x = torch.randint(0, 256, (2, 3, 8, 8)).double() / 255
    evidence = model.evidence(x)
    noise = {r.name: torch.randn_like(r.value) for r in run(model, prior(), n=2).latents}
    state = {key: value.requires_grad_() for key, value in state.items()}
    raw, *kls = plain(state, config, x, noise)
    trace = run(model, Noise(noise), evidence)
    rates = list(trace.rates().values())
    torch.testing.assert_close(rates, kls, rtol=1e-10, atol=1e-10)
    p = model.head(raw[:, _mixture_order(config.mixtures)])
    torch.testing.assert_close(trace.log_likelihood(), p.log_prob(x).flatten(1).sum(1), rtol=1e-10, atol=1e-8)
    # And so are its gradients, of the rates alone: in float64 a likelihood this far off has none to speak of.
    sum(rates).sum().backward()
    sum(kls).sum().backward()
    grads = {key: torch.zeros_like(v) if v.grad is None else v.grad for key, v in state.items()}
    found = {key: v.grad for key, v in model.named_parameters() if v.grad is not None}
    expected = convert(grads, config)
    assert all(not expected[key].any() for key in set(expected) - set(found))
    for key, grad in found.items():
        torch.testing.assert_close(grad, expected[key], rtol=1e-9, atol=1e-9)


def test_recomputed_blocks_give_the_same_gradients() -> None:
    config = SHAPES["several levels a resolution"]
    both = []
    for made in (config, replace(config, checkpoint=True)):
        torch.manual_seed(0)
        model = build(made, (3, 8, 8)).double()
        torch.manual_seed(1)
        (-model(torch.full((2, 3, 8, 8), 0.5, dtype=torch.float64)).elbo().mean()).backward()
        both.append([p.grad for p in model.parameters()])
        assert any(isinstance(m, Recomputed) for m in model.modules()) is made.checkpoint
    torch.testing.assert_close(both[0], both[1])


# --- Sizes and starts

COUNTS = {
    "cifar10": (39_145_700, 43),
    "imagenet32": (119_280_868, 78),
    "imagenet64": (125_005_860, 75),
    "ffhq256": (114_874_852, 66),
    "ffhq1024": (109_366_904, 70),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(name: str) -> None:
    config = PUBLISHED[name]
    side = config.resolutions[0]
    with torch.device("meta"):
        model = build(config, (3, side, side))
    assert (sum(p.numel() for p in model.parameters()), len(model.levels)) == COUNTS[name]
    assert list(model.levels) == level_names(config)


def test_published_starts() -> None:
    """Priors begin as N(0, 1) and states unmoved by them; biases at zero; residual branches at sqrt(1 / count)."""
    torch.manual_seed(0)
    model = build(replace(CONFIG, width=64), (3, 32, 32))
    trace = run(model, posterior, model.evidence(IMAGES))
    assert all(not r.p.loc.any() and bool((r.p.scale == 1).all()) for r in trace.latents)
    state = model.state_dict()
    assert all(not w.any() for name, w in state.items() if name.endswith(("bias", "state")))
    branch, usual = state["levels.z1.block.tail.last.weight"], state["levels.z1.twin.joint.last.weight"]
    assert branch.abs().max() <= math.sqrt(1 / 9 / 32) < 1.05 * branch.abs().max()
    assert usual.abs().max() <= math.sqrt(1 / 32) < 1.05 * usual.abs().max()
    assert state["levels.z1.inject.weight"].abs().max() <= math.sqrt(1 / 9 / 4)
    twin, fan = state["levels.z1.twin.weight"], state["bottom_up.fans.32.weight"]
    assert twin[:32].abs().max() <= math.sqrt(1 / 64) < 1.05 * twin[:32].abs().max()
    assert fan.abs().max() <= math.sqrt(1 / 128) < 1.05 * fan.abs().max()
    assert twin[32:].abs().max() <= math.sqrt(1 / 128) < 1.05 * twin[32:].abs().max()


@pytest.mark.parametrize(
    ("shape", "encoder", "decoder", "likelihood"),
    [
        ((1, 28, 28), "28x1,28d2,14x1,14d2,7x1,7d7", "1x1,7m1,14m7,28m14", "bernoulli"),
        ((3, 12, 20), "12x1,12d2,6x1,6d3,2x1", "2x1,6m2,12m6,12x1", "dmol"),
        ((2, 7, 9), "7d2,3x1", "3x1,7m3", "logistic-pixel"),
        ((4, 5, 5), "5x1", "5x2", "gaussian"),
    ],
)
def test_any_size_channels_and_likelihood(shape: tuple[int, ...], encoder: str, decoder: str, likelihood: str) -> None:
    config = VDVAEConfig(encoder=encoder, decoder=decoder, width=8, latent=2, mixtures=2, likelihood=likelihood)
    bits = 1 if likelihood == "bernoulli" else 8
    model = build(config, shape, bits)
    x = torch.randint(0, 2**bits, (3, *shape)) / (2**bits - 1)
    assert torch.isfinite(model(x).elbo()).all()
    trace = run(model, prior(), n=2)
    assert trace.x.shape == (2, *shape)
    ratio = [shape[1] / r.value.shape[2] for r in trace.latents]
    assert ratio == sorted(ratio, reverse=True) and ratio[-1] == 1.0


def test_evidence_is_made_once_a_resolution(model: TopDown) -> None:
    """IWAE and sampling reuse it: the networks of the way up run once, however often rows are repeated."""
    with mock.patch.object(model.bottom_up, "forward", wraps=model.bottom_up.forward) as climb:
        evidence = model.evidence(IMAGES)
        for k in (1, 3):
            run(model, posterior, evidence.repeat(k))
    assert climb.call_count == 1
    sizes = {name: tuple(e.shape[1:]) for name, e in evidence.features.items()}
    assert sizes == {f"z{9 - i}": (8, b.resolution, b.resolution) for i, b in enumerate(decoder_blocks(CONFIG.decoder))}


def test_names_run_down_to_z1(model: TopDown) -> None:
    assert names(model) == [f"z{l}" for l in range(9, 0, -1)]


@pytest.mark.parametrize(
    ("config", "shape", "line"),
    [
        (CONFIG, (3, 28, 28), r"model.encoder begins at resolution 32: expected images \(C, 32, W\), got .*28"),
        (CONFIG, (3072,), "model.encoder begins at resolution 32"),
        (CONFIG, (3, 32, 8), "model.encoder pools a width of 1 by 4 at resolution 4"),
        (replace(CONFIG, likelihood="bernoulli"), (3, 32, 32), "expected binary data"),
        (replace(CONFIG, likelihood="dmol-vdvae5"), (3, 32, 32), "got 4 levels: set data.bits=5"),
    ],
)
def test_data_that_do_not_fit(config: VDVAEConfig, shape: tuple[int, ...], line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        build(config, shape, bits=2)


def test_five_bit_faces_by_either_reading() -> None:
    """8-bit data are scored by their five high bits; both readings are of the same weights."""
    published = replace(CONFIG, likelihood="dmol-vdvae5")
    values = []
    for config, bits in ((published, 8), (published, 5), (replace(published, likelihood="dmol-vdvae5-exact"), 8)):
        model = build(config, (3, 32, 32), bits)
        model.load_state_dict(convert(theirs(), config))
        x = IMAGES if bits == 8 else (255 * IMAGES / 8).floor() / 31
        state = torch.randn(3, 16, 32, 32, generator=torch.Generator().manual_seed(0))
        p = model.head(model.leave(state))
        values.append(p.log_prob(x).sum())
        grid = (255 / 8 if bits == 8 else 31) * p.sample()
        torch.testing.assert_close(grid, grid.round(), atol=1e-5, rtol=0)
    torch.testing.assert_close(values[0], values[1])
    assert not torch.isclose(values[0], values[2], rtol=1e-4)
