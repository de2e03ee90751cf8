"""A diffusion in the studio: hidden parts of a picture are filled by the one way that serves it, and by no other."""

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


def hidden_half() -> str:
    hidden = np.zeros((8, 8), bool)
    hidden[4:] = True
    return base64.b64encode(np.packbits(hidden).tobytes()).decode()


def test_the_menu_has_the_ways_of_the_model(client: Any) -> None:
    (run,) = client.get("/api/runs").json()["runs"]
    assert run["ways"] == ["diffuse"]


@pytest.mark.parametrize("way", ["", "diffuse"])
def test_hidden_parts_are_filled(ask: Callable[..., Any], way: str) -> None:
    own = ask("own", place=1)
    reply = ask("restore", picture=own.info["picture"], hidden=hidden_half(), way=way, draws=2, sweeps=2)
    assert reply.status == 200, reply.info
    draws = reply.pictures["draws"]
    assert np.array_equal(draws[:, :4], np.repeat(own.pictures["picture"][:, :4], 2, 0))
    assert (draws[0] != draws[1]).any() and "--way diffuse --sweeps 2" in str(reply.info)


@pytest.mark.parametrize("way", ["gibbs", "metropolis", "refine", "partial", "guess"])
def test_other_ways_are_refused(ask: Callable[..., Any], client: Any, way: str) -> None:
    question = {"picture": ask("own", place=1).info["picture"], "hidden": hidden_half(), "way": way}
    for view in ("restore", "latents/restore"):
        answer = client.post(f"/api/{view}", json=question)
        line = answer.json()["error"]
        assert answer.status_code == 400 and "\n" not in line
        assert line.startswith("no way named 'guess'") or f"--way {way} does not serve" in line, line
