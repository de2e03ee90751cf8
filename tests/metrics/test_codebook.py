"""Use and cost of codebooks, counted by hand on models whose codes are known."""

from __future__ import annotations

import json
import math

import pytest
import torch
from families import family
from torch import Tensor, nn

from hvae.config.vqvae import VQVAEConfig
from hvae.errors import HvaeError
from hvae.metrics.codebook import CodebookResult, codebook, has_codes
from hvae.metrics.results import read_result
from hvae.models import Coded
from hvae.zoo import build


def shade_coder(likelihood: str = "gaussian") -> Coded:
    """Each pixel is its own code: K = 4 codes at -1, -1/3, 1/3, 1 of the centred pixel, which the decoder returns."""
    model = build(VQVAEConfig(codes=4, dims=1, width=1, hidden=1, blocks=0, stride=1, likelihood=likelihood), (1, 2, 2))
    level = model.levels["z1"]
    level.book.codes.copy_(torch.tensor([[-1.0], [-1 / 3], [1 / 3], [1.0]]))
    model.bottom_up.blocks["z1"] = nn.Sequential(model.bottom_up.blocks["z1"][0])  # the centring alone
    level.read.network, model.leave = nn.Identity(), nn.Identity()
    return model.double().eval()


def pixels(*rows: list[int]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).view(-1, 1, 2, 2) / 3


def test_codes_are_counted_over_all_positions() -> None:
    x = pixels([0, 0, 0, 3], [0, 0, 3, 3])
    result = codebook(shade_coder(), x.split(1))
    level = result.levels["z1"]
    share = torch.tensor([5 / 8, 3 / 8], dtype=torch.float64)
    entropy = float(-(share * share.log()).sum())
    assert (level.codes, level.used, level.positions, level.is_uniform) == (4, 2, 4, True)
    assert level.perplexity == pytest.approx(math.exp(entropy))
    assert level.order0_bits == pytest.approx(entropy / math.log(2))
    assert level.bits.mean == pytest.approx(2.0), "log2 of four codes, however seldom they are"
    assert result.bits_per_dim.mean == pytest.approx(2.0), "one code a value"
    assert level.counts == {"0": 2, "2": 1, "4": 1}
    assert result.mse_over_variance == pytest.approx(0.0, abs=1e-12)


def test_the_error_is_over_the_variance_of_all_values() -> None:
    x = torch.rand(7, 1, 2, 2, dtype=torch.float64)
    result = codebook(shade_coder(), x.split(3))
    back = (x * 3).round() / 3
    assert result.mse_over_variance == pytest.approx(float((back - x).square().mean() / x.var(correction=0)))


def test_records_come_back() -> None:
    result = codebook(shade_coder(), [pixels([0, 1, 2, 3], [0, 1, 2, 3])])
    assert read_result(CodebookResult, json.loads(json.dumps(result.to_dict()))).levels == result.levels
    assert result.levels["z1"].perplexity == pytest.approx(4.0)


def test_models_without_codes_are_refused() -> None:
    model = family("vae-tanh")
    assert not has_codes(model)
    with pytest.raises(HvaeError, match="no level of this one has a codebook"):
        codebook(model, [torch.zeros(2, *model.shape)])
