"""A diffusion in the studio: hidden parts of a picture are filled by the one way that serves it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.cli.main import main

TINY = (
    "--model.widths",
    "4",
    "--model.blocks",
    "1",
    "--model.steps",
    "10",
    "--train.steps",
    "2",
    "--train.batch",
    "16",
)
FEW = ("--train.valid_size", "20", "--train.accelerator", "cpu", "--evaluate.measures", "activity")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path]:
    folder = tmp_path_factory.mktemp("runs") / "vdm"
    assert main(["train", "digits-vdm", *TINY, *FEW, "--out", str(folder)]) == 0
    return (folder,)


@pytest.fixture(scope="module")
def studio(runs: tuple[Path]) -> Any:
    from hvae.studio.app import Studio
    from hvae.studio.shown import Shown

    studio = Studio([Shown(place, run) for place, run in enumerate(runs)])
    studio.desk.beside()
    return studio


@pytest.mark.parametrize("way", ["gibbs", "refine"])
def test_whatever_way_is_chosen(ask: Callable[..., Any], way: str) -> None:
    own, hidden = ask("own", place=1), np.zeros((8, 8), bool)
    hidden[4:] = True
    mask = base64.b64encode(np.packbits(hidden).tobytes()).decode()
    reply = ask("restore", picture=own.info["picture"], hidden=mask, way=way, draws=2, sweeps=2)
    assert reply.status == 200, reply.info
    draws = reply.pictures["draws"]
    assert np.array_equal(draws[:, :4], np.repeat(own.pictures["picture"][:, :4], 2, 0))
    assert (draws[0] != draws[1]).any() and "--way diffuse --sweeps 2" in str(reply.info)
