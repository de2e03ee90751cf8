"""Runs on sequences: what they report, draw and refuse."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sequential
import torch

from hvae.cli.main import main
from hvae.config import RunConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.train import TrainConfig
from hvae.data import load_sequences
from hvae.errors import HvaeError
from hvae.metrics import bounds
from hvae.study.compare import compare
from hvae.study.evaluate import evaluate
from hvae.study.measures.baselines import Baselines
from hvae.study.measures.likelihood import Likelihood
from hvae.study.measures.over_time import OverTime
from hvae.study.samples import draw_samples
from hvae.study.train import TrainedRun, train


@pytest.fixture(scope="module")
def rolls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sequential.rolls(tmp_path_factory.mktemp("data") / "rolls.npz")


@pytest.fixture(scope="module")
def config(rolls: Path) -> RunConfig:
    return RunConfig(
        model=sequential.StepsConfig(),
        data=DataConfig(name="sequences", path=str(rolls)),
        train=TrainConfig(steps=6, batch=8, valid_every=3, save_every=3, accelerator="cpu"),
        evaluate=EvaluateConfig(samples=3, batch=4),
    )


@pytest.fixture(scope="module")
def trained(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainedRun]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield train(config, out=tmp_path_factory.mktemp("runs") / "run")
    torch.set_num_threads(threads)


def test_both_averages_are_of_the_steps_that_exist(trained: TrainedRun, rolls: Path) -> None:
    assert trained.evaluation
    found = trained.evaluation.of(Likelihood)
    assert found and found.steps and found.data == 6
    lengths = np.load(rolls)["test_len"]
    assert found.steps.steps == lengths.sum()
    both = found.steps.negative_iw_nats
    assert both.frame_average.mean * lengths.sum() == pytest.approx(6 * found.negative_iw_nats.mean)
    assert both.frame_average.mean != pytest.approx(both.sequence_mean.mean)
    assert found.iw_bits_per_dim and found.iw_bits_per_dim.mean == pytest.approx(
        both.frame_average.mean / math.log(2) / sequential.KEYS
    )


def test_padding_and_batches_change_no_bound(config: RunConfig) -> None:
    """A model that says nothing, of latents that are their prior's: a bit for each key of each step that exists."""
    data = load_sequences(config.data)
    model = sequential.Steps(data.shape, 3)
    for weights in model.parameters():
        torch.nn.init.zeros_(weights)
    for size in (1, 6):
        found = bounds(model, data.test.batches(size), 2)
        assert found.elbo_bits_per_dim and found.elbo_bits_per_dim.mean == pytest.approx(1.0, abs=1e-6)
        assert found.steps and found.steps.negative_iw_nats.sequence_mean.mean == pytest.approx(
            sequential.KEYS * math.log(2), abs=1e-5
        )


def test_what_counting_says_stands_beside(trained: TrainedRun) -> None:
    assert trained.evaluation
    found = trained.evaluation.of(Baselines)
    assert found and list(found.nats) == ["independent marginals", "Markov, key by key"]
    assert "What counting alone would do" in {sheet.title for sheet in trained.evaluation.sheets()}


def test_rates_over_time_end_with_the_longest(trained: TrainedRun, rolls: Path) -> None:
    assert trained.evaluation
    found = trained.evaluation.of(OverTime)
    assert found and len(found.rates["z"]) == np.load(rolls)["test_len"].max()


def test_measures_of_images_are_left_out_without_a_word(trained: TrainedRun) -> None:
    assert trained.evaluation and not trained.evaluation.skipped


@pytest.mark.parametrize("measure", ["mutual", "reconstruction", "contribution", "maps", "quality", "classes"])
def test_measures_of_images_are_refused_by_name(trained: TrainedRun, measure: str) -> None:
    with pytest.raises(HvaeError, match=f"{measure} cannot be measured: .*sequences"):
        evaluate(trained.folder, measures=measure)


def test_the_page_can_be_heard(trained: TrainedRun) -> None:
    assert trained.report
    page = trained.report.read_text()
    assert page.count("<audio controls") == 7 and "data:audio/wav;base64," in page
    assert "media-src data:" in page
    assert (trained.folder / "pictures" / "sample-1.wav").read_bytes()[:4] == b"RIFF"


@pytest.mark.parametrize("suffix", [".npz", ".wav", ".mid"])
def test_samples_are_written_as_what_they_are(trained: TrainedRun, tmp_path: Path, suffix: str) -> None:
    if suffix == ".mid":
        pytest.importorskip("mido")
    drawn = draw_samples(trained.folder, tmp_path / f"s{suffix}", number=3, steps=9, seed=1)
    assert drawn.to_dict()["steps"] == 9 and drawn.file.stat().st_size > 0


def test_samples_train_another_run(trained: TrainedRun, tmp_path: Path) -> None:
    drawn = draw_samples(trained.folder, tmp_path / "s.npz", number=8, steps=9, seed=1)
    data = load_sequences(DataConfig(name="sequences", path=str(drawn.file), valid=1, test=1))
    assert data.train.lengths.tolist() == [9] * 6


def test_a_continuation_begins_with_its_beginning(trained: TrainedRun, tmp_path: Path) -> None:
    begun = (np.arange(12).reshape(3, 4) % 2).astype(np.uint8)
    np.save(tmp_path / "b.npy", begun)
    out, told = tmp_path / "c.npz", []
    draw_samples(trained.folder, out, number=2, steps=40, beginning=tmp_path / "b.npy", tell=told.append)
    found = np.load(out)
    assert found["samples_len"].tolist() == [40, 40]
    assert (found["samples"][:3] == begun).all() and (found["samples"][40:43] == begun).all()
    assert told == ["40 steps are more than the 7 of the longest training sequence: expect the form to drift"]


