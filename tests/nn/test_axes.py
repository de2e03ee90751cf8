"""Convolutional families over signals, images and volumes: one kit, one, two or three axes."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from hvae import Datum, build, given, names, posterior, prior, run
from hvae.config import LadderConfig, ModelConfig, VAEConfig
from hvae.config.condition import ConditionConfig
from hvae.config.flow import FlowConfig
from hvae.config.model import LVAEConfig, MarkovConfig, VLAEConfig
from hvae.errors import HvaeError
from hvae.nn.conv import SubPixel, spread

SHAPES = [(2, 13), (2, 6, 5), (1, 5, 6, 3)]
SMALL = {"width": 8, "latent": 2, "likelihood": "bernoulli"}
FLOW = FlowConfig(prior="affine", posterior="affine-coupling", transforms=1, hidden=(4,))
MODELS: dict[str, ModelConfig] = {
    "vae": VAEConfig(network="conv", latent=2, widths=(6, 8), norm="batch"),
    "lvae": LVAEConfig(network="conv", latents=(2, 2), widths=(6, 8), attention=(0, 2)),
    "vlae": VLAEConfig(network="conv", latents=(3, 2), widths=(6, 8), grown=(2,), fade=0),
    "markov": MarkovConfig(network="conv", latents=(2, 2), widths=(16, 32), norm="group"),
    "ladder": LadderConfig(groups=(0, 2, 1), **SMALL, dropout=0.2, checkpoint=True),
    "ladder-start": LadderConfig(groups=(1, 1), **SMALL, start="everywhere", share="both", attention=(0, 2)),
    "ladder-grown": LadderConfig(groups=(0, 1, 1), **SMALL, grown=(2,), fade=0, flow=FLOW),
    "ladder-class": LadderConfig(groups=(1, 1), **SMALL, condition=ConditionConfig(kind="class", classes=3)),
}


def data(shape: tuple[int, ...]) -> Tensor:
    return torch.bernoulli(torch.full((3, *shape), 0.4, dtype=torch.float64))


@pytest.mark.parametrize("shape", SHAPES, ids=["signal", "image", "volume"])
@pytest.mark.parametrize("name", MODELS)
def test_a_family_takes_maps_of_any_axes(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model, x = build(MODELS[name], shape, bits=1).double(), data(shape)
    context = {"label": torch.tensor([0, 1, 2])} if "class" in name else {}
    evidence = model.evidence(Datum(x, context))
    trace = run(model, posterior, evidence)
    trace.elbo().mean().backward()
    assert all(w.grad is not None and w.grad.isfinite().all() for w in model.parameters())
    assert trace["x"].p.mean().shape == x.shape
    model.eval()
    values = {name: run(model, posterior, evidence)[name].value for name in names(model)}
    again = run(model, given(values), evidence)
    assert all(torch.equal(again[name].value, value) for name, value in values.items())
    assert run(model, prior(), n=3, context=context).x.shape == (3, *shape)


@pytest.mark.parametrize("size", [(5,), (4, 3), (3, 2, 4)])
def test_channels_become_places(size: tuple[int, ...]) -> None:
    """Channel c 2^n + (i, j, ..) of a place is what stands at (i, j, ..) of its cell, along every axis."""
    axes = len(size)
    h = torch.randn(2, 3 * 2**axes, *size)
    fine = spread(h)
    assert fine.shape == (2, 3, *(2 * s for s in size))
    for c, place in itertools.product(range(3), itertools.product(*map(range, size))):
        for number, corner in enumerate(itertools.product(range(2), repeat=axes)):
            at = tuple(2 * p + i for p, i in zip(place, corner, strict=True))
            assert torch.equal(fine[(slice(None), c, *at)], h[(slice(None), c * 2**axes + number, *place)])
    odd = [2 * s - 1 for s in size]
    assert SubPixel(4, 2, odd)(torch.randn(1, 4, *size)).shape == (1, 2, *odd)


def test_a_flat_volume_is_an_image() -> None:
    """One slice deep, with the kernels' middle slices alone, a ladder of volumes computes what one of images does."""
    torch.manual_seed(0)
    config = LadderConfig(groups=(1, 1), **SMALL, attention=(0, 2))
    flat, deep = build(config, (1, 6, 5), bits=1).double(), build(config, (1, 1, 6, 5), bits=1).double()
    weights = {}
    for (name, target), source in zip(deep.state_dict().items(), flat.state_dict().values(), strict=True):
        whole = torch.zeros_like(target)
        whole[(slice(None), slice(None), target.shape[2] // 2) if target.ndim == 5 else ...] = (
            source if target.ndim == 5 or target.shape == source.shape else source.unsqueeze(1)
        )
        weights[name] = whole
    deep.load_state_dict(weights)
    x = data((1, 6, 5))
    torch.manual_seed(1)
    a = run(flat, posterior, flat.evidence(x))
    torch.manual_seed(1)
    b = run(deep, posterior, deep.evidence(x[:, :, None]))
    torch.testing.assert_close(a.elbo(), b.elbo())


def test_data_of_no_axis_and_of_four() -> None:
    for shape in ((7,), (1, 2, 2, 2, 2)):
        with pytest.raises(HvaeError, match="the ladder needs images .*, signals .* or volumes"):
            build(LadderConfig(groups=(1,), **SMALL), shape, bits=1)
        with pytest.raises(HvaeError, match="model.network conv: expected data of 1 to 3 axes"):
            build(VAEConfig(network="conv", latent=2, widths=(4,)), shape, bits=1)
