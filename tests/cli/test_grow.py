"""Runs that learn new data: what they begin with, what they are trained on, what they forget, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hvae
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.draw import mode
from hvae.errors import HvaeError
from hvae.metrics.results import Estimate
from hvae.study.forgetting import Forgetting, Remembered
from hvae.walk import names, run

Command = Callable[..., Any]
SHORT = {"train.steps": 4, "train.batch": 16, "train.accelerator": "cpu", "train.valid_size": 20}
QUICK = {"evaluate.measures": "likelihood", "evaluate.samples": 2, "evaluate.limit": 20, "objective.warmup.length": 0}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets of stripes, across and along, and a run of each family that grows, trained on the one."""
    folder = tmp_path_factory.mktemp("growth")
    draw = np.random.default_rng(0)
    for name, axis in (("old", 1), ("new", 2)):
        rows = draw.integers(0, 2, (600, 8))
        bits = np.repeat(np.expand_dims(rows, 3 - axis), 8, 3 - axis).astype(np.uint8)
        np.savez(folder / f"{name}.npz", train=bits[:450], valid=bits[450:525], test=bits[525:])
    small = {"model.family": "lvae", "model.latents": "4,2", "model.widths": "16,16", "model.norm": "none"}
    trained(folder / "lvae", {**small, "objective.free_bits.nats": 0, "data.path": str(folder / "old.npz")})
    return folder


def trained(folder: Path, more: dict[str, Any]) -> Path:
    hvae.train("digits", out=folder, overrides={**SHORT, **QUICK, "data.name": "npy", **more})
    return folder


def test_it_begins_as_the_old_run(place: Path, tmp_path: Path) -> None:
    """Trained by steps of size zero before the level fades in: the bound of the old data is that of the old run."""
    still = {"train.lr": 0.0, "model.fade": 10**6, "train.steps": 1}
    grown = hvae.grow(place / "lvae", place / "new.npz", tmp_path / "grown", overrides=still)
    assert grown.added == ("z3",) and grown.replayed == 450
    before, after = hvae.load(place / "lvae").model, hvae.load(tmp_path / "grown").model
    after.levels["z3"].age.zero_()
    x = torch.bernoulli(torch.full((6, 1, 8, 8), 0.5))
    assert names(after) == ["z3", "z2", "z1"]
    assert torch.equal(run(after, mode, after.evidence(x)).elbo(), run(before, mode, before.evidence(x)).elbo())


