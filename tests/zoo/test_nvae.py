"""NVAE computes what the released code computes, to 1e-5 in float32 and 1e-10 in float64; its sizes are published."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
import torch
from published_nvae import CASES, DOUBLE, SINGLE, Case, Precision, case, drawing, in_our_order
from torch import Tensor, nn

from hvae.checkpoints.nvae import names
from hvae.config import nvae
from hvae.config.nvae import NVAEConfig
from hvae.distributions import Flowed
from hvae.draw import given, posterior, prior
from hvae.errors import HvaeError
from hvae.levels.logisticheads import MixtureHead
from hvae.objectives import ELBO, Balance, WarmUp
from hvae.walk import Trace, run
from hvae.zoo import build as build_any
from hvae.zoo.nvae import NVAE, build
from hvae.zoo.nvae.model import margins

SIZES = {
    "mnist": (nvae.MNIST, (1, 28, 28), 1, 33_363_134, 15),
    "cifar10": (nvae.CIFAR10, (3, 32, 32), 8, 130_852_480, 30),
    "celeba64": (nvae.CELEBA64, (3, 64, 64), 8, 153_281_364, 35),
    "imagenet32": (nvae.IMAGENET32, (3, 32, 32), 8, 268_509_444, 28),
    "faces256": (nvae.FACES256, (3, 256, 256), 5, 330_798_664, 36),
}
SMALL = {"encoder_width": 2, "decoder_width": 2, "latent": 2, "block_cells": 1, "encoder_cells": 1, "decoder_cells": 1}


@pytest.mark.parametrize("name", SIZES)
def test_published_sizes(name: str) -> None:
    config, shape, bits, parameters, levels = SIZES[name]
    with torch.device("meta"):
        model = build(config, shape, bits)
    assert sum(w.numel() for w in model.parameters()) == parameters
    assert list(model.levels) == [f"z{l}" for l in range(levels, 0, -1)]


@pytest.fixture(params=CASES)
def recorded(request: pytest.FixtureRequest) -> Case:
    return case(request.param)


@pytest.fixture(params=[SINGLE, DOUBLE], ids=["float32", "float64"])
def precision(request: pytest.FixtureRequest) -> Precision:
    assert isinstance(request.param, Precision)
    return request.param


class Raw:
    """The raw likelihood numbers of the last walk, (B, width, H, W)."""

    def __init__(self, model: NVAE) -> None:
        model.leave.register_forward_hook(self.keep)

    def keep(self, module: nn.Module, args: object, raw: Tensor) -> None:
        self.raw = raw


def mixtures(of: Case) -> int:
    return of.args["num_mixture_dec"] if of.args["dataset"] == "cifar10" else 0


def recorded_raw(of: Case, name: str) -> Tensor:
    raw = of.numbers[name]
    return in_our_order(raw.transpose(0, 1), mixtures(of)).transpose(0, 1) if mixtures(of) else raw


def walked(model: NVAE, of: Case, precision: Precision) -> Trace:
    with drawing(of.noise):
        return run(model, posterior, model.evidence(of.x(precision.dtype)))


def test_inference_generation_and_likelihood(recorded: Case, precision: Precision) -> None:
    model, close = recorded.model(precision.dtype), precision.close
    raw, want = Raw(model), recorded.below(f"{precision.prefix}eval/")
    with torch.no_grad():
        trace = walked(model, recorded, precision)
        log_q = torch.stack([r.proposal.log_prob(r.value).flatten(1).sum(1) for r in trace.latents]).sum(0)
        log_p = torch.stack([r.log_prob() for r in trace.latents]).sum(0)
        close(precision.thin(raw.raw), recorded_raw(recorded, f"{precision.prefix}eval/logits"))
        close(-trace.log_likelihood(), want["recon"])
        close(-trace.elbo(), want["nelbo"])
        close(trace.log_weight(), want["log_iw"])
        close(log_q, want["log_q"])
        close(log_p, want["log_p"])
        for i, record in enumerate(trace.latents):
            close(record.rate(), want[f"kl/{i}"])
            close(record.divergence()[0].sum((2, 3)).mean(0), want[f"kl_diag/{i}"])


@pytest.mark.parametrize("t", [1.0, 0.7])
def test_samples_at_a_temperature(recorded: Case, precision: Precision, t: float) -> None:
    model = recorded.model(precision.dtype)
    raw = Raw(model)
    with torch.no_grad(), drawing(recorded.noise):
        run(model, prior(t), n=2)
    precision.close(precision.thin(raw.raw), recorded_raw(recorded, f"{precision.prefix}sample/{t}/logits"))


@pytest.mark.parametrize("t", [1.0, 0.7])
def test_pixels_are_drawn_as_published_but_on_the_grid(t: float) -> None:
    """The released sampler does not round: it is off by half a level, and by more in a channel that follows another."""
    of = case("nvae_flow")
    want = of.below(f"sample/{t}/")
    raw = recorded_raw(of, f"sample/{t}/logits")
    p = MixtureHead((3, *raw.shape[2:]), 256, mixtures=mixtures(of), start=0.0, spread=0.0)(raw)
    left = iter([want["gumbel_u"], want["logistic_u"]])
    with patch.object(torch, "rand_like", lambda like: next(left)):
        image = p.sample()
    assert torch.equal(image, (image * 255).round() / 255)
    torch.testing.assert_close(image, want["image"], rtol=0, atol=2.01 / 255)


def trained(of: Case, precision: Precision) -> tuple[NVAE, dict[str, Tensor]]:
    """The model after a pass and its gradients; the loss with balanced rates and regularisers, and its parts."""
    model = of.model(precision.dtype).train()
    set_vectors(model, of)
    warmup = WarmUp(length=10)
    trace = walked(model, of, precision)
    rates, extra = trace.nats(), model.regularisers()
    per_datum = {name: nats.flatten(1).sum(1) for name, nats in Balance(warmup)(rates, 5).items()}
    loss = ELBO(Balance(warmup), warmup=warmup)(trace, 5).total + 0.01 * sum(extra.values())
    loss.backward()
    with torch.no_grad():
        again = model.regularisers()["spectral"]
    return model, {
        **extra,
        "recon": -trace.log_likelihood(),
        "balanced": 0.5 * torch.stack(list(per_datum.values())).sum(0),
        "coefficients": torch.stack([(per_datum[r.name] / r.rate()).mean() for r in trace.latents]),
        "values": torch.stack([r.rate().mean() for r in trace.latents]),
        "loss": loss,
        "again": again,
    }


def test_a_training_step(recorded: Case, precision: Precision) -> None:
    """The loss, its parts, and the next power iteration."""
    want = recorded.below(f"{precision.prefix}train/")
    for name, found in trained(recorded, precision)[1].items():
        precision.close(found, want[name])


def test_every_gradient_and_statistic(recorded: Case) -> None:
    model, theirs = trained(recorded, SINGLE)[0], names(recorded.told[0])
    check_gradients(recorded, theirs, {name: w.grad for name, w in model.named_parameters()})
    for name, buffer in recorded.below("buffer/").items():
        SINGLE.close(model.get_buffer(theirs[name]), buffer)


def test_the_length_of_every_gradient_in_float64(recorded: Case) -> None:
    """Each to 1e-10 of itself, where it is more than rounding, and so all gradients together."""
    model, theirs = trained(recorded, DOUBLE)[0], names(recorded.told[0])
    want = recorded.numbers["double/train/norms"]
    found = torch.stack([_length(model.get_parameter(theirs[name])) for name in recorded.below("grad/")])
    torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-10 * float(want.median()))
    torch.testing.assert_close(found.norm(), want.norm(), rtol=1e-10, atol=0)


def _length(weight: nn.Parameter) -> Tensor:
    assert weight.grad is not None
    return weight.grad.norm()


def set_vectors(model: NVAE, of: Case) -> None:
    """The recorded starts of the power iteration; kernels of one shape come in another order there."""
    ours = {module: name for name, module in model.named_modules()}
    theirs = {name: published for published, name in names(of.told[0]).items()}
    published = [n for n, w in of.state.items() if n.endswith(".weight") and w.ndim == 4]
    for size, vectors in of.below("train/left/").items():
        alike = [n for n in published if f"{len(of.state[n])}x{of.state[n][0].numel()}" == size]
        mine = [theirs[f"{ours[c]}.weight"] for c in model._convolutions]
        left = model.spectral.get_buffer(f"left_{size}")
        unit = dict(zip(alike, nn.functional.normalize(vectors.to(left.dtype), dim=1), strict=True))
        left.copy_(torch.stack([channels(of, n, unit[n]) for n in mine if n in unit]))


def channels(of: Case, name: str, theirs: Tensor) -> Tensor:
    """What has the output channels of the published layer `name` on axis 0, in our order of them."""
    reordered = mixtures(of) and name.startswith("image_conditional")
    return in_our_order(theirs, mixtures(of)) if reordered else theirs


def check_gradients(of: Case, theirs: dict[str, str], gradients: dict[str, Tensor | None]) -> None:
    """Biases in front of a batch norm have no gradient but rounding, so the scale is at least that of a typical one."""
    recorded = of.below("grad/")
    typical = float(torch.cat([g.abs().flatten() for g in recorded.values()]).median())
    assert len(recorded) == len(gradients)
    for name, want in recorded.items():
        found = gradients[theirs[name]]
        assert found is not None, name
        want = channels(of, name, want)
        scale = max(float(want.abs().max()), typical)
        torch.testing.assert_close(found, want, rtol=0, atol=1e-4 * scale, msg=lambda s, n=name: f"{n}: {s}")


def test_values_of_a_flow_can_be_scored_again() -> None:
    of = case("nvae_flow")
    model = of.model()
    with torch.no_grad():
        trace = model(of.x())
        again = run(model, given({n: v.clone() for n, v in trace.values().items()}), model.evidence(of.x()))
    assert isinstance(trace["z1"].q, Flowed)
    torch.testing.assert_close(again.log_weight(), trace.log_weight(), rtol=1e-6, atol=0)


def test_the_top_prior_has_scale_1_01() -> None:
    """Published: the 0.01 under every scale also lies under that of the prior called standard."""
    p = run(build(NVAEConfig(**SMALL, groups=(1, 1)), (1, 8, 8), 1).eval(), prior()).latents[0].p
    assert torch.equal(p.loc, torch.zeros(1, 2, 2, 2))
    torch.testing.assert_close(p.scale, torch.full((1, 2, 2, 2), 1.01))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 13, 7), (2, 1, 1)])
def test_any_size_and_channels(shape: tuple[int, int, int]) -> None:
    model = build(NVAEConfig(**SMALL, groups=(1, 1), likelihood="dmol", mixtures=2), shape, 8).eval()
    x = torch.rand(2, *shape).mul(255).round() / 255
    with torch.no_grad():
        assert torch.isfinite(model(x).elbo()).all()
        assert run(model, prior(), n=2).x.shape == (2, *shape)


def test_digits_are_padded_to_32_and_cut_off_again() -> None:
    assert margins((28, 28), nvae.MNIST.factor) == [2, 2, 2, 2]
    model = build(NVAEConfig(**SMALL, blocks=2, groups=(1, 1)), (1, 28, 28), 1).eval()
    assert model.start(1).shape[2:] == (4, 4)


@pytest.mark.parametrize("likelihood", ["bernoulli", "dmol", "dmol-nvae", "gaussian-nvae", "categorical"])
def test_likelihoods(likelihood: str) -> None:
    bits = 1 if likelihood == "bernoulli" else 8
    model = build_any(NVAEConfig(**SMALL, groups=(1, 1), likelihood=likelihood, mixtures=2), (3, 8, 8), bits).eval()
    with torch.no_grad():
        assert torch.isfinite(model(torch.zeros(2, 3, 8, 8)).elbo()).all()


def test_recomputed_cells_change_neither_gradients_nor_statistics() -> None:
    def state(checkpoint: bool) -> Iterator[tuple[str, Tensor]]:
        torch.manual_seed(0)
        model = build(NVAEConfig(**SMALL, groups=(1, 1), checkpoint=checkpoint), (1, 8, 8), 1)
        x = torch.bernoulli(torch.full((3, 1, 8, 8), 0.3))
        (-model(x).elbo().mean()).backward()
        for name, t in [*((n, w.grad) for n, w in model.named_parameters()), *model.named_buffers()]:
            yield name.replace(".network.branch.", ".branch."), t

    kept, again = dict(state(False)), dict(state(True))
    for name, t in kept.items():
        again = {n.replace(".network.skip.", ".skip.").replace(".network.gate.", ".gate."): v for n, v in again.items()}
        torch.testing.assert_close(again[name], t, msg=lambda s, n=name: f"{n}: {s}")


def test_vectors_are_refused() -> None:
    with pytest.raises(HvaeError, match="nvae needs images"):
        build_any(NVAEConfig(), (7,), 1)
