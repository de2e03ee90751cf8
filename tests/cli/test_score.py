from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae.screen.numbers import number
from hvae.study.heat import evenly
from hvae.study.scoring.scores import Scores, as_csv

Command = Callable[..., Any]


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copy")


def table(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    folder = tmp_path / "noise"
    for i in range(12):
        pixels = np.random.default_rng(i).integers(256, size=(8, 8), dtype=np.uint8)
        (folder / "a").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "a" / f"{i:02d}.png")
    return folder


def test_a_folder_of_noise_is_foreign(copy: Path, noise: Path, command: Command) -> None:
    said = command("score", copy, "--data", noise, "--by", "nll", "--foreign", "--maps", 3, "--json")
    assert said.code == 0, said.err
    found = said.json
    written = table(found["csv"])
    assert found["rows"] == len(written) == 12 and re.fullmatch(r"scores-noise-\w{6}\.csv", Path(found["csv"]).name)
    assert Path(found["csv"]).parent == copy
    assert written[3]["file"] == str(Path("a") / "03.png") and written[3]["index"] == "3"
    # Even six steps of training tell digits from noise by likelihood.
    assert found["foreign"] == 12 and {row["decision"] for row in written} == {"foreign"}
    assert all(float(row["nll"]) > found["threshold"] for row in written)
    assert {"nll", "nll>1", "nll>2", "llr>1", "llr>2", "kl", "kl/z2", "kl/z1", "typicality", "complexity"} <= set(
        written[0]
    )
    assert found["detection"]["nll"]["auroc"] > 0.99 and found["detection"]["nll"]["positive"] == "foreign"
    assert found["bound"] == "ELBO" and found["data"]["split"] == "train" and found["seen_in_training"] == 0
    assert Image.open(found["maps"]).size[0] > 8


def test_own_test_data_are_mostly_normal_and_scored_the_same_twice(copy: Path, command: Command) -> None:
    said = command("score", copy, "--data", "test", "-n", 60, "--quantile", 0.9, "-o", copy / "a.csv")
    assert said.code == 0, said.err
    assert "of 60 images are foreign" in said.out and "inside of all of them lie 90 % of normal data" in said.out
    command("score", copy, "--data", "test", "-n", 60, "--quantile", 0.9, "-o", copy / "b.csv")
    assert (copy / "a.csv").read_text() == (copy / "b.csv").read_text()
    assert sum(row["decision"] == "foreign" for row in table(copy / "a.csv")) <= 20
    assert "file" not in table(copy / "a.csv")[0]


def test_decisions_follow_from_validation_data_alone(copy: Path, noise: Path, command: Command) -> None:
    first = command("score", copy, "--data", "test", "-n", 30, "--json").json
    second = command("score", copy, "--data", noise, "--json").json
    assert first["threshold"] == second["threshold"] and first["by"] == second["by"] == "outside"
    spans = [{name: (row["low"], row["high"]) for name, row in found["ranges"].items()} for found in (first, second)]
    assert spans[0] == spans[1] and list(spans[0]) == ["nll", "llr>1", "kl", "complexity"]


def test_the_default_rule_looks_at_both_sides_of_several_scores(copy: Path, noise: Path, command: Command) -> None:
    """Noise has a likelihood far off; what is wrong with a blank image is another score."""
    for i in range(5):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(noise / "a" / f"9{i}.png")
    said = command("score", copy, "--data", noise, "--json").json
    written = table(said["csv"])
    assert said["foreign"] == 17 and all(row["decision"] == "foreign" and row["reason"] for row in written)
    assert all("nll above" in row["reason"] for row in written[:12])
    assert all("complexity above" in row["reason"] for row in written[12:]), "a blank image has no bits of its own"
    assert all(float(row["outside"]) > 1 for row in written)
    assert said["ranges"]["nll"]["above"] == 12


def test_one_named_score_decides_alone_and_says_so(copy: Path, noise: Path, command: Command) -> None:
    said = command("score", copy, "--data", noise, "--by", "llr>1", "--accept", 0.9, "--json").json
    for row in table(said["csv"]):
        assert (row["decision"] == "foreign") == (float(row["llr>1"]) > said["threshold"]) == bool(row["reason"])
        assert row["reason"] in ("", f"llr>1 above {number(said['threshold'])}")


