"""Latents of sequences in files, and sequences from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hvae import build
from hvae.checkpoints import LoadedRun, load
from hvae.cli.main import main
from hvae.config import RunConfig
from hvae.config.clockwork import CWVAEConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import LVAEConfig
from hvae.config.sequences import VRAEConfig
from hvae.config.train import TrainConfig
from hvae.explore.latents import encode
from hvae.explore.sequences import decode
from hvae.study.latents import decode_file, encode_images
from hvae.study.train import train

LENGTHS = {"train": 8, "valid": 3, "test": 3}


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a ladder in time, whose upper level ticks at each third step."""
    folder = tmp_path_factory.mktemp("latents")
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in LENGTHS.items():
        lengths = random.integers(2, 9, count)
        arrays |= {split: random.random((lengths.sum(), 4)) < 0.4, f"{split}_len": lengths}
    np.savez(folder / "rolls.npz", **arrays)
    config = RunConfig(
        model=CWVAEConfig(latents=(3, 2), strides=(1, 3), state=8, width=8),
        data=DataConfig(name="sequences", path=str(folder / "rolls.npz")),
        train=TrainConfig(steps=2, batch=4, valid_every=0, accelerator="cpu"),
        evaluate=EvaluateConfig(samples=1, measures=("likelihood",)),
    )
    train(config, out=folder / "run")
    return folder / "run"


