"""Layers to a map of twice the size: adjoint of a stride, variance that passes, any size and number of axes."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.draw import posterior
from hvae.errors import HvaeError
from hvae.nn.conv import halved
from hvae.nn.larger import LARGER, Transposed, enlarged
from hvae.walk import run
from hvae.zoo import build

FAMILIES: dict[str, ModelConfig] = {
    "vae": VAEConfig(network="conv", latent=2, widths=(4, 6), up="transposed"),
    "markov": MarkovConfig(network="conv", norm="none", latents=(2, 2), widths=(4, 6), up="transposed"),
    "lvae": LVAEConfig(network="conv", norm="group", latents=(2, 2), widths=(4, 6), up="transposed"),
    "vlae": VLAEConfig(network="conv", latents=(2, 2), widths=(4, 6), up="transposed"),
    "ladder": LadderConfig(groups=(1, 1), width=6, latent=2, up="transposed"),
    "ladder of bare scales": LadderConfig(groups=(0, 1, 0, 0, 1), width=6, latent=2, up="transposed"),
}


def test_transposed_is_the_adjoint_of_a_strided_convolution() -> None:
    torch.manual_seed(0)
    layer, x, y = Transposed(2, 3, (6, 8)).double(), torch.randn(1, 2, 3, 4).double(), torch.randn(1, 3, 6, 8).double()
    strided = conv2d(y, layer.layer.weight, stride=2, padding=1)
    torch.testing.assert_close((layer(x) * y).sum(), (x * strided).sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", LARGER)
@pytest.mark.parametrize("size", [(7,), (8, 5), (3, 4, 5)])
def test_any_size_of_any_axes_is_reached(kind: str, size: tuple[int, ...]) -> None:
    fine = torch.nn.Sequential(*LARGER[kind](2, 3, size))(torch.zeros(2, 2, *halved(size)))
    assert fine.shape == (2, 3, *size)


@pytest.mark.parametrize("kind", LARGER)
@pytest.mark.parametrize(("here", "there"), [((2, 1), (7, 4)), ((3, 3), (7, 7)), ((1, 2), (3, 4)), ((1, 1), (8, 1))])
def test_several_doublings_lead_to_any_larger_size(kind: str, here: tuple[int, ...], there: tuple[int, ...]) -> None:
    fine = torch.nn.Sequential(*enlarged(LARGER[kind], (2, *here), (3, *there)))(torch.zeros(2, 2, *here))
    assert fine.shape == (2, 3, *there)


@pytest.mark.parametrize("kind", LARGER)
def test_the_size_of_a_signal_passes(kind: str) -> None:
    """Weights of He's size double the second moment of what has no rectifier before it, away from the borders."""
    torch.manual_seed(0)
    fine = torch.nn.Sequential(*LARGER[kind](64, 64, (32, 32)))(torch.randn(8, 64, 16, 16))
    assert fine[..., 2:-2, 2:-2].square().mean().item() == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_convolutional_family_takes_it_and_learns(name: str) -> None:
    torch.manual_seed(0)
    model = build(FAMILIES[name], (1, 9, 7), 1)
    x = torch.bernoulli(torch.full((3, 1, 9, 7), 0.4))
    (-run(model, posterior, model.evidence(x)).elbo().mean()).backward()
    layers = [module for module in model.modules() if isinstance(module, Transposed)]
    assert layers
    assert all(
        weight.grad is not None and weight.grad.abs().sum() > 0 for layer in layers for weight in layer.parameters()
    )


@pytest.mark.parametrize("config", [VAEConfig, MarkovConfig, LVAEConfig, VLAEConfig])
def test_vectors_have_nothing_to_enlarge(config: type[VAEConfig]) -> None:
    with pytest.raises(HvaeError, match=r"model\.up: expected model\.network conv, .* got mlp"):
        config(up="transposed")
