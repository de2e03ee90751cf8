"""The ResNet-VAE with IAF: its flow inside the walk, free bits as published, its start, its sizes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hvae.config.iafvae import CIFAR10, CIFAR10_TWO_SCALES, IAFVAEConfig
from hvae.datum import Datum
from hvae.distributions import Flowed, Normal
from hvae.draw import given, posterior
from hvae.errors import HvaeError
from hvae.models import TopDown
from hvae.nn.autoregressive import STD as FLOW_STD
from hvae.nn.autoregressive import AutoregressiveNet, InverseAutoregressive
from hvae.nn.weightnorm import Normed
from hvae.objectives import ELBO, FreeBits
from hvae.walk import run
from hvae.zoo import iafvae

TINY = IAFVAEConfig(blocks=(2, 1), width=8, latent=2, likelihood="bernoulli")


def model(config: IAFVAEConfig = TINY) -> TopDown:
    torch.manual_seed(1)
    return iafvae.build(config, (1, 6, 5), 1).double()


def data(n: int = 4) -> Tensor:
    return torch.bernoulli(torch.full((n, 1, 6, 5), 0.4, dtype=torch.float64))


def test_a_flow_remembers_its_own_draw_and_finds_others() -> None:
    made, x = model(), data()
    evidence = made.evidence(x)
    trace = run(made, posterior, evidence)
    again = run(made, given(trace.values()), evidence)
    for record in trace.latents:
        assert isinstance(record.q, Flowed)
        torch.testing.assert_close(again[record.name].q.log_prob(record.value), record.q.log_prob(record.value))
    assert set(trace.estimators().values()) == {"sampled"}


def test_log_q_is_the_bases_minus_the_log_determinant() -> None:
    """By autograd through the whole flow of one level, in float64."""
    made = model()
    q = made(data(1))["z2"].q
    z0 = q.base.sample()
    z, _ = q.forward(z0)
    dims = z.numel()
    j = torch.autograd.functional.jacobian(lambda z: q.forward(z)[0], z0).reshape(dims, dims)
    expected = q.base.log_prob(z0).sum() - torch.linalg.slogdet(j)[1]
    torch.testing.assert_close(q.log_prob(z).sum(), expected)


def test_a_silent_flow_is_the_gaussian_posterior() -> None:
    made, x = model(), data()
    for module in made.modules():
        if isinstance(module, AutoregressiveNet):
            for layer in (module.shift, module.log_scale):
                torch.nn.init.constant_(layer.gain, -math.inf)  # lengths of exp(-inf) = 0
                torch.nn.init.zeros_(layer.bias)
    for record in made(x).latents:
        base = record.q.base
        assert isinstance(base, Normal)
        torch.testing.assert_close(record.q.log_prob(record.value), base.log_prob(record.value))


def test_a_model_without_flows_has_gaussian_posteriors() -> None:
    plain = model(IAFVAEConfig(blocks=(2, 1), width=8, latent=2, likelihood="bernoulli", posterior="gaussian"))
    trace = plain(data())
    assert all(type(record.q) is Normal for record in trace.latents)
    assert set(trace.estimators().values()) == {"analytic"}
    assert not any(isinstance(module, InverseAutoregressive) for module in plain.modules())


def test_free_bits_are_the_published_ones() -> None:
    """kl[b, d, h, w] summed over space, averaged over the batch, at least lambda for each channel: eq. (15)."""
    trace = model()(data(16))
    kls = [record.q.log_prob(record.value) - record.p.log_prob(record.value) for record in trace.latents]
    channels = torch.cat([kl.sum((2, 3)).mean(0) for kl in kls])  # (B, D, h, w) -> (D,), one level after another
    nats = float(channels.detach().median())  # some channels lie below it, and some above
    assert channels.min() < nats < channels.max()
    loss = ELBO(FreeBits(nats, per="channel", over="batch"))(trace, 0).total
    torch.testing.assert_close(loss, channels.clamp(min=nats).sum() - trace.log_likelihood().mean())


def test_layers_start_from_the_first_batch() -> None:
    made, x = model(), data(64)
    torch.manual_seed(7)
    made.prepare(Datum(x))
    outputs: dict[Normed, Tensor] = {}
    for module in made.modules():
        if isinstance(module, Normed):
            module.register_forward_hook(lambda layer, args, out: outputs.setdefault(layer, out))
    torch.manual_seed(7)
    made(x)
    flows = {layer for net in made.modules() if isinstance(net, AutoregressiveNet) for layer in net.modules()}
    assert len(outputs) == sum(isinstance(module, Normed) for module in made.modules())
    for layer, out in outputs.items():
        channels = out.detach().transpose(0, 1).flatten(1)
        want = FLOW_STD if layer in flows else iafvae.STD
        torch.testing.assert_close(channels.mean(1), torch.zeros_like(channels[:, 0]), atol=1e-9, rtol=0)
        torch.testing.assert_close(channels.std(1, correction=0), torch.full_like(channels[:, 0], want))


def released(config: IAFVAEConfig) -> int:
    """Trainable numbers of the released TensorFlow code at these sizes; a layer a -> b has k k a b + 2 b of them."""
    w, d, blocks = config.width, config.latent, sum(config.blocks)

    def layer(a: int, b: int, k: int = 3) -> int:
        return k * k * a * b + 2 * b

    up = layer(w, 2 * d + 2 * w) + layer(w, w)
    down = layer(w, 4 * d + 2 * w) + layer(d + w, w)
    flow = layer(d, w) + layer(w, w) + 2 * layer(w, d)
    ends = layer(3, w, 5) + layer(w, 3, 5)
    return blocks * (up + down + flow) + ends + w + 1  # the first state, the likelihood's one log-scale


@pytest.mark.parametrize(("config", "parameters"), [(CIFAR10, 41_096_489), (CIFAR10_TWO_SCALES, 82_629_929)])
def test_published_sizes(config: IAFVAEConfig, parameters: int) -> None:
    with torch.device("meta"):
        made = iafvae.build(config, (3, 32, 32), 8)
    assert sum(p.numel() for p in made.parameters()) == parameters
    # The release's top block has a second layer up, and outputs for it, that nothing reads; ours has two more scales.
    w = config.width
    unread = (9 * w * w + 2 * w) + (9 * w * w + 2 * w)
    assert parameters == released(config) - unread + 2


def test_each_scale_has_half_the_resolution_of_the_one_below() -> None:
    trace = model()(data())
    assert [tuple(trace[f"z{l}"].value.shape[2:]) for l in (1, 2, 3)] == [(3, 3), (3, 3), (2, 2)]


def test_impossible_sizes() -> None:
    with pytest.raises(HvaeError, match="model.width: expected a multiple of model.latent"):
        IAFVAEConfig(width=10, latent=4)
    with pytest.raises(HvaeError, match="model.blocks"):
        IAFVAEConfig(blocks=())
    with pytest.raises(HvaeError, match="iafvae needs images"):
        iafvae.build(TINY, (8,), 1)