def test_the_tables_of_different_images_lie_side_by_side(
    copy: Path, noise: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(16, size=(5, 8, 8), dtype=np.uint8)
    np.save("noise.npy", images)
    np.savez("noise.npz", images)
    shutil.copytree(noise, tmp_path / "other" / "noise")
    shutil.copytree(noise, tmp_path / "test")
    names = ("noise.npy", "noise.npz", "noise", "other/noise", "test", "./test")
    tables = [command("score", copy, "--data", name, "-n", 4, "--json").json["csv"] for name in (*names, *names)]
    assert len(set(tables)) == len(names) and tables[: len(names)] == tables[len(names) :]
    assert len(list(copy.glob("scores-*.csv"))) == len(names)


def test_several_samples_make_another_bound(copy: Path, command: Command) -> None:
    said = command("score", copy, "--data", "test", "-n", 5, "--samples", 3, "--json").json
    assert said["bound"] == "IW-3" and json.dumps(said)


def test_training_images_are_noticed(copy: Path, command: Command) -> None:
    said = command("score", copy, "--data", "train", "-n", 20, "--json")
    assert said.json["seen_in_training"] == 20
    assert "20 of these 20 images are training data" in said.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--data nowhere", "nothing at nowhere"),
        ("--data test --by lrr>1", "no score named 'lrr>1'; did you mean 'llr>1'?"),
        ("--data test --by llr>3", "no score named 'llr>3'"),
        ("--data test --quantile 95", "expected a quantile between 0 and 1, got 95"),
        ("--data test --quantile 0.9999", "--quantile 0.9999: expected 10,000 validation data of the run or more"),
        ("--data test --quantile 0.9999", "train with a larger data.valid, or lower --quantile"),
        ("--data test --normal 15", "expected 20 validation data of the run or more, got 15; give a larger --normal"),
        ("--data test --normal 5", "expected 12 normal data or more to know what is usual, got 5"),
        ("--data test --samples 0", "--samples: expected at least 1, got 0"),
        ("--data test -n -3", "--number: expected at least 0, got -3"),
        ("--data noise --foreign -n 1", "--foreign: expected 2 images or more to compare, got 1 from noise"),
        ("--data test --foreign", "--foreign: nothing is foreign about the run's own test data; name other data"),
        ("--data valid --foreign", "nothing is foreign about the run's own valid data"),
        ("--data noise --reverse other", "--reverse is the other direction of a pair; add --foreign"),
        ("--data noise --foreign --reverse nowhere", "nowhere"),
        ("--data mnist --foreign --reverse RUN", "--reverse: expected a run that was trained on mnist, got one of dig"),
        ("--data test --by regret", "--by regret needs the steps that each image may take, as in --regret 100"),
        ("--data test --regret -1", "--regret: expected at least 0, got -1"),
        ("--data test -o nowhere/x.csv", "--out: there is no folder nowhere; make it, or choose another"),
        ("--data test --maps 2 -o x.png", "--out: expected a .csv file, beside which the maps are written"),
        ("--data test -o noise", "--out: expected a file to write, got the folder noise"),
        ("--data cifar10 --data.download false --data.root nowhere", "cifar10"),
        ("--data test --train.lr 3", "--train.lr belongs to the training"),
    ],
)
def test_faults_come_before_the_work(
    words: str, line: str, copy: Path, noise: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(noise.parent)
    said = command("score", copy, *words.replace("RUN", str(copy)).split())
    assert said.code == 2 and line in said.err, said.err
    assert said.err.count("\n") == 1 and "scores of" not in said.err
    assert not list(copy.glob("scores*"))


def test_rows_keep_what_is_not_finite_readable() -> None:
    scores = Scores(
        scores={"nll": torch.tensor([float("inf"), 0.5])},
        reasons=("nll above 1", ""),
        **{"files": (), "threshold": 1.0, "quantile": 0.95, "ranges": {}, "bound": "ELBO", "regret_steps": 0},
        comparison=None,  # type: ignore[arg-type]
    )
    text = as_csv(scores.rows(), [])
    assert text.splitlines() == ["index,decision,reason,nll", "0,foreign,nll above 1,inf", "1,normal,,0.5"]


def test_levels_are_left_out_evenly() -> None:
    names = [f"z{l}" for l in range(40, 0, -1)] + ["data"]
    chosen = evenly(names, 8)
    assert len(chosen) == 8 and chosen[0] == "z40" and chosen[-1] == "data"
    assert hvae.__version__


def test_python_gives_what_the_command_gives(copy: Path, noise: Path, command: Command) -> None:
    words = ("--by", "llr>1", "--foreign", "--normal", 60, "-n", 8, "--seed", 3, "-o", copy / "a.csv", "--json")
    said = command("score", copy, "--data", noise, *words)
    lines: list[str] = []
    scores = hvae.score(
        *(copy, noise), by="llr>1", foreign=True, normal=60, number=8, seed=3, out=copy / "b.csv", tell=lines.append
    )
    assert {**scores.to_dict(), "csv": str(copy / "a.csv")} == said.json
    assert (copy / "a.csv").read_bytes() == (copy / "b.csv").read_bytes()
    assert len(scores) == len(scores.decisions) == len(scores.rows()) - 1 == 8
    assert scores.foreign == scores.decisions.count("foreign") == said.json["foreign"] and not lines


def test_data_in_memory_are_scored_as_those_of_a_file(copy: Path, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(16, size=(12, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "levels.npy", levels * 17)
    x, few = torch.from_numpy(levels) / 15, {"normal": 40, "by": "nll"}
    run = hvae.load(copy)
    watched: set[str] = set()
    of_file = hvae.score(copy, tmp_path / "levels.npy", progress=lambda done, total, what: watched.add(what), **few)
    assert {"scores of training data of copy", "scores of validation data of copy"} < watched
    sources = (x, x.numpy(), hvae.Datum(x), torch.utils.data.TensorDataset(x))
    for scores in (hvae.score(run, source, **few) for source in sources):
        assert torch.equal(scores.scores["nll"], of_file.scores["nll"]) and scores.csv is None
    assert not list(copy.glob("scores*")) and scores.comparison.data.provenance.source == "the TensorDataset"
    maps = hvae.score(run, x, maps=2, **few).maps
    assert maps.file is None and maps.heat["data"].shape == (2, 8, 8) and len(maps.places) == 2


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (torch.zeros(3, 8, 8), r"takes images of \(1, 8, 8\) with 4 bits, got \(8, 8\)"),
        (torch.full((3, 1, 8, 8), 0.5), "expected values k / 15 .* got some between them in the Tensor"),
        (torch.full((3, 1, 8, 8), 255.0), r"expected values in \[0, 1\], got 255; divide them by 255"),
        (torch.full((3, 1, 8, 8), torch.nan), "expected complete images"),
        (torch.zeros(0, 1, 8, 8), "expected at least one image"),
        (3, "got int, which has no items by index"),
        (hvae.Datum(torch.zeros(3, 1, 8, 8), observed=torch.ones(3, 1, 8, 8).bool()), "expected complete images"),
    ],
    ids=["shape", "levels", "range", "nan", "empty", "kind", "observed"],
)
def test_data_in_memory_of_another_form_are_refused(data: Any, line: str, copy: Path) -> None:
    with pytest.raises(hvae.HvaeError, match=line):
        hvae.score(copy, data, normal=40)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"samples": 0}, "--samples: expected at least 1, got 0"),
        ({"maps": -1}, "--maps: expected at least 0, got -1"),
        ({"number": 2.5}, "--number: expected a whole number, got 2.5"),
        ({"quantile": 2.0}, "expected a quantile between 0 and 1, got 2"),
        ({"by": "nlll"}, "no score named 'nlll'"),
        ({"overrides": {"train.lr": 3}}, "train.lr belongs to the training"),
    ],
)
def test_options_of_python_are_refused_before_the_work(options: dict[str, Any], line: str, copy: Path) -> None:
    started: list[str] = []
    with pytest.raises(hvae.HvaeError, match=line):
        hvae.score(copy, "test", progress=lambda done, total, name: started.append(name), **options)
    assert not started
