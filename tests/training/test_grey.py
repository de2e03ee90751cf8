"""Grey values before a likelihood of bits are said before they are trained on, whatever they come as."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvae
from hvae.config.model import LVAEConfig, VAEConfig
from hvae.config.train import TrainConfig
from hvae.errors import HvaeWarning

GREY = np.random.default_rng(0).integers(1, 255, (12, 1, 4, 4), dtype=np.uint8)
BITS = (GREY > 127).astype(np.uint8) * np.uint8(255)
CONFIG = TrainConfig(steps=1, batch=4, valid_every=0, accelerator="cpu", devices=1)


def trained(source: Any, folder: Path, likelihood: str = "bernoulli") -> None:
    config = VAEConfig(latent=2, widths=(8,), likelihood=likelihood)
    model = hvae.build(config, (1, 4, 4), 1 if likelihood == "bernoulli" else 8)
    hvae.fit(model, hvae.ELBO(), source, CONFIG, folder / "run")


@pytest.mark.parametrize(
    "source",
    [
        GREY,
        torch.from_numpy(GREY),
        GREY / np.float32(255),
        (GREY, np.zeros(12, np.int64)),
        hvae.Datum(torch.from_numpy(GREY) / 255),
        [torch.from_numpy(one) for one in GREY],
        torch.utils.data.TensorDataset(torch.from_numpy(GREY)),
    ],
    ids=["bytes", "tensor of bytes", "floats", "pair", "datum", "list", "data set"],
)
def test_grey_values_are_said_before_a_bernoulli(source: Any, tmp_path: Path) -> None:
    with pytest.warns(HvaeWarning, match=r"data are 0 or 1 \(Bernoulli\), and these lie between, such as 0\.\d+"):
        trained(source, tmp_path)


@pytest.mark.parametrize(
    ("source", "likelihood"),
    [
        (BITS, "bernoulli"),
        (BITS / np.float32(255), "bernoulli"),
        (BITS > 0, "bernoulli"),
        (hvae.Datum(torch.from_numpy(GREY) / 255, observed=torch.zeros(12, 1, 4, 4).bool()), "bernoulli"),
        (GREY, "gaussian"),
        (GREY, "dmol"),
    ],
    ids=["bytes", "floats", "booleans", "hidden", "gaussian", "logistics"],
)
def test_what_fits_its_likelihood_is_trained_without_a_word(source: Any, likelihood: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", HvaeWarning)
        trained(source, tmp_path, likelihood)


def test_looking_leaves_no_mark(tmp_path: Path) -> None:
    """The weights are those of a training that was not looked at."""
    ends = []
    for look in (True, False):
        torch.manual_seed(0)
        model = hvae.build(LVAEConfig(latents=(2,), widths=(8,)), (1, 4, 4), 1)
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("ignore", HvaeWarning)
            if not look:
                patch.setattr(sys.modules["hvae.training.fit"], "warn_of_grey", lambda *_: None)
            hvae.fit(model, hvae.ELBO(), GREY, CONFIG, tmp_path / str(look))
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
