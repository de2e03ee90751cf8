"""The ladder: it learns with channels last, and nothing but its speed depends on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hvae
from hvae.coding import Picture
from hvae.config.model import LadderConfig
from hvae.draw import posterior
from hvae.metrics.regret import regret
from hvae.nn import layout
from hvae.nn.layout import ChannelsLast
from hvae.walk import Model, run
from hvae.zoo import build

CONFIGS = {
    "all scales": LadderConfig(groups=(1, 2), width=8, latent=2),
    "a bare scale": LadderConfig(groups=(0, 1, 2), width=8, latent=2, posterior="precision"),
    "a bare top": LadderConfig(groups=(1, 1, 0), width=8, latent=2, posterior="linear"),
    "recomputed": LadderConfig(groups=(1, 1), width=8, latent=2, checkpoint=True, start="everywhere"),
    "one channel": LadderConfig(groups=(1, 1), width=1, latent=1, posterior="concat"),
}


def ladder(config: LadderConfig, shape: tuple[int, ...] = (1, 9, 7)) -> Model:
    torch.manual_seed(0)
    return build(config, shape, 1).double()


def pictures(shape: tuple[int, ...] = (1, 9, 7), n: int = 4) -> Tensor:
    torch.manual_seed(2)
    return torch.bernoulli(torch.full((n, *shape), 0.4, dtype=torch.float64))


def learned(model: Model, x: Tensor, samples: int = 1) -> tuple[Tensor, list[Tensor]]:
    """The loss with the noise of one seed, and the gradient of each weight that has one."""
    model.zero_grad(set_to_none=True)
    torch.manual_seed(1)
    loss = -run(model, posterior, model.evidence(x).repeat(samples)).elbo().mean()
    loss.backward()
    return loss.detach(), [w.grad.clone() for w in model.parameters() if w.grad is not None]


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("shape", [(1, 9, 7), (3, 8, 8)])
@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradients_do_not_depend_on_the_order(
    name: str, shape: tuple[int, ...], samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = ladder(CONFIGS[name], shape), pictures(shape)
    loss, slopes = learned(model, x, samples)
    monkeypatch.setattr(ChannelsLast, "forward", lambda self, h: h)
    plain, plainly = learned(model, x, samples)
    torch.testing.assert_close(loss, plain, rtol=1e-12, atol=0)
    torch.testing.assert_close(slopes, plainly, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [name for name, config in CONFIGS.items() if config.width > 1])
def test_every_activation_of_a_ladder_that_learns_lies_in_the_same_order(name: str) -> None:
    model, strides = ladder(CONFIGS[name]), list[tuple[int, ...]]()
    for part in model.modules():
        if isinstance(part, nn.SiLU):
            part.register_forward_hook(lambda _, given, image: strides.append(given[0].stride()))
    learned(model, pictures())
    assert strides and all(stride[1] == 1 for stride in strides)


def forbidden(h: Tensor) -> Tensor:
    raise AssertionError("the map was moved")


def test_nothing_but_learning_moves_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds, samples, files and regrets are those of a ladder without the layout, to the last bit."""
    monkeypatch.setattr(layout, "_moved", forbidden)
    model, x = ladder(CONFIGS["all scales"], (1, 8, 8)), pictures((1, 8, 8))
    hvae.bounds(model, [x], samples=3)
    hvae.sample(model, 2)
    regret(model, [x], steps=1, samples=1)
    hvae.Codec(model, bits=1).compress([Picture("a", np.eye(8, dtype=np.uint8)[None], 0)])
    model.eval()(x).elbo().sum().backward()
    with pytest.raises(AssertionError, match="moved"):
        model.train()(x)
