"""The ladder: it learns with channels last, and nothing but its speed depends on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import silu

import hvae
from hvae.coding import Picture
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, Network, VLAEConfig
from hvae.draw import posterior
from hvae.metrics.regret import regret
from hvae.nn import ResidualBlock, layout
from hvae.nn.kit import grouped
from hvae.nn.layout import ChannelsLast
from hvae.walk import Model, run
from hvae.zoo import build

CONFIGS = {
    "all scales": LadderConfig(groups=(1, 2), width=8, latent=2),
    "a bare scale": LadderConfig(groups=(0, 1, 2), width=8, latent=2, posterior="precision"),
    "a bare top": LadderConfig(groups=(1, 1, 0), width=8, latent=2, posterior="linear"),
    "recomputed": LadderConfig(groups=(1, 1), width=8, latent=2, checkpoint=True, start="everywhere"),
    "widths": LadderConfig(groups=(0, 1, 0, 2), widths=(3, 8, 6, 4), latent=2),
    "grouped": LadderConfig(groups=(1, 2), width=32, latent=2, norm="group"),
    "concatenated": LadderConfig(groups=(1, 2), width=8, latent=2, skip="concat", share="levels"),
    "gated": LadderConfig(groups=(1, 2), width=8, latent=2, skip="gated", up="sub-pixel"),
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


@pytest.mark.parametrize("name", [name for name, config in CONFIGS.items() if name != "one channel"])
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


def test_each_scale_has_its_width() -> None:
    model = ladder(LadderConfig(groups=(0, 1, 2), widths=(3, 6, 5), latent=2), (1, 8, 8))
    features = model.evidence(pictures((1, 8, 8))).features
    assert {name: f.shape[1:] for name, f in features.items()} == {"z1": (6, 4, 4), "z2": (5, 2, 2), "z3": (5, 2, 2)}
    states = {name: level.absorb.inject.weight.shape[0] for name, level in model.levels.items()}
    assert states == {"z3": 5, "z2": 5, "z1": 6}
    assert model.leave[1].layer.weight.shape[:2] == (4 * 3, 6)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 13, 7), (2, 1, 1)])
def test_any_size_with_widths(shape: tuple[int, ...]) -> None:
    """Scales of a single position are of one size, and may still differ in their widths."""
    model, x = ladder(LadderConfig(groups=(1, 1, 0, 1), widths=(3, 4, 6, 5), latent=2), shape), pictures(shape)
    assert torch.isfinite(learned(model, x)[0])
    assert run(model, hvae.prior(), n=2).x.shape == (2, *shape)


def test_equal_widths_are_the_one_width_where_every_scale_has_a_level() -> None:
    one, each = LadderConfig(groups=(1, 2), width=8, latent=2), LadderConfig(groups=(1, 2), widths=(8, 8), latent=2)
    torch.testing.assert_close(ladder(each).state_dict(), ladder(one).state_dict(), rtol=0, atol=0)


def test_group_normalisation_stands_before_each_rectifier_of_a_block() -> None:
    """By hand: h + W2 silu(g(W1 silu(g(h)))), g with mean 0 and variance 1 over each group and all places."""
    block, h = ResidualBlock(32, norm=grouped).double(), torch.randn(3, 32, 5, 4, dtype=torch.float64)

    def g(values: Tensor) -> Tensor:
        halves = values.view(3, 2, -1)  # 2 groups of 16 channels
        spread = (halves.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
        return ((halves - halves.mean(2, keepdim=True)) / spread).view_as(values)

    by_hand = h + block.last(silu(g(block.first(silu(g(h))))))
    torch.testing.assert_close(block(h), by_hand, rtol=0, atol=1e-12)


def test_a_grouped_ladder_gives_each_datum_its_own_features() -> None:
    model, x = ladder(CONFIGS["grouped"], (1, 8, 8)).eval(), pictures((1, 8, 8))
    together, alone = model.evidence(x).features, model.evidence(x[:1]).features
    for name, feature in alone.items():
        torch.testing.assert_close(feature, together[name][:1], rtol=0, atol=1e-12)


def test_without_a_norm_a_block_has_the_weights_it_always_had() -> None:
    assert list(ResidualBlock(4).state_dict()) == ["first.weight", "first.bias", "last.weight", "last.bias"]


@pytest.mark.parametrize("network", ["mlp", "mlp-tanh", "conv"])
@pytest.mark.parametrize("family", [LVAEConfig, VLAEConfig, MarkovConfig])
def test_group_normalisation_in_every_family_that_has_a_norm(
    family: type[LVAEConfig | VLAEConfig | MarkovConfig], network: Network
) -> None:
    torch.manual_seed(0)
    config = family(network=network, norm="group", latents=(3, 2), widths=(32, 16))
    model, x = build(config, (1, 8, 8), 1).double(), pictures((1, 8, 8))
    assert any(isinstance(part, nn.GroupNorm) for part in model.modules())
    loss, slopes = learned(model, x)
    assert torch.isfinite(loss) and len(slopes) == len(list(model.parameters()))


def test_each_scale_has_latents_of_its_own_size() -> None:
    model = ladder(LadderConfig(groups=(1, 2), width=8, latents=(3, 5)))
    shapes = {record.name: tuple(record.value.shape[1:]) for record in model(pictures()).latents}
    assert shapes == {"z1": (3, 9, 7), "z2": (5, 5, 4), "z3": (5, 5, 4)}


def test_a_concatenated_skip_starts_as_the_sum() -> None:
    plain, joined = (ladder(LadderConfig(groups=(1, 1), width=8, latent=2, skip=skip)) for skip in ("add", "concat"))
    weights = dict(joined.named_parameters())
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            twin = name.replace("absorb.network", "absorb.network.1")
            twin = name.replace("absorb.inject", "absorb.network.0") if "inject" in name else twin
            own = weights[twin]
            (own[:, 8:] if "inject.weight" in name else own).copy_(weight)
    x = pictures()
    torch.testing.assert_close(learned(joined, x)[0], learned(plain, x)[0], rtol=1e-12, atol=1e-12)


def test_a_gate_that_is_shut_silences_its_latent() -> None:
    gated = ladder(LadderConfig(groups=(1, 1), width=8, latent=2, skip="gated"))
    with torch.no_grad():
        for name, weight in gated.named_parameters():
            if "absorb.gate" in name:
                weight.fill_(-1e3 if name.endswith("bias") else 0.0)
    evidence, traces = gated.evidence(pictures()), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        traces.append(run(gated, posterior, evidence))
    assert not torch.equal(traces[0]["z1"].value, traces[1]["z1"].value)
    assert torch.equal(traces[0].log_likelihood(), traces[1].log_likelihood())


@pytest.mark.parametrize("bounded", [True, False])
def test_bounded_parts_bound_the_elbo_whatever_the_weights(bounded: bool) -> None:
    parts = {"posterior": "residual-bounded", "variance": "below-two", "likelihood": "bernoulli-bounded"}
    model = ladder(LadderConfig(groups=(1, 2), width=8, latent=2, **(parts if bounded else {})))
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(30)  # a state as large as no training has seen
    trace = run(model, posterior, model.evidence(pictures()))
    dims = 2 * (9 * 7 + 2 * 5 * 4)  # z1; z2 and z3 at half the size
    # A dimension: 5^2 / 2 for its mean, 4.5 and a little for its scale (at e^-5); a pixel: 30 for its logit.
    assert bool(-trace.elbo().min() <= 17.01 * dims + 30.01 * 9 * 7) == bounded
