"""Pictures as files in the studio, against those of `hvae compress`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.cli.main import main
from hvae.studio.asked import LossyAsked, OwnAsked
from hvae.studio.shown import Shown
from hvae.studio.views.lossy import lossy
from hvae.studio.views.own import own

Ask = Callable[..., Any]
LOSSY = (
    *("--model.family", "qresvae", "--model.patch", "2", "--model.groups", "1,1", "--model.widths", "8,8"),
    *("--model.latent", "2", "--train.steps", "20", "--train.batch=32", "--train.accelerator", "cpu"),
    *("--train.valid_size", "20", "--objective.free_bits.nats", "0", "--objective.warmup.length=0"),
    *("--evaluate.measures", "activity"),
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    place = tmp_path_factory.mktemp("lossy") / "run"
    assert main(["train", "digits", *LOSSY, "--out", str(place)]) == 0
    yield Shown(0, place)


def test_each_level_more_is_a_larger_file_and_the_same_as_from_the_shell(shown: Shown, tmp_path: Path) -> None:
    opened = shown.opened
    assert shown.about()["lossy"]
    kept = own(opened, OwnAsked(place=3))
    answer = lossy(opened, LossyAsked(picture=kept.info["picture"]))
    files = answer.info["files"]
    assert [file["keep"] for file in files] == [1, 2] and files[0]["bytes"] < files[1]["bytes"]
    assert all(0 < file["payload"] < file["bytes"] for file in files)
    picture = kept.pictures["picture"].numpy()
    for file, decoded in zip(files, answer.pictures["decoded"].numpy(), strict=True):
        assert file["psnr"] == pytest.approx(-10 * np.log10(np.mean((decoded - picture[0]) ** 2)), rel=1e-4)
    np.save(tmp_path / "picture.npy", (picture * 15).round().astype(np.uint8))
    for file in files:
        words = [str(tmp_path / "picture.npy"), str(tmp_path / "x.hvz"), "--quality", str(file["keep"]), "--no-verify"]
        assert main(["compress", str(opened.run.folder), *words]) == 0
        assert main(["decompress", str(tmp_path / "x.hvz"), str(tmp_path / f"out{file['keep']}")]) == 0
        back = np.load(next((tmp_path / f"out{file['keep']}").glob("*.npy")))
        wanted = (answer.pictures["decoded"][file["keep"] - 1].numpy() * 15).round()
        assert np.array_equal(back.reshape(wanted.shape), wanted)


def test_without_loss_the_file_is_that_of_the_shell(ask: Ask, tmp_path: Path, runs: tuple[Path, Path]) -> None:
    info = ask("lossless", number=20).info
    words = shlex.split(info["command"])
    assert main([*words[1:3], "test", str(tmp_path / "test.hvz"), "-n", "20"]) == 0
    # The name of the run is in the file, and the same.
    assert (tmp_path / "test.hvz").stat().st_size == info["bytes"]
    assert info["number"] == 20 and set(info["rivals"]) == {"png", "webp", "together"} and info["dims"] == 20 * 64


def test_what_cannot_be_coded_is_a_line(ask: Ask) -> None:
    picture = ask("own").info["picture"]
    reply = ask("lossy", picture=picture)
    assert reply.status == 400 and "no lossy codec" in reply.info["error"]
    for number in (0, 1, 257, "x"):
        assert ask("lossless", number=number).status == 400
