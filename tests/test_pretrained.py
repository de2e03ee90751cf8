"""Models that come with the library, by their names."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

import hvae
from hvae import pretrained
from hvae.cli.main import main
from hvae.errors import HvaeError, HvaeWarning
from hvae.study.evaluate import judged
from hvae.study.evaluation import Evaluation
from hvae.study.gifts.gift import packaged

NAMES = pretrained.names()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fingerprint() -> dict[str, tuple[int, int]]:
    """What the folder of the package holds, and when it was written."""
    return {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in pretrained.HERE.iterdir() if p.is_file()}


FREE = {
    "CC BY 4.0",
    "CC BY-SA 3.0",
    "MIT",
    "CC BY-SA 3.0 or GPL-3.0, the Liberated Pixel Cup's artists",
    "public domain",
}
"""Licences of data that let a model of them ride in the package."""


def test_some_are_there() -> None:
    assert {"digits", "fashion-ladder", "mnist-ladder-class", "mnist-lossy", "mnist-vqvae", "sprites-ladder"} <= {
        *NAMES
    }


def test_their_data_may_be_given_on() -> None:
    """Those of CIFAR-10 state no licence: a model of them is pushed and pulled, and is not among these."""
    assert {pretrained.record(name)["card"]["data"]["licence"] for name in NAMES} <= FREE


def test_together_they_stay_small() -> None:
    assert sum(path.stat().st_size for path in pretrained.HERE.glob("*.safetensors")) <= 10_000_000


@pytest.mark.parametrize("name", NAMES)
def test_each_is_small_loads_and_says_what_it_is(name: str) -> None:
    run, known = hvae.load(name), pretrained.record(name)
    card, file = known["card"], pretrained.HERE / f"{name}.safetensors"
    assert run.is_packaged and run.verified and str(run.folder) == name
    assert file.stat().st_size == card["bytes"] <= pretrained.MOST_BYTES
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card["files"]["model.safetensors"]["sha256"]
    assert card["family"] == run.config.model.family
    assert card["parameters"] == sum(p.numel() for p in run.model.parameters())
    assert card["licence"] != "none said" and "not known" not in card["data"]["licence"]
    assert card["commands"] and card["seconds"] > 0 and card["numbers"] and card["limits"]
    assert known["evaluation"]["step"] == run.step
    assert not any("float16" in limit for limit in card["limits"]), "its numbers are those of the weights that are here"


@pytest.mark.parametrize("name", NAMES)
def test_its_verdict_is_that_of_todays_rules(name: str) -> None:
    evaluation = Evaluation.from_dict(pretrained.record(name)["evaluation"])
    again = judged(hvae.load(name), evaluation)
    assert again.verdict == evaluation.verdict, "renew it: python benchmarks/pretrained.py --judge --write"


@pytest.mark.parametrize("name", NAMES)
def test_a_renewed_record_is_sealed_anew(name: str) -> None:
    bundle = packaged(name)
    other = bundle.with_evaluation(replace(Evaluation.from_dict(bundle.evaluation), seconds=1.0))
    seal = other.card["files"]["evaluation.json"]
    assert seal != bundle.card["files"]["evaluation.json"]
    assert seal["sha256"] == hashlib.sha256(other.files()["evaluation.json"]).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_none_names_a_place_of_its_author(name: str) -> None:
    description = hvae.load(name).description
    for text in (json.dumps(description), (pretrained.HERE / f"{name}.json").read_text()):
        assert not re.search(r'"(?:/|~|[A-Z]:)|/(?:home|work|root|Users|tmp)/', text)


def test_samples_go_into_a_folder_of_its_name_and_the_package_stays_as_it_is() -> None:
    before = fingerprint()
    assert main(["sample", "digits", "-n", "2", "--seed", "0"]) == 0
    assert (Path("digits") / "samples.png").is_file()
    assert main(["sample", "digits", "-n", "2", "--seed", "0"]) == 0, "that folder holds no model, and is not one"
    assert main(["sample", "mnist-ladder-class", "-n", "2", "--context", "label=7", "-o", "seven.png"]) == 0
    assert main(["encode", "digits", "--data", "test", "--out", "codes.npz"]) == 0
    assert main(["score", "digits", "--data", "test"]) == 0
    assert [*Path().glob("digits-scores*.csv")]
    assert fingerprint() == before


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_what_writes_into_a_run_asks_for_a_copy(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "digits"]) == 2
    assert "hvae pull digits --out FOLDER" in capsys.readouterr().err
    with pytest.raises(HvaeError, match="hvae pull digits"):
        getattr(hvae, command)(hvae.load("digits"))
    assert not [*Path().iterdir()]


def test_compare_asks_for_copies_too() -> None:
    with pytest.raises(HvaeError, match="hvae pull digits"):
        hvae.compare(["digits", "mnist-ladder-class"])


def test_a_copy_is_a_run_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "digits", "--out", "runs/mine"]) == 0
    assert "CC BY 4.0" in capsys.readouterr().out
    folder = Path("runs/mine")
    assert {p.name for p in folder.iterdir()} >= {"README.md", "card.json", "config.yaml", "evaluation.json"}
    quick = {"evaluate.measures": "likelihood", "evaluate.samples": 2, "evaluate.limit": 20}
    assert hvae.evaluate(folder, overrides=quick).step == hvae.load("digits").step
    pulled = json.loads((folder / "provenance.json").read_text())["pulled"]
    assert pulled["source"] == f"hvae {hvae.__version__}: digits"
    with pytest.raises(HvaeError, match="already exists"):
        hvae.pull("digits", folder)


def test_a_copy_measures_what_its_card_says() -> None:
    hvae.pull("digits", "copy")
    stated = pretrained.record("digits")["evaluation"]["likelihood"]["negative_elbo_nats"]["mean"]
    (Path("copy") / "evaluation.json").unlink()
    measured = json.loads(json.dumps(hvae.evaluate("copy", measures="likelihood").to_dict()))["likelihood"]
    assert measured["negative_elbo_nats"]["mean"] == pytest.approx(stated, rel=1e-4)


def test_a_folder_that_holds_a_model_wins_and_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    hvae.pull("mnist-ladder-class", "digits")
    with pytest.warns(HvaeWarning, match="the folder digits is read, not the packaged model"):
        run = hvae.load("digits")
    assert not run.is_packaged and run.config.data.name == "mnist-dynamic"
    assert main(["sample", "digits", "-n", "1", "-o", "one.png"]) == 0
    assert "the folder digits is read" in capsys.readouterr().err


def test_a_folder_without_a_model_does_not_win() -> None:
    Path("digits").mkdir()
    assert hvae.load("digits").is_packaged
    with pytest.raises(HvaeError, match="no weights at"):
        hvae.load("./digits")


@pytest.mark.parametrize("name", ["digitz", "mnist-ladder-clas", "fashon-ladder"])
def test_an_unknown_name_names_the_nearest(name: str) -> None:
    with pytest.raises(HvaeError, match=rf"no run at {name}: neither a folder .* nor a packaged model; did you mean"):
        hvae.load(name)
    with pytest.raises(HvaeError, match=f"no packaged model named '{name}'; did you mean"):
        hvae.pull(name, "x")
    assert not [*Path().iterdir()]


@pytest.mark.parametrize("name", ["runs/digits", f"..{os.sep}digits", "digits.safetensors", ""])
def test_a_path_is_no_name(name: str) -> None:
    with pytest.raises(HvaeError, match=r"no run at|no weights at"):
        hvae.load(name)


def test_a_training_begins_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "digits", "--train.init", "digits", "--train.steps", "1", "--train.accelerator", "cpu"]
    words += ["--evaluate.measures", "likelihood", "--evaluate.samples", "2", "--evaluate.limit", "10", "--out", "on"]
    assert main(words) == 0
    assert "tensors begin as in digits" in capsys.readouterr().err


def test_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--pretrained", "--json"]) == 0
    cards = json.loads(capsys.readouterr().out)["pretrained"]
    assert [card["name"] for card in cards] == NAMES
    assert main(["models", "--pretrained"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES) and "cc-by-sa-3.0" in shown


def test_the_wheel_takes_them_along() -> None:
    import tomllib

    project = Path(__file__).parents[1] / "pyproject.toml"
    wheel = tomllib.loads(project.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["src/hvae"]}, "hatch takes every file of a package that git does not ignore"
    ignored = (project.parent / ".gitignore").read_text().split()
    assert not {"*.json", "*.safetensors"} & {*ignored}
