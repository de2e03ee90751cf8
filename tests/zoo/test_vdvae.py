"""The very deep VAE: a plain form of the same function, its sizes, its starts, and data of any kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from published_vdvae import CONFIG, Noise, load, recorded, theirs
from torch import Tensor

from hvae.checkpoints.vdvae import _mixture_order, convert, published_shapes
from hvae.config.vdvae import PUBLISHED, VDVAEConfig
from hvae.config.vdvae_blocks import decoder_blocks, encoder_blocks
from hvae.draw import posterior, prior
from hvae.errors import HvaeError
from hvae.nn import Recomputed
from hvae.walk import names, run
from hvae.zoo import build
from hvae.zoo.vdvae import level_names

IMAGES = load("vdvae_tiny.npz")["u8"].permute(0, 3, 1, 2).float() / 255


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


def test_evidence_is_made_once_a_resolution() -> None:
    """IWAE and sampling reuse it: the networks of the way up run once, however often rows are repeated."""
    model = recorded()
    with mock.patch.object(model.bottom_up, "forward", wraps=model.bottom_up.forward) as climb:
        evidence = model.evidence(IMAGES)
        for k in (1, 3):
            run(model, posterior, evidence.repeat(k))
    assert climb.call_count == 1
    sizes = {name: tuple(e.shape[1:]) for name, e in evidence.features.items()}
    assert sizes == {f"z{9 - i}": (8, b.resolution, b.resolution) for i, b in enumerate(decoder_blocks(CONFIG.decoder))}


def test_names_run_down_to_z1() -> None:
    assert names(recorded()) == [f"z{l}" for l in range(9, 0, -1)]


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