def test_samples_of_an_earlier_growth_stay(place: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "grown-replay.npz"
    earlier.write_bytes(b"earlier")
    with pytest.raises(HvaeError, match="is there already"):
        hvae.grow(place / "lvae", place / "new.npz", tmp_path / "grown", replays=7, overrides=SHORT)
    assert earlier.read_bytes() == b"earlier" and not (tmp_path / "grown").exists()


def test_replayed_samples_join_the_training_data(place: Path, tmp_path: Path) -> None:
    hvae.grow(place / "lvae", place / "new.npz", tmp_path / "grown", replays=7, overrides=SHORT)
    config = hvae.load(tmp_path / "grown").config.data
    assert len(load(config).train) == 457 and len(load(config).valid) == 75
    assert set(load(config).train.levels(range(450, 457)).unique().tolist()) <= {0, 1}


def test_frozen_parts_stay_to_the_last_bit(place: Path, tmp_path: Path) -> None:
    hvae.grow(place / "lvae", place / "new.npz", tmp_path / "grown", freeze=True, overrides={**SHORT, "model.fade": 2})
    old, new = (hvae.load(folder).model.state_dict() for folder in (place / "lvae", tmp_path / "grown"))
    assert all(torch.equal(new[name], old[name]) for name in old)
    assert new["levels.z2.prior.network.weight"].any()  # what was added has learnt


def test_the_table_of_what_was_forgotten(place: Path, command: Command, tmp_path: Path) -> None:
    keys = [word for key, value in {**SHORT, **QUICK}.items() for word in (f"--{key}", value)]
    said = command("grow", place / "lvae", "--data", place / "new.npz", "--out", tmp_path / "g", "--json", *keys)
    assert said.code == 0, said.err
    assert json.loads(said.out)["added"] == ["z3"]
    table = command("evaluate", tmp_path / "g", "--on", place / "old.npz", place / "new.npz", "--json")
    assert table.code == 0, table.err
    told = json.loads(table.out)
    assert Path(told["before"]).name == "lvae" and [one["number"] for one in told["on"]] == [75, 75]
    for one in told["on"]:
        change = one["after"]["mean"] - one["before"]["mean"]
        assert one["change"]["mean"] == pytest.approx(change, abs=1e-9) and change != 0
    shown = command("evaluate", tmp_path / "g", "--on", place / "old.npz")
    assert "change ± 95 %, paired" in shown.out and "old.npz" in shown.out


def test_what_is_behind_a_plus_minus_is_said_and_of_one_kind() -> None:
    before, after, change = (Estimate(mean, 0.5, mean - 0.98, mean + 0.98) for mean in (-90.0, -85.0, 5.0))
    one = Remembered(data="old.npz", number=75, before=before, after=after, change=change)
    line = str(Forgetting(run="g", earlier="lvae", sets=(one,)))
    assert line.count("± 0.98") == 3 and "(95 %, paired)" in line


def test_a_packaged_model_grows_and_is_what_its_growth_is_compared_with(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = {**SHORT, **QUICK, "train.steps": 1}
    grown = hvae.grow("digits", "digits", tmp_path / "grown", levels=1, replays=2, overrides=keys)
    assert grown.added == ("z4",) and grown.replayed == 2
    assert hvae.load(tmp_path / "grown").config.train.init == "digits"
    said = command("evaluate", tmp_path / "grown", "--on", "test", "--json")
    assert said.code == 0 and said.json["before"] == "digits" and said.json["on"][0]["change"] is not None, said.err


def test_what_was_done_to_data_before_they_were_compared_is_said(tmp_path: Path, command: Command) -> None:
    levels = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8) * 2
    np.save(tmp_path / "grey.npy", levels)
    np.save(tmp_path / "black.npy", levels * 0)
    said = command("evaluate", "digits", "--on", tmp_path / "grey.npy", tmp_path / "black.npy")
    assert said.code == 0 and "grey.npy: 2 images of 1x8x8, 8 bits, brought to 1x8x8, 4 bits" in said.err, said.err
    assert "read as 1 bit" not in said.err and len(said.out.splitlines()) == 4


def test_known_data_are_not_novel_and_others_are(place: Path, command: Command, tmp_path: Path) -> None:
    train = {"train.steps": 300, "train.valid_every": 0}
    trained(tmp_path / "known", {**load_keys(place), **train, "data.path": str(place / "old.npz")})
    said = command("grow", tmp_path / "known", "--data", place / "old.npz", "--if-novel", "--out", tmp_path / "no")
    assert said.code == 0 and "nothing was grown" in said.out and not (tmp_path / "no").exists()
    growth = hvae.grow(tmp_path / "known", place / "new.npz", tmp_path / "yes", if_novel=True, overrides=SHORT)
    assert growth.run is not None and growth.novelty is not None and growth.novelty.beyond > 0.5


def load_keys(place: Path) -> dict[str, Any]:
    model = hvae.load(place / "lvae").config.model
    return {"model.family": "lvae", "model.latents": model.latents, "model.widths": model.widths, "model.norm": "none"}


REFUSED = {
    "a file that is not there": ({"data": "nothing.npz"}, "nothing.npz"),
    "a folder in use": ({"out": "lvae"}, "already exists"),
    "nothing to train": ({"freeze": True, "levels": 0}, "adds nothing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_said_in_a_line(case: str, place: Path, tmp_path: Path) -> None:
    wish, word = REFUSED[case]
    wish = {"data": "new.npz", "out": "never", **wish}
    data, out = (place / wish.pop(name) for name in ("data", "out"))
    with pytest.raises(HvaeError, match=word):
        hvae.grow(place / "lvae", data, out, overrides=SHORT, **wish)
    assert not (place / "never").exists() and not list(place.glob("*-replay.npz"))


LATE = {
    "a strategy that there is not": ({"train.strategy": "no-such"}, "cannot train with"),
    "a measure that there is not": ({"evaluate.measures": "likelihod"}, "likelihood"),
    "a file that is not there": ({"evaluate.factors": "nothing"}, "no file at nothing"),
    "a part that there is not": ({"train.only": "levels.z9"}, "levels.z9"),
}


@pytest.mark.parametrize("case", LATE)
def test_what_the_training_would_refuse_leaves_no_samples_behind(case: str, place: Path, tmp_path: Path) -> None:
    keys, word = LATE[case]
    with pytest.raises(HvaeError, match=word):
        hvae.grow(place / "lvae", place / "new.npz", tmp_path / "never", overrides={**SHORT, **keys})
    assert not list(tmp_path.iterdir())


def test_a_refusal_by_the_training_itself_takes_the_samples_with_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        assert (tmp_path / "never-replay.npz").is_file()
        raise HvaeError("the disk is full")

    monkeypatch.setattr("hvae.study.grow.train", full)
    with pytest.raises(HvaeError, match="disk is full"):
        hvae.grow(place / "lvae", place / "new.npz", tmp_path / "never", overrides=SHORT)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("family", ["vae", "markov"])
def test_families_that_cannot_grow_name_those_that_can(
    family: str, place: Path, command: Command, tmp_path: Path
) -> None:
    small = {
        "vae": {"model.latent": 3, "model.widths": "16"},
        "markov": {"model.latents": "4,2", "model.widths": "16,16"},
    }
    trained(tmp_path / "run", {"model.family": family, **small[family], "data.path": str(place / "old.npz")})
    said = command("grow", tmp_path / "run", "--data", place / "new.npz", "--out", tmp_path / "never")
    assert said.code == 2 and said.err.count("\n") == 1 and "ladder" in said.err and "lvae, vlae" in said.err


def test_a_run_that_is_told_something_does_not_grow(place: Path, command: Command, tmp_path: Path) -> None:
    keys = {"model.family": "lvae", "model.latents": "4,2", "model.widths": "16,16", "data.name": "digits"}
    hvae.train("digits", out=tmp_path / "run", overrides={**SHORT, **keys, "model.condition.kind": "class"})
    said = command("grow", tmp_path / "run", "--data", place / "new.npz", "--out", tmp_path / "never")
    assert said.code == 2 and said.err.count("\n") == 1 and "is told a condition" in said.err
    assert not (tmp_path / "never").exists()


def test_a_replay_file_of_another_form_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "replay.npz"
    for arrays in ({"x": np.zeros(3)}, {"levels": np.zeros((2, 1, 9, 9), np.uint8), "bits": 4}):
        np.savez(file, **arrays)
        with pytest.raises(HvaeError, match=r"data\.replay: expected"):
            load(DataConfig(name="digits", replay=str(file)))
    np.savez(file, levels=np.full((2, 1, 8, 8), 16, np.uint8), bits=4)
    with pytest.raises(HvaeError, match="levels from 0 to 15"):
        load(DataConfig(name="digits", replay=str(file)))


def test_one_set_is_no_list_of_letters() -> None:
    one, several = (hvae.forgetting("digits", on, count=4).to_dict()["on"] for on in ("digits", ["digits"]))
    assert one == several and [each["data"] for each in one] == ["digits"]