Refusal = tuple[str, ...]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sample", "RUN", "--pixels"), "--pixels is about pictures"),
        (("sample", "RUN", "--recalibrate", "3"), "--recalibrate is about pictures"),
        (("sample", "RUN", "--enlarge", "3"), "--enlarge is about pictures"),
        (("sample", "RUN", "--out", "x.png"), "expected a file name that ends in .npz, .wav, .mid"),
        (("sample", "RUN", "--continue", "nowhere.npz"), "nothing at nowhere.npz"),
        (("sample", "RUN", "--continue", "wide.npy"), "expected a beginning of steps (4,), got data of shape (90, 5)"),
        (("listen", "RUN"), "expected a run of sound, got one of rolls"),
        (("encode", "RUN", "--data", "nowhere", "--out", "x.npz"), "nothing at nowhere"),
        (("encode", "RUN", "--data", "test", "--out", "x.png"), "expected a file name that ends in .npz"),
        (("interpolate", "RUN", "--data", "test", "--out", "x.png"), "expected a file name that ends in .npz"),
        (("score", "RUN", "--data", "test", "--maps", "2"), "--maps is for images"),
        (("compress", "RUN", "test", "x.hvz", "--tile", "8"), "--tile is for pictures"),
    ],
)
def test_what_is_about_images_is_refused_in_one_line(
    trained: TrainedRun,
    words: Refusal,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.zeros((90, 5), np.uint8))
    assert main([str(trained.folder) if word == "RUN" else word for word in words]) == 2
    said = capsys.readouterr().err
    assert message in " ".join(said.split()) and said.count("\n") == 1


@pytest.mark.parametrize(
    ("family", "data", "message"),
    [
        ("lvae", "sequences", "this family is one of images, and sequences:rolls.npz is a set of sequences"),
        ("ladder", "sequences", "this family is one of images"),
        (sequential.NAME, "digits", "this family is one of sequences, and digits is a set of images"),
    ],
)
def test_families_and_data_of_different_kinds(
    config: RunConfig, family: str, data: str, message: str, tmp_path: Path
) -> None:
    keys = {"model.family": family} | ({"data.name": data, "data.path": ""} if data == "digits" else {})
    with pytest.raises(HvaeError, match=message) as caught:
        train(config.override(keys), out=tmp_path / "run")
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_the_length_of_own_sequences_is_free(trained: TrainedRun, tmp_path: Path) -> None:
    """Other sequences of the same steps are evaluated, and said not to be those of the training."""
    other, told = sequential.rolls(tmp_path / "other.npz", {"train": 9, "valid": 4, "test": 4}), []
    found = evaluate(trained.folder, overrides={"data.path": str(other)}, tell=told.append)
    assert any("not the data of the training" in line for line in told) and found.of(Likelihood).data == 4


def test_the_record_is_plain_json(trained: TrainedRun) -> None:
    record = json.loads((trained.folder / "evaluation.json").read_text())
    form = record["data"]["sequences"]
    assert form["kind"] == "rolls" and form["frames"]["test"] == record["likelihood"]["steps"]["steps"]


def test_a_sequence_family_fills_its_vocabulary_from_the_data(tmp_path: Path) -> None:
    from hvae.config.sequences import VRNNConfig
    from hvae.study.sizing import sized

    (tmp_path / "a.txt").write_text("ab\nba\nabba\naab\n" * 5)
    data = load_sequences(DataConfig(name="sequences", path=str(tmp_path / "a.txt")))
    found = sized(RunConfig(model=VRNNConfig()), data).model
    assert isinstance(found, VRNNConfig) and found.vocabulary == len(data.form.symbols) == 4
    given = dataclasses.replace(VRNNConfig(), vocabulary=9)
    assert sized(RunConfig(model=given), data).model == given


def test_a_vocabulary_larger_than_that_of_the_data_is_used_to_the_end(tmp_path: Path) -> None:
    from hvae.config.sequences import VRAEConfig
    from hvae.study.compress import compress
    from hvae.study.decompress import decompress

    (tmp_path / "a.txt").write_text("ab\nba\nabba\naab\n" * 5)
    model = VRAEConfig(likelihood="categorical", latents=(2,), state=4, width=4, vocabulary=60)
    run = train(
        RunConfig(
            model=model,
            data=DataConfig(name="sequences", path=str(tmp_path / "a.txt")),
            train=TrainConfig(steps=1, batch=4, accelerator="cpu"),
            evaluate=EvaluateConfig(samples=2, measures=("all",)),
        ),
        out=tmp_path / "run",
    ).folder
    draw_samples(run, number=4, out=tmp_path / "new.txt", seed=0)
    # Of 60 tokens, untrained, most are none of the data's four.
    assert "\N{REPLACEMENT CHARACTER}" in (tmp_path / "new.txt").read_text("utf-8")
    compress(run, ["test"], tmp_path / "a.hvz")
    decompress(tmp_path / "a.hvz", tmp_path / "back.npz", run=run)
    assert (tmp_path / "back.npz").is_file()
    (group,) = compare([run, shutil.copytree(run, tmp_path / "again")]).groups
    assert "-IW-2, bits a character" in group.measures, "as its evaluation calls them"


def test_a_comparison_says_in_words_what_steps_are(config: RunConfig, tmp_path: Path) -> None:
    (group,) = compare([train(config, out=tmp_path / name).folder for name in "ab"]).groups
    assert group.task == "sequences:rolls.npz, 6 test sequences, frames of 4 values, 1 bit" and not group.apart
