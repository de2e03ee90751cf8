"""Sequences compressed with a run by the commands, and back to the bit."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from hvae.cli.main import main
from hvae.config import RunConfig
from hvae.config.clockwork import CWVAEConfig
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.model import ModelConfig
from hvae.config.sequences import VRAEConfig, VRNNConfig
from hvae.config.train import TrainConfig
from hvae.data import load_sequences
from hvae.study.train import train

SMALL = {"state": 4, "width": 4}


def trained(folder: Path, model: ModelConfig, data: DataConfig) -> Path:
    config = RunConfig(
        model=model,
        data=data,
        train=TrainConfig(steps=2, batch=4, valid_every=0, accelerator="cpu"),
        evaluate=EvaluateConfig(samples=1, limit=2, measures=("likelihood",)),
    )
    return train(config, out=folder / "run").folder


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    random = np.random.default_rng(0)
    arrays = {split: (random.random((n, 6, 5)) < 0.3) for split, n in {"train": 8, "valid": 2, "test": 4}.items()}
    np.savez(folder / "rolls.npz", **arrays)
    data = DataConfig(name="sequences", path=str(folder / "rolls.npz"))
    return trained(folder, VRNNConfig(latent=2, **SMALL), data)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    (folder / "wavs" / "deep").mkdir(parents=True)
    random = np.random.default_rng(0)
    for i, name in enumerate(("a", "b", "deep/c", "deep/a", "d", "e")):
        samples = np.cumsum(random.integers(-300, 300, 41 + i)).astype("<i2")
        with wave.open(str(folder / "wavs" / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
    model = CWVAEConfig(likelihood="dmol", latents=(2, 2), strides=(1, 2), **SMALL)
    return trained(folder, model, DataConfig(name="sequences", path=str(folder / "wavs"), frame=4, valid=1, test=2))


def test_rolls_of_a_split_and_of_a_file(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rolls = np.load(music.parent / "rolls.npz")
    file, out = str(tmp_path / "x.hvz"), tmp_path / "x.npz"
    assert main(["compress", str(music), "test", file, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["sequences"] == 4 and said["kept"] == 0 and said["rivals"]["zlib"] > 0
    assert said["bytes"] == Path(file).stat().st_size == said["bytes_out"] and said["values"] == 4 * 6 * 5
    assert main(["decompress", file, str(out)]) == 0
    assert np.array_equal(np.load(out)["samples"].reshape(4, 6, 5), rolls["test"])
    again = str(tmp_path / "y.hvz")
    assert main(["compress", str(music), str(music.parent / "rolls.npz"), again]) == 0
    assert main(["decompress", again, str(tmp_path / "y.npz")]) == 0
    assert np.load(tmp_path / "y.npz")["samples_len"].tolist() == [6] * 14
    assert main(["decompress", again, str(tmp_path / "z.npz"), "--only", "9"]) == 0
    assert np.array_equal(np.load(tmp_path / "z.npz")["samples"], np.load(tmp_path / "y.npz")["samples"][54:60])


def test_sound_comes_back_as_the_same_files(speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, file, out = speech.parent / "wavs", str(tmp_path / "x.hvz"), tmp_path / "back"
    assert main(["compress", str(speech), str(source), file]) == 0
    assert "6 files" in capsys.readouterr().out
    assert main(["decompress", file, str(out)]) == 0
    for one in source.rglob("*.wav"):
        assert (out / one.relative_to(source)).read_bytes() == one.read_bytes()
    assert main(["decompress", file, str(tmp_path / "one.wav"), "--only", "1"]) == 0
    assert (tmp_path / "one.wav").read_bytes() == (source / "b.wav").read_bytes()
    assert main(["decompress", file, str(tmp_path / "all.npz")]) == 2
    assert "ends within a step" in capsys.readouterr().err and not (tmp_path / "all.npz").exists()


def test_text_of_the_run_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("to be or not\nto be that\nis the\nquestion\nto sleep\nno more\n" * 3)
    data = DataConfig(name="sequences", path=str(tmp_path / "a.txt"), valid=2, test=3)
    run = trained(tmp_path, VRAEConfig(likelihood="categorical", latents=(2,), **SMALL), data)
    assert main(["compress", str(run), "test", str(tmp_path / "x.hvz")]) == 0
    assert main(["decompress", str(tmp_path / "x.hvz"), str(tmp_path / "x.npz")]) == 0
    wanted = load_sequences(data).test
    assert np.load(tmp_path / "x.npz")["samples"].tolist() == [t for i in range(3) for t in wanted.levels(i).tolist()]
    assert main(["compress", str(run), str(tmp_path / "a.txt"), str(tmp_path / "y.hvz")]) == 2
    assert "would not" in capsys.readouterr().err and not (tmp_path / "y.hvz").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("test", "OUT", "--tile", "8"), "--tile is for pictures"),
        (("test", "OUT", "--calibrate"), "--calibrate is for pictures"),
        (("test", "OUT", "--quality", "all"), "--quality is for pictures"),
        (("test", "OUT", "--block", "8"), "--block, --batch is for pictures"),
        (("nowhere.npz", "OUT"), "nothing at nowhere.npz"),
        (("OTHER", "OUT"), "expected steps of (5,), got (3,)"),
    ],
)
def test_what_cannot_be_compressed(
    music: Path, tmp_path: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "other.npy", np.zeros((2, 4, 3)))
    places = {"OUT": str(tmp_path / "x.hvz"), "OTHER": str(tmp_path / "other.npy")}
    assert main(["compress", str(music), *(places.get(word, word) for word in words)]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "x.hvz").exists()


@pytest.mark.parametrize("width", [1, 3])
def test_sound_of_another_depth_would_not_come_back(
    speech: Path, tmp_path: Path, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, width, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(60)))
    assert main(["compress", str(speech), str(tmp_path / "a.wav"), str(tmp_path / "x.hvz")]) == 2
    assert f"got {8 * width} and 8,000; it would not come back as it is" in capsys.readouterr().err


@pytest.mark.parametrize("dest", ["x.png", "folder", "there.npz"])
def test_places_that_are_none(music: Path, tmp_path: Path, dest: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there.npz").write_bytes(b"mine")
    assert main(["compress", str(music), "test", str(tmp_path / "x.hvz"), "--no-verify"]) == 0
    assert main(["decompress", str(tmp_path / "x.hvz"), str(tmp_path / dest)]) == 2
    assert (tmp_path / "there.npz").read_bytes() == b"mine" and not (tmp_path / "folder").exists()
