"""A table of numbers and names through every command: words in, words out."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae.deploy.formats import METADATA
from hvae.study.gifts.gift import gift

Command = Callable[..., Any]

JOBS = {"nurse": 2600, "teacher": 3000, "engineer": 4200}


def rows(count: int, seed: int = 0) -> list[list[str]]:
    random = np.random.default_rng(seed)
    some = []
    for _ in range(count):
        job = str(random.choice([*JOBS]))
        cells = [
            str(random.integers(20, 60)),
            job,
            f"{JOBS[job] + random.normal(0, 50):.2f}",
            str(random.choice(["no", "yes"])),
        ]
        some.append(["" if random.random() < 0.1 else cell for cell in cells])
    return some


def written(path: Path, lines: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["age", "job", "income", "married"], *lines])
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    keys = ("--data.path", written(folder / "people.csv", rows(300)), "--train.steps", 300, "--train.lr", 0.005)
    small = ("--model.widths", 32, "--model.latent", 3, "--objective.samples", 3, "--evaluate.samples", 3)
    said = command("train", "table", *keys, *small, "--train.batch", 64, "--out", folder / "run")
    assert said.code == 0, said.err
    return folder / "run"


def test_gaps_are_filled_in_words(run: Path, tmp_path: Path, command: Command) -> None:
    new = written(
        tmp_path / "new.csv", [["30", "", "4199.00", "yes"], ["", "nurse", "", ""], ["77", "nurs", "1.0", "no"]]
    )
    said = command("restore", run, new, "--task", "impute", "--draws", 8, "--out", tmp_path / "out")
    assert said.code == 0 and "3 rows, 8 draws each" in said.out, said.err
    assert "did you mean 'nurse'" in said.err and "2 numbers beyond the range" in said.err
    lines = list(csv.reader((tmp_path / "out" / "table.csv").open()))
    assert lines[1][0] == "30" and lines[1][1] in JOBS and lines[1][2:] == ["4199.00", "yes"]
    assert lines[2][1] == "nurse" and lines[2][0].isdecimal() and lines[2][3] in ("no", "yes")
    assert lines[3] == ["77", "nurs", "1.0", "no"]
    doubts = list(csv.DictReader((tmp_path / "out" / "cells.csv").open()))
    assert [(one["row"], one["column"]) for one in doubts] == [
        ("1", "job"),
        ("2", "age"),
        ("2", "income"),
        ("2", "married"),
    ]
    assert 0 < float(doubts[0]["share"]) <= 1 and not doubts[0]["deviation"] and float(doubts[1]["deviation"]) > 0
    assert "-n takes more" not in said.err
    said = command("restore", run, new, "--task", "impute", "--draws", 2, "-n", 2, "--out", tmp_path / "two")
    assert "the first 2 of 3 rows; -n takes more" in said.err and "2 rows, 2 draws each" in said.out


def test_gaps_of_the_runs_own_rows_are_filled_too(run: Path, tmp_path: Path, command: Command) -> None:
    said = command("restore", run, "test", "--task", "impute", "--draws", 2, "--out", tmp_path / "out", "--json")
    assert said.code == 0, said.err
    assert all(all(row) for row in csv.reader((tmp_path / "out" / "table.csv").open()))


def test_samples_are_rows_in_words(run: Path, tmp_path: Path, command: Command) -> None:
    said = command("sample", run, "-n", 20, "--seed", 3, "--out", tmp_path / "some.csv")
    assert said.code == 0 and "20 rows in" in said.out, said.err
    head, *lines = csv.reader((tmp_path / "some.csv").open())
    assert head == ["age", "job", "income", "married"] and len(lines) == 20
    assert all(line[0].isdecimal() and line[1] in JOBS and line[3] in ("no", "yes") for line in lines)
    said = command("sample", run, "--out", tmp_path / "some.png")
    assert said.code == 2 and "expected a table" in said.err and not (tmp_path / "some.png").exists()
    for name in ("more.csv", "more.npy"):
        said = command("sample", run, "--enlarge", 3, "--out", tmp_path / name)
        assert said.code == 2 and "--enlarge is about pictures" in said.err and not (tmp_path / name).exists()


def test_an_odd_cell_is_named(run: Path, tmp_path: Path, command: Command) -> None:
    new = written(
        tmp_path / "new.csv", [*rows(20, 1), ["30", "nurse", "4200.00", "yes"], ["30", "pilot", "3000.00", "no"]]
    )
    said = command("score", run, "--data", new, "--out", tmp_path / "scores.csv", "--quantile", 0.8)
    assert said.code == 0 and "Oddest cells" in said.out, said.err
    lines = list(csv.DictReader((tmp_path / "scores.csv").open()))
    # Either cell of the pair is odd beside the other.
    assert lines[20]["column"] in ("job", "income") and lines[21]["column"] == "job" and lines[21]["cell"] == "pilot"
    assert lines[21]["cell_nats"] == "inf" and float(lines[20]["cell_share"]) <= 0.1
    again = command("score", run, "--data", "test", "--quantile", 0.8, "--out", tmp_path / "test.csv", "--json")
    assert again.code == 0 and again.json["rows"] == 30, again.err


def test_the_other_commands_read_it_too(run: Path, tmp_path: Path, command: Command) -> None:
    new = written(tmp_path / "new.csv", rows(5, 2))
    said = command("features", run, "--data", new, "--out", tmp_path / "features.npz", "--json")
    assert said.code == 0, said.err
    said = command("evaluate", run, "--json")
    assert said.code == 0, said.err
    again = shutil.copytree(run, tmp_path / "again")
    (group,) = command("compare", run, again, "--out", tmp_path / "page.html", "--json").json["groups"]
    assert group["task"].endswith("test data, 4 columns"), "cells have no common depth"
    said = command("report", run)
    page = (run / "report.html").read_text()
    assert said.code == 0 and "a categorical mass" in page and "270 rows" not in page and "nats per row" in page, (
        said.err
    )
    said = command("encode", run, "--data", new, "--out", tmp_path / "latents.npz")
    assert said.code == 0, said.err
    said = command("compress", run, new, tmp_path / "new.hvz")
    assert said.code == 2 and "a model of the rows of a table" in said.err, said.err


def test_an_exported_encoder_leaves_gaps_out_and_names_the_columns(run: Path, tmp_path: Path) -> None:
    written = hvae.export(run, tmp_path / "encoder.pt2", to="pt2", part="encoder")
    kept = {METADATA: ""}
    program = torch.export.load(written.file, extra_files=kept).module()
    columns = json.loads(kept[METADATA])["columns"]
    assert [*columns] == ["age", "job", "income", "married"] and columns["job"] == {"names": sorted(JOBS)}
    model = hvae.load(run).model.eval()
    x = torch.tensor([[0.5, 2 / 3, 0.25, 1.0], [0.0, 2 / 3, 0.0, 1.0]])
    with torch.no_grad():
        trace = hvae.run(model, hvae.mode, model.evidence(hvae.Datum(x, observed=x != 0)))
        z, _, elbo = program(x, torch.zeros(2, 3), torch.zeros(1))
    torch.testing.assert_close(z, trace["z1"].value)
    torch.testing.assert_close(elbo, trace.elbo())


def test_a_card_says_how_many_columns_it_knows(run: Path) -> None:
    assert "It knows table of 4 columns and nothing else." in gift(hvae.load(run)).card["limits"]


def test_columns_that_training_has_not_seen_are_named(run: Path, tmp_path: Path, command: Command) -> None:
    new = tmp_path / "new.csv"
    new.write_text("married,id,job,age,income,note\nno,1,,30,2600,x\nyes,2,teacher,40,3000,y\n")
    for words in (("encode", run, "--data", new), ("restore", run, new, "--task", "impute", "--draws", 1)):
        said = command(*words, "--out", tmp_path / f"{words[0]}.npz")
        assert said.code == 0 and "2 columns that training has not seen, not read: 'id', 'note'" in said.err, said.err


def test_latents_and_ways_come_back_as_rows(run: Path, tmp_path: Path, command: Command) -> None:
    new = written(tmp_path / "new.csv", rows(6, 2))
    assert command("encode", run, "--data", new, "--out", tmp_path / "latents.npz", "--mode").code == 0
    for words, count, name in (
        (("decode", run, tmp_path / "latents.npz"), 6, "decoded"),
        (("interpolate", run, "--data", new, "--pairs", 2, "--steps", 3), 6, "ways"),
    ):
        said = command(*words, "--out", tmp_path / f"{name}.csv")
        assert said.code == 0, said.err
        head, *lines = csv.reader((tmp_path / f"{name}.csv").open())
        assert head == ["age", "job", "income", "married"] and len(lines) == count
        assert all(line[0].isdecimal() and line[1] in JOBS and line[3] in ("no", "yes") for line in lines)
        assert command(*words, "--out", tmp_path / f"{name}.npy").code == 0
        said = command(*words, "--out", tmp_path / "some.png")
        assert said.code == 2 and "expected a table" in said.err and not (tmp_path / "some.png").exists()
    way = np.load(tmp_path / "ways.npy")  # (T, P, D), and the table has one way after the other
    ages = [int(line[0]) for line in csv.reader((tmp_path / "ways.csv").read_text().splitlines()[1:])]
    assert way.shape == (3, 2, 4) and np.diff(np.array(ages)[way[..., 0].T.ravel().argsort()]).min() >= 0


def test_a_run_of_other_columns_says_so(run: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "new.csv").write_text("age,jobs\n30,nurse\n")
    for words in (
        ("score", run, "--data"),
        ("features", run, "--out", tmp_path / "f.npz", "--data"),
        ("encode", run, "--data"),
    ):
        said = command(*words, tmp_path / "new.csv", *(("--out", tmp_path / "l.npz") if words[0] == "encode" else ()))
        assert said.code == 2 and "expected a column 'job', got none; did you mean 'jobs'" in said.err, said.err
        assert said.err.count("\n") == 1


def test_an_earlier_run_of_other_data_says_so(run: Path, command: Command) -> None:
    said = command("evaluate", "digits", "--before", run, "--on", "digits")
    assert said.code == 2 and "--before: expected a run of the same form of data" in said.err


def test_pictures_before_a_run_of_a_table_say_so(run: Path, tmp_path: Path, command: Command) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "x.png")
    for words in (
        ("score", run, "--out", tmp_path / "s.csv", "--data"),
        ("features", run, "--out", tmp_path / "f.npz", "--data"),
        ("encode", run, "--out", tmp_path / "l.npz", "--data"),
        ("evaluate", run, "--on"),
    ):
        for source in (tmp_path / "x.png", "digits"):
            said = command(*words, source)
            assert said.code == 2 and not (tmp_path / "s.csv").exists()
            assert "was trained on a table" in said.err or (source == "digits" and words[0] in ("features", "encode"))
