"""Semi-supervised learning: the sum over classes against sums by hand, and what a guess costs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from families import FAMILIES as DEEP
from torch import Tensor

from hvae.config.condition import ConditionConfig
from hvae.config.model import LadderConfig, LVAEConfig, MarkovConfig, ModelConfig, VAEConfig, VLAEConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.datum import Datum
from hvae.draw import mode, posterior
from hvae.errors import HvaeError
from hvae.objectives import ELBO, M2
from hvae.objectives.labels import Enumeration
from hvae.training.loss import Batch, LossStep, walked
from hvae.walk import Model, names, run
from hvae.zoo import build

CLASSES, SHAPE = 3, (1, 8, 8)
STRINGS = {"encoder": "8x1,8d2,4x1", "decoder": "4x1,8m4,8x1"}
GUESS = ConditionConfig(kind="class", classes=CLASSES, classifier=(8,))
FAMILIES: dict[str, ModelConfig] = {
    "vae": VAEConfig(latent=3, widths=(8,), condition=GUESS),
    "lvae": LVAEConfig(latents=(3, 2), widths=(8, 8), condition=GUESS),
    "vlae": VLAEConfig(latents=(3, 2), widths=(8, 8), condition=GUESS),
    "markov": MarkovConfig(latents=(3, 2), widths=(8, 8), condition=GUESS),
    "ladder": LadderConfig(groups=(1, 1), width=6, latent=2, condition=GUESS),
    **{name: replace(DEEP[name], condition=GUESS) for name in ("iafvae", "qresvae", "biva")},
    "vdvae": VDVAEConfig(**STRINGS, width=8, latent=2, likelihood="bernoulli", condition=GUESS),
}


def guessing(name: str) -> Model:
    torch.manual_seed(1)
    model = build(FAMILIES[name], shape=SHAPE, bits=1).double()
    model.prepare(Datum(pictures(8), {"label": torch.arange(8) % CLASSES}))
    return model


def pictures(n: int) -> Tensor:
    return torch.bernoulli(
        torch.full((n, *SHAPE), 0.4, dtype=torch.float64), generator=torch.Generator().manual_seed(0)
    )


def step(model: Model, objective: M2, datum: Datum) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(5)
    return LossStep(model, objective)(Batch(datum), 0)


def by_hand(model: Model, x: Tensor) -> tuple[Tensor, Tensor]:
    """J (B, K) of each datum under each class that it is told, at the mode of q, and log q(y | x), (B, K)."""
    evidence = [model.evidence(x, {"label": torch.full((len(x),), k)}) for k in range(CLASSES)]
    joint = torch.stack([run(model, mode, one).elbo() for one in evidence], 1) - math.log(CLASSES)
    return joint, evidence[0].features["y"].log_softmax(1)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_loss_is_the_sum_over_classes_by_hand(name: str) -> None:
    model, x = guessing(name).eval(), pictures(4)
    labels = torch.tensor([2, -1, 0, -1])
    objective = M2(CLASSES, alpha=0.3)
    objective.draw = mode
    total, terms = step(model, objective, Datum(x, {"label": labels}))
    joint, log_q = by_hand(model, x)
    unknown = (log_q.exp() * (joint - log_q)).sum(1)
    known = joint.gather(1, labels.clamp_min(0)[:, None])[:, 0]
    bound = torch.where(labels < 0, unknown, known).mean()
    classification = -(log_q[0, 2] + log_q[2, 0]) / 2
    assert total.item() == pytest.approx((0.3 * classification - bound).item(), rel=1e-9)
    assert terms["elbo"].item() == pytest.approx(bound.item(), rel=1e-5)
    assert terms["classification"].item() == pytest.approx(classification.item(), rel=1e-5)
    rates = sum(terms[f"rate/{level}"].item() for level in names(model))
    assert terms["log_likelihood"].item() - rates == pytest.approx(bound.item(), rel=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_guess_is_charged_and_a_known_class_is_not(name: str) -> None:
    model, x = guessing(name).eval(), pictures(2).repeat_interleave(200, 0)
    told = run(model, posterior, model.evidence(x, {"label": torch.zeros(len(x), dtype=torch.long)}))
    assert torch.equal(told.elbo(), told.log_likelihood() - sum(told.rates().values()))
    assert "y" not in names(model) and "y" not in told.rates()
    trace = run(model, mode, model.evidence(x))
    joint, log_q = by_hand(model, x)
    guess = log_q.argmax(1, keepdim=True)
    torch.testing.assert_close(trace.elbo(), (joint - log_q).gather(1, guess)[:, 0])
    # Drawn, the ELBO is the bound U on average: known up to the noise of 200 draws.
    torch.manual_seed(0)
    drawn = run(model, posterior, model.evidence(x))
    assert set(drawn["y"].value.unique().tolist()) <= {0.0, 1.0, 2.0}
    torch.testing.assert_close(drawn.log_weight().exp().isfinite(), torch.ones(len(x), dtype=torch.bool))


def test_every_weight_learns_and_labels_alone_reach_the_classifier() -> None:
    model, x = guessing("vae"), pictures(6)
    total, _ = step(model, M2(CLASSES), Datum(x, {"label": torch.tensor([0, 1, 2, -1, -1, -1])}))
    total.backward()
    assert all(weight.grad is not None and bool(weight.grad.abs().sum() > 0) for weight in model.parameters())
    model.zero_grad()
    step(model, M2(CLASSES, alpha=0.0), Datum(x, {"label": torch.arange(6) % 3}))[0].backward()
    assert all(
        not bool(w.grad.abs().sum())
        for name, w in model.named_parameters()
        if "classifier" in name and w.grad is not None
    )


def test_a_class_is_learnt_from_three_labels() -> None:
    """Three kinds of pictures, one label of each: the classifier is right about all others."""
    torch.manual_seed(0)
    kinds = torch.zeros(CLASSES, 64)
    for k in range(CLASSES):
        kinds[k, 21 * k : 21 * k + 21] = 1.0
    truth = torch.arange(90) % CLASSES
    x = torch.bernoulli(0.05 + 0.9 * kinds[truth]).view(-1, *SHAPE)
    labels = torch.where(torch.arange(90) < CLASSES, truth, -1)
    model = build(FAMILIES["vae"], shape=SHAPE, bits=1)
    loss, optimiser = LossStep(model, M2(CLASSES, alpha=1.0)), torch.optim.Adam(model.parameters(), 0.01)
    for number in range(150):
        optimiser.zero_grad()
        loss(Batch(Datum(x, {"label": labels})), number)[0].backward()
        optimiser.step()
    guess = run(model.eval(), mode, model.evidence(x))["y"].value.long()
    assert bool((guess == truth).float().mean() > 0.97)


def test_what_does_not_fit_is_said() -> None:
    plain = build(VAEConfig(latent=3, widths=(8,), condition=ConditionConfig(kind="class", classes=3)), SHAPE, 1)
    datum = Datum(pictures(2).float(), {"label": torch.tensor([0, 1])})
    with pytest.raises(HvaeError, match="a model that guesses its class"):
        walked(plain, M2(CLASSES), datum, 0)
    with pytest.raises(HvaeError, match="walk the model by objective.loop"):
        M2(CLASSES)(plain(datum), 0)
    with pytest.raises(HvaeError, match="2 classes or more"):
        M2(1)
    with pytest.raises(HvaeError, match="drop to 0"):
        ConditionConfig(kind="class", classifier=(8,), drop=0.1)
    with pytest.raises(HvaeError, match="kind to class"):
        ConditionConfig(kind="vector", classifier=(8,))
    with pytest.raises(HvaeError, match="this family guesses no class; choose one of vae, .*qresvae"):
        build(replace(DEEP["vqvae"], condition=GUESS), shape=SHAPE, bits=1)
    assert isinstance(walked(guessing("vae"), M2(CLASSES), Datum(pictures(2), datum.context), 0), Enumeration)
    assert isinstance(ELBO(), ELBO)
