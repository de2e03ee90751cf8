"""hvae evaluate: what is measured, what is refused, and what an interrupted evaluation goes on with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_run_folder import resaved

import hvae
from hvae.checkpoints import describe
from hvae.cli.voice import Voice
from hvae.config.evaluate import EvaluateConfig
from hvae.config.measures import measures, quick
from hvae.data import load as load_data
from hvae.data.shapes import shapes
from hvae.modules import largest_output
from hvae.runs.subject import open_run, safe_rows
from hvae.screen.numbers import number
from hvae.study import Evaluation
from hvae.study.measures import MEASURES
from hvae.study.partial import NAME
from hvae.study.work import Work
from hvae.weights import save_weights

Command = Callable[..., Any]
FEW = ("--evaluate.limit", 40, "--evaluate.samples", 2, "--evaluate.batch", 10, "--evaluate.pairs", 8)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(run, tmp_path / "copy")
    (folder / "evaluation.json").unlink()
    return folder


def numbers(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "seconds"}


def only(*names: str) -> tuple[str, str]:
    return "--evaluate.measures", ",".join(names)


def test_the_quick_measures_are_all_there(copy: Path, command: Command) -> None:
    found = command("evaluate", copy, *FEW, "--json").json
    work = Work(open_run(copy, {}, print), Voice())
    assert {MEASURES[name].key() for name in quick() if MEASURES[name].concerns(work)} <= set(found)
    assert found["skipped"] == {}
    assert not {"classes", "quality", "disentanglement"} & set(found)
    assert found["mutual"]["batch"] == 8 and found["mutual"]["population"] == 40
    assert [row["lowest"] for row in found["contribution"]["top"]] == ["", "z2", "z1"]
    assert found["reconstruction"]["ms_ssim"] is None, "8 pixels a side are too few"
    assert list(found["maps"]["levels"]) == ["data"], "levels that are vectors have no places"
    assert (copy / found["maps"]["picture"]).read_bytes()[:4] == b"\x89PNG"


def test_each_bound_is_told_with_its_interval_samples_and_data(copy: Path, command: Command) -> None:
    said = command("evaluate", copy, *FEW, *only("likelihood"))
    lines = [line for line in said.out.splitlines() if line.startswith(("-ELBO", "-IW-2", "bits/dim"))]
    assert len(lines) == 3 and all("[" in line and "40 test data of digits (1x8x8, 4 bit" in line for line in lines)
    assert "effective samples" in lines[1] and "K = 2" in lines[0] and "from -IW-2" in lines[2]


def test_what_more_draws_gain_is_measured_on_the_same_ones(copy: Path, command: Command) -> None:
    more = (*FEW[:2], "--evaluate.samples", 6, "--evaluate.batch", 10)
    plain = command("evaluate", copy, *more, *only("likelihood", "activity"), "--json").json
    said = command("evaluate", copy, *more, "--evaluate.block", 3, *only("likelihood"))
    record = json.loads((copy / "evaluation.json").read_text())
    blocks = record["likelihood"].pop("blocks")
    assert record["likelihood"] == plain["likelihood"], "nothing else changes"
    assert record["activity"] == plain["activity"], "and other measures stay"
    assert blocks["samples"] == 3 and blocks["gain_nats"]["mean"] > 0
    (line,) = (line for line in said.out.splitlines() if line.startswith("-IW-3 "))
    assert "mean over blocks of 3 of the same draws; -IW-6 is" in line


def test_blocks_that_do_not_divide_the_draws_are_one_line(copy: Path, command: Command) -> None:
    said = command("evaluate", copy, *FEW, "--evaluate.block", 2, *only("likelihood"))
    assert said.code == 2 and said.err.count("\n") == 1
    assert "evaluate.block: expected a divisor of evaluate.samples (2) below it, or 0, got 2" in said.err


def test_one_table_has_every_number_of_a_level(copy: Path, command: Command) -> None:
    said = command("evaluate", copy, "--evaluate.limit", 0, *only("quick", "classes"), "--evaluate.samples", 1)
    assert said.code == 0, said.err
    titles = {
        *("nats", "nats/dim", "I(x; z)", "KL(q(z) || p)", "I held", "active", "used"),
        *("verdict", "probe", "NMI", "ARI"),
    }
    record = json.loads((copy / "evaluation.json").read_text())
    columns = Evaluation.from_dict(record).levels()
    assert list(columns) == ["z2", "z1"] and all(set(cells) == titles for cells in columns.values())
    assert all(title in said.out for title in titles) and "minibatch-stratified" in said.out
    assert 0.05 < record["classes"]["chance"] < 0.3
    page = command("report", copy)
    assert page.code == 0 and "likelihood" not in page.err
    text = (copy / "report.html").read_text()
    assert all(title in text for title in ("I(x; z)", "probe", "What the top levels are worth"))
    assert "Where each level spends its nats" in text


def without(measured: Any) -> Any:
    """A record in which no mean and no rate is a number."""
    if isinstance(measured, dict):
        lost = ("mean", "rate_nats", "rate_nats_per_dim")
        return {key: None if key in lost and not isinstance(v, dict) else without(v) for key, v in measured.items()}
    return measured


def test_what_is_not_a_number_is_shown_as_such(copy: Path, command: Command) -> None:
    """Numbers of a level that overflow, which a file holds as nothing, spoil no table."""
    found = command("evaluate", copy, *FEW, *only("activity", "mutual"), "--json").json
    lost = {name: without(found[name]) for name in ("activity", "mutual")}
    evaluation = Evaluation.from_dict({**found, **lost})
    shown = evaluation.levels()
    assert shown["z1"]["nats"] == shown["z1"]["I(x; z)"] == shown["z1"]["KL(q(z) || p)"] == "not finite"
    assert "not finite" in next(iter(evaluation.notes()))


def test_samples_are_compared_and_say_by_what(copy: Path, command: Command) -> None:
    words = ("--evaluate.limit", 150, "--evaluate.generated", 140, "--evaluate.samples", 1)
    found = command("evaluate", copy, *words, *only("quality"), "--json").json["quality"]
    assert found["real"] == found["generated"] == 140 and found["features"] == 128
    assert found["extractor"].startswith("hidden layer of a classifier") and found["resizing"] == "none"
    assert 1 <= found["inception_score"]["mean"] <= 10 and found["fid"] > 0
    network = ("--evaluate.features", "torch.nn:Flatten", "--evaluate.features_channels", 1)
    found = command("evaluate", copy, *words, *only("quality"), *network, "--json").json["quality"]
    assert found["extractor"] == "torch.nn:Flatten" and found["features"] == 64


def test_the_hierarchical_bound_is_told_for_each_prefix_of_the_levels(copy: Path, command: Command) -> None:
    said = command("evaluate", copy, *FEW, *only("hierarchical"))
    (bound,) = json.loads((copy / "evaluation.json").read_text())["hierarchical"]["bounds"]
    assert bound["shared"] == ["z2"] and (bound["groups"], bound["samples"], bound["data"]) == (4, 2, 40)
    assert bound["negative_hiw_nats"]["mean"] < bound["negative_elbo_nats"]["mean"]
    assert "-HIW-4x2" in said.out and "shared z2, 40 data" in said.out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (only("likelyhood"), "no measure named 'likelyhood'; did you mean 'likelihood'?"),
        (("--evaluate.measures", ""), "expected one or more of quick, all, likelihood"),
        (only("quality"), "quality cannot be measured: expected 129 pictures or more on both sides"),
        ((*only("quality"), "--evaluate.features", "random"), "expected 257 pictures or more on both sides"),
        ((*only("quality"), "--evaluate.features", "nowhere.pt"), "no network at nowhere.pt"),
        ((*only("quality"), "--evaluate.features", "torch.nn:Flatten"), "expected 193 pictures or more on both sides"),
        ((*only("quality"), "--evaluate.features", "torch.nn:Conv2d"), "torch.nn:Conv2d"),
        ((*only("quality"), "--evaluate.features", "torch:linalg"), "torch:linalg"),
        (only("disentanglement"), "factors are needed, and digits has none"),
        ((*only("disentanglement"), "--evaluate.factors", "nowhere.npz"), "nowhere.npz"),
        (only("classes"), "classes cannot be measured: expected 10 data of each class or more"),
        ((*only("mutual"), "--evaluate.limit", 1), "mutual cannot be measured: 2 data or more are needed, got 1"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(
    words: tuple[Any, ...], line: str, copy: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object) -> None:
        raise AssertionError("something long has begun")

    monkeypatch.setattr(Work, "bar", started)
    said = command("evaluate", copy, *FEW, *words)
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1
    assert not (copy / "evaluation.json").exists() and not (copy / NAME).exists()


def test_labels_of_one_class_or_none(copy: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from hvae.data import load

    def relabelled(labels: Callable[[torch.Tensor], torch.Tensor | None]) -> Callable[[Any], Any]:
        def changed(config: Any, *others: Any) -> Any:
            data = load(config, *others)
            splits = {name: getattr(data, name) for name in ("train", "valid", "test")}
            return replace(data, **{n: replace(s, labels=labels(s.labels)) for n, s in splits.items()})

        return changed

    monkeypatch.setattr("hvae.data.load", relabelled(lambda t: torch.zeros_like(t)))
    assert "of one class only" in command("evaluate", copy, *FEW, *only("coarse-to-fine")).err
    assert "expected labels of 2 classes or more" in command("evaluate", copy, *FEW, *only("classes")).err
    monkeypatch.setattr("hvae.data.load", relabelled(lambda t: None))
    assert "labels are needed, and digits has none" in command("evaluate", copy, *FEW, *only("classes")).err
    wish = ("--evaluate.features", "classifier", "--evaluate.limit", 0)
    assert "labels are needed" in command("evaluate", copy, *only("quality"), *wish).err
    said = command("evaluate", copy, *FEW, *only("quick"))
    assert said.code == 0 and "not measured" in said.out and "labels are needed, and digits has none" in said.out


class Impatient:
    """Interrupts at the n-th piece of work that it is told of."""

    def __init__(self, patience: int) -> None:
        self.left = patience

    @contextmanager
    def bar(self, what: str) -> Iterator[Callable[..., None]]:
        def tick(*_: object) -> None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

        yield tick


@pytest.mark.parametrize("patience", [3, 9, 14])
def test_an_interrupted_evaluation_goes_on_to_the_same_numbers(
    patience: int, copy: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = command("evaluate", copy, *FEW, "--json").json
    (copy / "evaluation.json").unlink()
    with monkeypatch.context() as patch:
        impatient = Impatient(patience)
        patch.setattr(Work, "bar", lambda self, what: impatient.bar(what))
        assert command("evaluate", copy, *FEW).code == 130
    assert (copy / NAME).is_file() and not (copy / "evaluation.json").exists()
    said = command("evaluate", copy, *FEW, "--json")
    assert "going on with an interrupted evaluation" in said.err
    assert numbers(said.json) == numbers(expected)
    assert not (copy / NAME).exists()


def test_what_is_kept_of_other_weights_or_settings_is_left_alone(
    copy: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        with monkeypatch.context() as patch:
            impatient = Impatient(7)
            patch.setattr(Work, "bar", lambda self, what: impatient.bar(what))
            assert command("evaluate", copy, *FEW).code == 130

    interrupted()
    other = command("evaluate", copy, *FEW, "--evaluate.seed", 1)
    assert other.code == 0 and "going on" not in other.err and not (copy / NAME).exists()
    interrupted()
    loaded = hvae.load(copy)
    name, weight = next((n, w) for n, w in loaded.model.state_dict().items() if w.is_floating_point())
    resaved(copy, dict(loaded.description), **{name: weight + 0.01})
    assert "going on" not in command("evaluate", copy, *FEW).err
    interrupted()
    (copy / NAME).write_bytes(b"half a file")
    said = command("evaluate", copy, *FEW)
    assert said.code == 0 and "going on" not in said.err and not (copy / NAME).exists()


def test_a_power_cut_costs_seconds(copy: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hvae.study.partial.PAUSE", 0.0)
    written = []
    with monkeypatch.context() as patch:
        patch.setattr("hvae.study.partial.Partial.write", lambda self: written.append(taken(self.batches)))
        command("evaluate", copy, *FEW, "--evaluate.rows", 20, "--evaluate.samples", 5, *only("likelihood"))
    assert written[:4] == [[2], [4], [5], [5, 2]], "after each chunk of draws, in the middle of a batch too"
    assert written[-2:] == [[5, 5, 5, 5]] * 2, "and when the measure is complete"


def taken(batches: list[dict[str, torch.Tensor]]) -> list[int]:
    """Draws taken so far of each batch."""
    return [int(sums["draws"]) for sums in batches]


def test_measuring_one_thing_keeps_the_others_of_the_same_settings(copy: Path, command: Command) -> None:
    command("evaluate", copy, *FEW, *only("likelihood", "reconstruction"))
    more = command("evaluate", copy, *FEW, *only("activity"), "--json").json
    assert {"likelihood", "reconstruction", "activity"} <= set(more)
    other = command("evaluate", copy, *FEW, "--evaluate.seed", 5, *only("activity"), "--json")
    assert "the earlier numbers were measured by other settings or weights; they are kept in evaluation-" in other.err
    assert "likelihood" not in other.json
    back = command("evaluate", copy, *FEW, *only("maps"), "--json").json
    assert {"likelihood", "reconstruction", "activity", "maps"} <= set(back), "numbers come back with their settings"
    assert back["likelihood"] == more["likelihood"]
    command("evaluate", copy, *FEW, "--evaluate.seed", 5, *only("activity"))
    assert "likelihood" in command("report", copy).err, "a page is measured what it needs"


@pytest.fixture
def untrained(tmp_path: Path) -> tuple[Path, Path]:
    """A run on pictures with known factors, and their file."""
    known, folder = tmp_path / "shapes.npz", tmp_path / "run"
    shapes(size=8, positions=6, orientations=4, scales=2).save(known)
    changes = {"data.name": "npy", "data.path": str(known), "data.test": "0.8", "evaluate.samples": "1"}
    config = hvae.preset("digits", {"model.family": "lvae", "model.latents": "4,2", "model.widths": "16,16", **changes})
    data = load_data(config.data)
    model = hvae.build(config.model, shape=data.shape, bits=data.bits)
    description = {**describe(config, data.shape, data.bits, data.provenance.to_dict()), "step": 0}
    save_weights(folder / "model.safetensors", model.state_dict(), description)
    return folder, known


def test_factors_of_a_file_and_of_other_images(untrained: tuple[Path, Path], tmp_path: Path, command: Command) -> None:
    folder, known = untrained
    wish = (*only("disentanglement"), "--evaluate.factors")
    found = command("evaluate", folder, *wish, known, "--json")
    assert found.code == 0, found.err
    result = found.json["disentanglement"]
    assert list(result["factors"]) == ["shape", "scale", "orientation", "x", "y"] and result["data"] >= 500
    assert {"MIG", "DCI d", "carries"} <= set(Evaluation.from_dict(found.json).levels()["z2"])
    shapes(size=8, positions=4, orientations=4, scales=2).save(tmp_path / "other.npz")
    said = command("evaluate", folder, *wish, tmp_path / "other.npz")
    assert said.code == 2 and "expected a split of the" in said.err
    few = command("evaluate", folder, *wish, known, "--evaluate.limit", 20)
    assert few.code == 2 and "expected at least 500 data" in few.err


def test_measures_are_told_in_the_help(command: Command) -> None:
    text = " ".join(command("evaluate", "--help").out.split())
    assert all(f"{name} {one.about}" in text for name, one in measures().items())
    assert EvaluateConfig(measures=("all",)).wanted == tuple(measures())
    assert EvaluateConfig().rows is None


def test_rows_that_are_walked_at_once_fit_into_memory(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(open_run(run, {}, print), Voice())
    assert work.rows == 1024 and work.batches().size == work.config.batch == 100
    monkeypatch.setattr("hvae.runs.subject.MOST_BYTES", 20_000)
    few = Work(open_run(run, {}, print), Voice())
    model, x = few.model, few.split.batch([0])
    with torch.no_grad(), largest_output(model) as most:
        evidence = model.evidence(x)
        hvae.run(model, hvae.posterior, evidence)
    assert most[0] >= x.x.numel() * 4  # the last layer alone has a number for each pixel
    row = sum(t.nbytes for t in evidence.features.values()) + 6 * (4 + 2) * 4 + 3 * most[0]
    assert few.rows == safe_rows(model, x) == few.batches().size == 20_000 // row


def test_more_levels_than_there_are_cannot_be_held(run: Path, command: Command) -> None:
    before = (run / "evaluation.json").read_bytes()
    said = command("evaluate", run, "--evaluate.held", 99)
    assert said.code == 2 and said.err == "hvae: evaluate.held: expected at most 1 of the model's 2 levels, got 99\n"
    assert (run / "evaluation.json").read_bytes() == before


def test_table_and_verdict_name_the_nats_of_one_walk(run: Path) -> None:
    """A rate is drawn anew by each measure: two of them for one level would differ in the third digit."""
    record = Evaluation.read(run / "evaluation.json")
    activity = record.results["activity"]
    assert {n: row["nats"] for n, row in record.levels().items()} == {
        name: number(level.rate_nats) for name, level in activity.levels.items()
    }
    alone = replace(record, results={"likelihood": record.results["likelihood"]})
    assert set(alone.levels()) == set(record.levels()), "without it there are rates all the same"
