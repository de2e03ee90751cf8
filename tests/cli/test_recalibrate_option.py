"""hvae sample --recalibrate: statistics of batch norm for these samples alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hvae.checkpoints import describe
from hvae.config import NVAEConfig, RunConfig
from hvae.weights import save_weights
from hvae.zoo import build

Command = Callable[..., Any]


def folder(path: Path) -> Path:
    """A run folder as training leaves it, of a model that never trained."""
    sizes = {"encoder_width": 2, "decoder_width": 2, "latent": 2, "block_cells": 1, "encoder_cells": 1}
    config = RunConfig(model=NVAEConfig(**sizes, decoder_cells=1, groups=(1, 1), likelihood="dmol", mixtures=2))
    torch.manual_seed(0)
    model = build(config.model, shape=(1, 8, 8), bits=4)
    path.mkdir()
    save_weights(path / "model.safetensors", model.state_dict(), {**describe(config, (1, 8, 8), 4, {}), "step": 1})
    return path


def test_other_samples_and_the_same_run(tmp_path: Path, command: Command) -> None:
    run = folder(tmp_path / "run")
    before = (run / "model.safetensors").read_bytes()

    def drawn(*words: object) -> np.ndarray:
        said = command("sample", run, "-n", 2, "--seed", 1, "-t", 0.5, "-o", tmp_path / "some.npy", "--json", *words)
        assert said.code == 0, said.err
        assert said.json["recalibrate"] == (words[1] if words else 0)
        return np.load(tmp_path / "some.npy")

    plain, fitted, again = drawn(), drawn("--recalibrate", 3), drawn("--recalibrate", 3)
    assert not np.array_equal(plain, fitted)
    assert np.array_equal(fitted, again)
    assert (run / "model.safetensors").read_bytes() == before


def test_a_model_without_batch_norm(run: Path, command: Command) -> None:
    said = command("sample", run, "--recalibrate", 2)
    assert said.code == 2 and "expected a model with batch norm to recalibrate" in said.err
