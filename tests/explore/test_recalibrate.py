"""Statistics of batch norm re-estimated on a model's own samples."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hvae.config.model import LadderConfig, LVAEConfig
from hvae.config.nvae import NVAEConfig
from hvae.errors import HvaeError
from hvae.explore import recalibrate, sample
from hvae.walk import Model
from hvae.zoo import build


def ladder() -> Model:
    torch.manual_seed(0)
    return build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)


def statistics(model: Model) -> dict[str, torch.Tensor]:
    return {name: b.clone() for name, b in model.named_buffers() if "running" in name}


def test_the_model_itself_is_untouched() -> None:
    model = ladder().train()
    before, weights = statistics(model), {n: w.clone() for n, w in model.named_parameters()}
    fitted = recalibrate(model, temperature=0.7, iterations=5, seed=0)
    assert model.training and not fitted.training
    assert all(torch.equal(b, before[n]) for n, b in statistics(model).items())
    assert all(torch.equal(w, weights[n]) for n, w in fitted.named_parameters())


def test_only_what_generation_passes_through_changes() -> None:
    model = ladder()
    before, after = statistics(model), statistics(recalibrate(model, iterations=3, seed=0))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and not any(name.startswith("bottom_up") for name in changed)
    assert any(name.startswith("bottom_up") for name in before)


def test_statistics_are_those_of_samples() -> None:
    """After many rounds the last norm's running mean is the mean of what enters it, in samples of the fitted model."""
    model = ladder()
    fitted = recalibrate(model, temperature=0.5, iterations=100, batch=512, seed=1)
    norm = [m for n, m in fitted.leave.named_modules() if isinstance(m, nn.BatchNorm1d)] or [
        m for n, m in fitted.levels.named_modules() if isinstance(m, nn.BatchNorm1d)
    ]
    seen: list[torch.Tensor] = []
    norm[-1].register_forward_hook(lambda m, args, out: seen.append(args[0]))
    sample(fitted, 4000, temperature=0.5, seed=2, chunk=4000)
    torch.testing.assert_close(norm[-1].running_mean, seen[-1].mean(0), rtol=0.1, atol=0.05)


def test_a_seed_gives_the_same_copy_and_leaves_the_callers_random_numbers() -> None:
    model = ladder()
    torch.manual_seed(5)
    first = recalibrate(model, iterations=2, seed=3)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), drawn)
    second = recalibrate(model, iterations=2, seed=3)
    assert all(torch.equal(b, statistics(second)[n]) for n, b in statistics(first).items())


def test_nvae() -> None:
    sizes = {"encoder_width": 2, "decoder_width": 2, "latent": 2, "block_cells": 1, "encoder_cells": 1}
    model = build(NVAEConfig(**sizes, decoder_cells=1, groups=(1, 1)), (1, 8, 8), 1)
    fitted = recalibrate(model, temperature={"z1": 0.5}, iterations=2, batch=4, seed=0)
    assert sample(fitted, 2, seed=0).shape == (2, 1, 8, 8)


def test_faults() -> None:
    with pytest.raises(HvaeError, match="expected a model with batch norm"):
        recalibrate(build(LadderConfig(groups=(1, 1), width=4, latent=2), (1, 4, 4), 1))
    with pytest.raises(HvaeError, match="no level named 'z9'"):
        recalibrate(ladder(), temperature={"z9": 1.0})
    with pytest.raises(HvaeError, match="iterations: expected at least 1"):
        recalibrate(ladder(), iterations=0)
