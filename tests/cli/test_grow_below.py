"""A ladder that grows levels below its lowest one, from the command to the reloaded run; and what cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvae
from hvae.draw import mode
from hvae.walk import names, run

Command = Callable[..., Any]
SHORT = {"train.steps": 4, "train.batch": 16, "train.accelerator": "cpu", "train.valid_size": 20}
QUICK = {
    **{"evaluate.measures": "likelihood", "evaluate.samples": 2, "evaluate.limit": 20},
    **{"objective.free_bits.nats": 0, "objective.warmup.length": 0},
}
SMALL = {"model.likelihood": "bernoulli", "model.width": 8, "model.latent": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and a ladder of one coarse scale that was trained on them, slowly at first."""
    folder = tmp_path_factory.mktemp("below")
    bits = np.random.default_rng(0).integers(0, 2, (300, 8, 8)).astype(np.uint8)
    np.savez(folder / "same.npz", train=bits[:200], valid=bits[200:250], test=bits[250:])
    slowly = {"objective.warmup.length": 3, "objective.balance": True, "objective.layerwise": 2}
    trained(folder / "coarse", {**SMALL, **slowly, "model.groups": "0,0,1"}, folder)
    return folder


def trained(folder: Path, model: dict[str, Any], place: Path) -> None:
    keys = {**SHORT, **QUICK, "data.name": "npy", "data.path": str(place / "same.npz"), **model}
    hvae.train("digits", out=folder, overrides=keys)


def pictures() -> torch.Tensor:
    return torch.bernoulli(torch.full((6, 1, 8, 8), 0.5), generator=torch.Generator().manual_seed(1))


def test_a_run_grows_below_from_the_command_and_is_loaded_again(place: Path, command: Command, tmp_path: Path) -> None:
    keys = [word for key, value in {**SHORT, "model.fade": 4}.items() for word in (f"--{key}", value)]
    wish = ("--data", place / "same.npz", "--below", 2, "--latent", 3, "--replays", 20, "--freeze")
    said = command("grow", place / "coarse", *wish, "--out", tmp_path / "finer", "--json", *keys)
    assert said.code == 0, said.err
    assert json.loads(said.out)["added"] == ["z-1", "z0"]
    before, after = (hvae.load(folder) for folder in (place / "coarse", tmp_path / "finer"))
    assert names(after.model) == ["z1", "z0", "z-1"]
    assert after.config.model.finer == (0, 2)
    objective = after.config.objective
    assert not objective.warmup.used and not objective.layerwise and not objective.balance
    old, new = before.model.state_dict(), after.model.state_dict()
    assert all(torch.equal(new[name], old[name]) for name in old)
    assert after.model.finer.levels["z-1"].leave[-1].weight.any()  # what was added has learnt


def test_it_begins_as_the_old_run(place: Path, tmp_path: Path) -> None:
    """Trained by steps of size zero: the bound is the old one to the last bit until the levels fade in."""
    keys = {**SHORT, "train.lr": 0.0, "model.fade": 10**6, "train.steps": 1}
    hvae.grow(place / "coarse", place / "same.npz", tmp_path / "finer", below=1, replays=0, overrides=keys)
    before, after = (hvae.load(folder).model for folder in (place / "coarse", tmp_path / "finer"))
    after.finer.levels["z0"].age.zero_()
    traces = [run(model, mode, model.evidence(pictures())) for model in (before, after)]
    assert torch.equal(traces[0].elbo(), traces[1].elbo()) and not traces[1].rates()["z0"].any()


def test_it_grows_to_the_resolution_of_the_data_and_no_further(place: Path, command: Command, tmp_path: Path) -> None:
    source, folders = place / "coarse", [tmp_path / "half", tmp_path / "whole"]
    for folder in folders:
        hvae.grow(source, place / "same.npz", folder, below=1, replays=0, overrides={**SHORT, "train.steps": 1})
        source = folder
    assert names(hvae.load(source).model) == ["z1", "z0", "z-1"]
    assert hvae.load(source).config.model.finer == (1, 1)
    said = command("grow", source, "--data", place / "same.npz", "--below", 1, "--out", tmp_path / "never")
    assert said.code == 2 and said.err.count("\n") == 1 and "no finer scale" in said.err


FLAT = {
    "levels at the data's resolution": ({**SMALL, "model.groups": "1,1"}, "no finer scale"),
    "a family without scales": (
        {"model.family": "lvae", "model.latents": "4,2", "model.widths": "16,16"},
        "ladder and pixelvae grow below",
    ),
}


@pytest.mark.parametrize("case", FLAT)
def test_what_has_no_scale_below_is_refused_in_a_line(case: str, place: Path, command: Command, tmp_path: Path) -> None:
    model, word = FLAT[case]
    trained(tmp_path / "run", model, place)
    said = command("grow", tmp_path / "run", "--data", place / "same.npz", "--below", 1, "--out", tmp_path / "never")
    assert said.code == 2 and said.err.count("\n") == 1 and word in said.err
    assert not (tmp_path / "never").exists()