def test_a_tick_a_window_and_no_more_than_the_sequence_has(clock: Path, tmp_path: Path) -> None:
    found = encode_images(clock, "test", tmp_path / "z.npz", mode=True)
    arrays, steps = np.load(tmp_path / "z.npz"), np.load(clock.parent / "rolls.npz")["test_len"]
    assert arrays["steps"].tolist() == steps.tolist() and found.to_dict()["levels"] == ["z2", "z1"]
    assert arrays["z1_len"].tolist() == steps.tolist() and arrays["z1"].shape == (steps.sum(), 3)
    assert arrays["z2_len"].tolist() == [-(-n // 3) for n in steps]


def test_sequences_of_a_file_are_encoded_alone_as_they_are_together(clock: Path, tmp_path: Path) -> None:
    rolls = np.load(clock.parent / "rolls.npz")
    first = rolls["test"][: rolls["test_len"][0]]
    np.savez(tmp_path / "one.npz", test=first, train=first)
    encode_images(clock, tmp_path / "one.npz", tmp_path / "a.npz", mode=True)
    encode_images(clock, "test", tmp_path / "b.npz", mode=True)
    alone, together = np.load(tmp_path / "a.npz"), np.load(tmp_path / "b.npz")
    assert np.allclose(alone["z1"], together["z1"][: len(first)], atol=1e-5)


def test_latents_come_back_as_sequences_of_their_lengths(clock: Path, tmp_path: Path) -> None:
    encode_images(clock, "test", tmp_path / "z.npz")
    decoded = decode_file(clock, tmp_path / "z.npz", tmp_path / "back.npz", seed=1)
    again = decode_file(clock, tmp_path / "z.npz", tmp_path / "again.npz", seed=1)
    steps = np.load(tmp_path / "z.npz")["steps"]
    assert decoded.given == ("z2", "z1") and np.load(tmp_path / "back.npz")["samples_len"].tolist() == steps.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(decoded.pictures, again.pictures, strict=True))


def test_latents_decide_what_is_decoded(clock: Path, tmp_path: Path) -> None:
    """Of a model without chance in its data the latents alone make the sequence."""
    run = load(clock)
    with torch.no_grad():
        for weights in run.model.leave.parameters():
            weights.mul_(1e4)
    held = LoadedRun(**{**vars(run)})
    encode_images(held, "test", tmp_path / "z.npz", mode=True)
    one, other = (decode_file(held, tmp_path / "z.npz", tmp_path / f"{s}.npz", seed=s).pictures for s in (1, 2))
    assert np.mean(np.concatenate(list(one)) == np.concatenate(list(other))) > 0.99
    top = decode_file(held, tmp_path / "z.npz", tmp_path / "t.npz", levels=["z2"], seed=1)
    assert top.given == ("z2",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z1": np.zeros((1, 3))}, "ticks of z1"),
        ({"z1_len": np.array([1, 1, 1])}, "ticks of z1"),
        ({"z1": np.full((1, 3), np.nan)}, "finite"),
        ({"z9": np.zeros((3, 3))}, "no level named 'z9'"),
        ({"steps": np.array([2.5])}, "expected the steps"),
        ({"steps": np.array([10**15] * 3)}, "memory"),
        ({"z1": np.array(["a"])}, "something else than numbers"),
    ],
)
def test_files_that_are_damaged(clock: Path, tmp_path: Path, change: dict[str, np.ndarray], message: str) -> None:
    encode_images(clock, "test", tmp_path / "z.npz")
    np.savez(tmp_path / "bad.npz", **{**np.load(tmp_path / "z.npz"), **change})
    with pytest.raises(Exception, match=message):
        decode_file(clock, tmp_path / "bad.npz", tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def test_the_commands(clock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    z, out = str(tmp_path / "z.npz"), str(tmp_path / "x.wav")
    assert main(["encode", str(clock), "--data", "test", "--out", z, "-n", "2"]) == 0
    assert "2 sequences at 2 levels" in capsys.readouterr().out
    assert main(["decode", str(clock), z, "--out", out]) == 0 and Path(out).read_bytes()[:4] == b"RIFF"
    assert main(["decode", str(clock), z, "--out", str(tmp_path / "x.png")]) == 2
    assert "ends in .npz" in capsys.readouterr().err


def test_a_latent_of_the_whole_is_a_row_a_sequence() -> None:
    from hvae.explore.sequences import decode

    model = build(VRAEConfig(latents=(3,), state=4, width=4), shape=(6, 2), bits=1)
    assert decode(model, {"z": torch.zeros(2, 3)}, 5, seed=0).shape == (2, 5, 2)


def test_a_way_begins_and_ends_with_what_the_latents_of_both_keep(clock: Path, tmp_path: Path) -> None:
    words = ["interpolate", str(clock), "--data", "test", "--out", str(tmp_path / "way.npz")]
    assert main([*words, "--pairs", "1", "--steps", "3", "--seed", "4"]) == 0
    steps = np.load(clock.parent / "rolls.npz")["test_len"]
    way, model = np.load(tmp_path / "way.npz"), load(clock).model
    assert way["samples_len"].tolist() == [steps[0], round((steps[0] + steps[1]) / 2), steps[1]]
    rolls = np.split(np.load(clock.parent / "rolls.npz")["test"], steps.cumsum()[:-1])
    one, _, other = np.split(way["samples"], way["samples_len"].cumsum()[:-1])
    for x, end in ((rolls[0], one), (rolls[1], other)):
        values = encode(model, torch.from_numpy(x[None]).float(), seed=4)
        assert (decode(model, values, len(x), seed=4)[0].numpy() == end).all()


def test_levels_that_do_not_go_the_way_follow(clock: Path, tmp_path: Path) -> None:
    def ways(*words: str) -> np.ndarray:
        rest = ["--data", "test", "--out", str(tmp_path / "way.npz"), "--pairs", "1", "--steps", "3", *words]
        assert main(["interpolate", str(clock), *rest]) == 0
        return np.load(tmp_path / "way.npz")["samples"]

    assert (ways("--levels", "z2", "--mode") == ways("--levels", "z2", "--mode")).all()
    assert not np.array_equal(ways("--levels", "z2"), ways("--levels", "z1"))


def test_more_pairs_than_there_are(clock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["interpolate", str(clock), "--data", "test", "--out", str(tmp_path / "way.npz")]
    assert main([*words, "--pairs", "2"]) == 2 and not (tmp_path / "way.npz").exists()
    assert "expected at least 4 sequences for --pairs 2, got 3" in capsys.readouterr().err


def test_latents_of_the_other_kind_are_one_line(
    clock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of images to a run of sequences, and the reverse, whose levels have the same names."""
    config = RunConfig(
        model=LVAEConfig(latents=(3, 2), widths=(8, 8), likelihood="dmol"),
        train=TrainConfig(steps=2, batch=4, valid_every=0, accelerator="cpu"),
        evaluate=EvaluateConfig(samples=1, measures=("likelihood",), limit=4),
    )
    runs = {"images": train(config, out=tmp_path / "run").folder, "sequences": clock}
    for name, run in runs.items():
        encode_images(run, "test", tmp_path / f"{name}.npz", number=3)
    capsys.readouterr()
    lines = {"images": "holds latents of sequences", "sequences": "expected the steps of each sequence"}
    for name, other in (("images", "sequences"), ("sequences", "images")):
        out = tmp_path / f"{name}-back.npz"
        assert main(["decode", str(runs[name]), str(tmp_path / f"{other}.npz"), "--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert lines[name] in said and said.count("\n") == 1 and not out.exists()
