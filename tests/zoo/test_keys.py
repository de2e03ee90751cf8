"""Keys that every convolutional family takes, or says in one line why it does not."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from keyed import BIVA, CONVOLUTIONAL, DEEP, IAF, NV, QRES, data, elbo, toy
from torch import nn

from hvae.config.families import FAMILIES as REGISTRY
from hvae.config.maps import KEYS
from hvae.config.model import ModelConfig
from hvae.config.run import RunConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.walk import Model, run
from hvae.zoo import build


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("family", CONVOLUTIONAL)
def test_a_family_takes_a_key_or_says_why_not(family: str, key: str) -> None:
    kind = REGISTRY[family].config
    if key in {field.name for field in fields(kind)}:
        assert key not in kind.refusals
        return
    with pytest.raises(HvaeError) as refusal:
        RunConfig.from_dict({"model": {"family": family, key: "group"}})
    line = str(refusal.value)
    assert line.startswith(f"model.{key}: ") and kind.refusals[key] in line and "\n" not in line


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        (BIVA, {"attention": (2, 0, 4)}),
        (replace(BIVA, maps=(3, 2, 2)), {"attention": (0, 1, 0)}),
        (IAF, {"attention": (2, 4)}),
        (NV, {"attention": (0, 2)}),
        (QRES, {"attention": (3, 2)}),
        (DEEP, {"attention": "3:2,1:4"}),
    ],
    ids=["biva", "biva-maps", "iafvae", "nvae", "qresvae", "vdvae"],
)
def test_attention_starts_as_if_it_were_not_there(config: ModelConfig, keys: dict[str, object]) -> None:
    plain, attending = toy(config), toy(replace(config, **keys))
    own = attending.state_dict()
    # What stands behind attention counts its layers on: the rest are the same, in the same order.
    rest = [name for name in own if not any(at in name for at in _attentions(attending))]
    assert len(rest) < len(own) and len(rest) == len(plain.state_dict())
    attending.load_state_dict({**own, **dict(zip(rest, plain.state_dict().values(), strict=True))})
    torch.testing.assert_close(elbo(attending), elbo(plain), rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        for name, weight in attending.named_parameters():
            if name.endswith("out.weight") and any(at in name for at in _attentions(attending)):
                nn.init.normal_(weight)
    assert (elbo(attending) - elbo(plain)).abs().min() > 1e-6


def _attentions(model: Model) -> list[str]:
    from hvae.nn.attention import Attention

    return [f"{name}." for name, part in model.named_modules() if isinstance(part, Attention)]


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        (BIVA, ("levels",)),
        (IAF, ("levels",)),
        (NV, ("levels",)),
        (QRES, ("levels", "ways", "both")),
        (DEEP, ("levels", "ways", "both")),
    ],
    ids=["biva", "iafvae", "nvae", "qresvae", "vdvae"],
)
def test_shared_weights_are_fewer_and_each_learns(config: ModelConfig, shares: tuple[str, ...]) -> None:
    counts = {}
    for share in ("none", *shares):
        model = toy(replace(config, share=share)).train()
        counts[share] = sum(weight.numel() for weight in model.parameters())
        for weight in model.parameters():
            if not weight.any():
                nn.init.normal_(weight, std=0.1)
        (-elbo(model).mean()).backward()
        assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters()), share
        assert set(model.state_dict()) <= set(toy(config).state_dict()) | {n for n in model.state_dict() if "fans" in n}
    assert all(counts[share] < counts["none"] for share in shares)
    if "both" in shares:
        assert counts["both"] < min(counts["levels"], counts["ways"])


@pytest.mark.parametrize("config", [DEEP, QRES], ids=["vdvae", "qresvae"])
def test_a_concatenated_skip_starts_as_the_sum(config: ModelConfig) -> None:
    plain, joined = toy(config), toy(replace(config, skip="concat"))
    weights = dict(joined.named_parameters())
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            twin = name.replace("absorb.network", "absorb.network.1").replace("absorb.inject", "absorb.network.0")
            own = weights[twin]
            columns = own.shape[1] - weight.shape[1] if own.ndim > 1 else 0
            (own[:, columns:] if columns else own).copy_(weight)
    torch.testing.assert_close(elbo(joined), elbo(plain), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("config", [DEEP, QRES, NV, IAF], ids=["vdvae", "qresvae", "nvae", "iafvae"])
def test_a_shut_gate_keeps_a_latent_from_the_state(config: ModelConfig) -> None:
    model = toy(replace(config, skip="gated"))
    shut = 0
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".gate." in name and "cells" not in name and ("absorb." in name or "skip." in name or "join." in name):
                if not name.endswith("direction"):  # of a weight-normalised layer, whose gain is the log of its length
                    weight.fill_(-1e3 if name.endswith(("bias", "gain")) else 0.0)
                shut += 1
    assert shut
    traces, evidence = [], model.evidence(data())
    for seed in (1, 2):
        torch.manual_seed(seed)
        traces.append(run(model, posterior, evidence))
    assert not torch.equal(traces[0]["z1"].value, traces[1]["z1"].value)
    torch.testing.assert_close(traces[0].log_likelihood(), traces[1].log_likelihood(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (replace(IAF, latents=(4, 2)), {"z1": 4, "z3": 4, "z4": 2, "z5": 2}),
        (replace(NV, latents=(1, 3)), {"z1": 1, "z2": 1, "z3": 3, "z5": 3}),
        (replace(QRES, latents=(1, 5)), {"z1": 1, "z2": 1, "z3": 5, "z4": 5}),
        (replace(DEEP, custom_latents="3:5"), {"z1": 2, "z2": 2, "z3": 5, "z4": 5, "z5": 2}),
    ],
    ids=["iafvae", "nvae", "qresvae", "vdvae"],
)
def test_latents_have_the_channels_of_their_scale(config: ModelConfig, expected: dict[str, int]) -> None:
    channels = {record.name: record.value.shape[1] for record in toy(config)(data()).latents}
    assert expected.items() <= channels.items()


@pytest.mark.parametrize("config", [DEEP, QRES], ids=["vdvae", "qresvae"])
def test_group_normalisation_gives_each_datum_its_own_features(config: ModelConfig) -> None:
    model = toy(replace(config, norm="group"))
    assert any(isinstance(part, nn.GroupNorm) for part in model.modules())
    together, alone = model.evidence(data()).features, model.evidence(data()[:1]).features
    for name, feature in alone.items():
        torch.testing.assert_close(feature, together[name][:1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("up", ["nearest", "transposed", "sub-pixel"])
@pytest.mark.parametrize("config", [BIVA, IAF, QRES, DEEP], ids=["biva", "iafvae", "qresvae", "vdvae"])
@pytest.mark.parametrize("shape", [(1, 6, 5), (2, 6, 9)])
def test_each_way_to_double_a_map_reaches_any_size(config: ModelConfig, up: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = build(replace(config, up=up), shape, 1)
    x = torch.bernoulli(torch.full((2, *shape), 0.4))
    assert bool(torch.isfinite(model(x).elbo()).all()) and run(model, posterior, model.evidence(x)).x.shape == x.shape


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: replace(BIVA, attention=(2,)), "model.attention: expected one number of heads for each of the 3"),
        (lambda: replace(BIVA, attention=(3, 0, 0)), "expected heads that divide the 4 channels"),
        (lambda: replace(IAF, attention=(0, 3)), "expected heads that divide the 8 channels"),
        (lambda: replace(IAF, latents=(2,)), "for each of the 2 scales of model.blocks"),
        (lambda: replace(IAF, latents=(2, 3)), r"model.width: expected a multiple of model.latents \(3\), got 8"),
        (lambda: replace(IAF, share="ways"), "model.share: expected none or levels, got ways; the blocks of iafvae"),
        (lambda: replace(NV, share="both"), "model.share: expected none or levels, got both; the cells of nvae"),
        (lambda: replace(BIVA, share="ways"), "model.share: expected none or levels, got ways; the stages of biva"),
        (lambda: replace(NV, norm="batch", share="levels"), "model.share: expected none with model.norm batch"),
        (lambda: replace(NV, latents=(1, 2, 3)), "for each of the 2 scales of model.groups"),
        (lambda: replace(QRES, latents=(1,)), "for each of the 2 scales of model.groups"),
        (lambda: replace(DEEP, custom_latents="5:2"), "model.custom_latents: resolution 5 is not among"),
        (lambda: replace(DEEP, custom_latents="3"), "model.custom_latents: expected resolution:channels"),
    ],
)
def test_what_cannot_be_is_said(make: object, line: str) -> None:
    with pytest.raises(HvaeError, match=line):
        make()


@pytest.mark.parametrize("up", ["transposed", "sub-pixel"])
def test_a_row_that_no_doubling_gives_is_the_nearest_one(up: str) -> None:
    model = build(replace(DEEP, encoder="6x1,6d2,3x1", decoder="3x1,6m3", up=up), (1, 6, 6), 1)
    assert len(model.levels["z1"].enter.take) == 1
    odd = VDVAEConfig(encoder="7x1,7d2,3x1", decoder="3x1,7m3", width=8, latent=2, likelihood="bernoulli", up=up)
    model = build(odd, (1, 7, 7), 1)
    assert len(model.levels["z1"].enter.take) == 2
    assert run(model, posterior, model.evidence(torch.zeros(2, 1, 7, 7))).x.shape == (2, 1, 7, 7)
