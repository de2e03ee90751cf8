"""Models whose likelihood goes from pixel to pixel: their order, their sum, and what they refuse."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from families import data

import hvae
from hvae.config.pixels import PixelCNNConfig, PixelVAEConfig
from hvae.draw import given, prior
from hvae.errors import HvaeError
from hvae.walk import Model, names, run
from hvae.zoo import build


def model(shape: tuple[int, int, int] = (1, 2, 2), bits: int = 1, **keys: object) -> Model:
    torch.manual_seed(2)
    return build(PixelCNNConfig(width=6, receptive=4, **keys), shape, bits).double().eval()  # type: ignore[arg-type]


def every(values: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=values)), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 1, 2)])
@pytest.mark.parametrize(
    ("decoder", "likelihood"),
    [("gated", "bernoulli"), ("gated", "categorical"), ("plusplus", "categorical"), ("plusplus", "dmol")],
)
def test_all_images_sum_to_one(shape: tuple[int, int, int], decoder: str, likelihood: str) -> None:
    bound = model(shape, decoder=decoder, likelihood=likelihood)(every(4).view(16, *shape)).elbo()
    torch.testing.assert_close(bound.logsumexp(0).exp(), torch.tensor(1.0, dtype=torch.float64))
    assert bound.std() > 1e-3


def test_a_pixel_moves_the_laws_of_later_ones_alone() -> None:
    network, x = model((1, 4, 5)), data(1, (1, 4, 5))
    before = network(x)["x"].law.pixels.laws(x).logits.flatten()
    for place in range(20):
        other = x.clone()
        other.view(-1)[place] = 1 - other.view(-1)[place]
        moved = network(other)["x"].law.pixels.laws(other).logits.flatten() != before
        assert not moved[: place + 1].any()
        assert place == 19 or moved[place + 1 :].any()


@pytest.mark.parametrize("likelihood", ["bernoulli", "dmol"])
def test_samples_are_as_frequent_as_probable(likelihood: str) -> None:
    """Of the joint likelihood, two colours of two pixels."""
    shape, decoder = ((1, 2, 2), "gated") if likelihood == "bernoulli" else ((2, 1, 2), "plusplus")
    toy = model(shape, decoder=decoder, likelihood=likelihood)
    with torch.no_grad():
        drawn = run(toy, prior(), n=20_000).x.flatten(1) @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)
        p = toy(every(4).view(16, *shape)).elbo().exp()
    share = torch.bincount(drawn.long(), minlength=16) / 20_000
    assert ((share - p).abs() < 5 * (p / 20_000).sqrt()).all()


def test_all_images_sum_to_one_under_any_latents_which_they_hear() -> None:
    torch.manual_seed(2)
    config = PixelVAEConfig(groups=(1,), width=8, latent=2, pixel_width=6, receptive=3)
    toy, x = build(config, (1, 2, 2), 1).double().eval(), every(4).view(16, 1, 2, 2)
    bounds = []
    for _ in range(2):
        z = torch.randn(1, 2, 2, 2, dtype=torch.float64).expand(16, -1, -1, -1)
        bounds.append(run(toy, given({"z1": z}), toy.evidence(x)).log_likelihood())
        torch.testing.assert_close(bounds[-1].logsumexp(0).exp(), torch.tensor(1.0, dtype=torch.float64))
    assert (bounds[0] - bounds[1]).abs().max() > 1e-6


def test_there_are_no_latents() -> None:
    toy, x = model((1, 4, 5)), data(3, (1, 4, 5))
    assert names(toy) == [] and toy(x).rates() == {}
    assert torch.equal(toy(x).elbo(), toy(x).log_weight())


def test_gaps_and_joint_likelihoods_are_refused() -> None:
    from hvae.datum import Datum

    toy, x = model(), torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    with pytest.raises(HvaeError, match="autoregressive"):
        toy(Datum(x, observed=x > 0))
    with pytest.raises(HvaeError, match="factorise over the colours of a pixel, or choose --model.decoder plusplus"):
        PixelCNNConfig(likelihood="dmol")
    with pytest.raises(HvaeError, match="needs images"):
        build(PixelCNNConfig(), (5,), 1)


def test_a_run_without_latents_is_trained_measured_and_reported(tmp_path: Path) -> None:
    keys = {"model.family": "pixelcnn", "model.likelihood": "categorical", "model.width": 8, "model.receptive": 2}
    course = {"train.steps": 2, "train.batch": 8, "train.valid_size": 8, "train.accelerator": "cpu"}
    free = {"objective.warmup.length": 0, "objective.free_bits.nats": 0, "evaluate.limit": 8, "evaluate.samples": 1}
    trained = hvae.train("digits", out=tmp_path / "run", overrides={**keys, **course, **free})
    assert trained.evaluation and set(trained.evaluation.results) == {"likelihood"} and trained.report
    with pytest.raises(HvaeError, match="has no latents, and scores compare its levels"):
        hvae.score(trained.folder, "test")
    for name in ("mutual", "activity", "contribution", "condition", "codebook"):
        with pytest.raises(HvaeError, match=f"evaluate.measures: {name} cannot be measured"):
            hvae.evaluate(trained.folder, measures=name)
