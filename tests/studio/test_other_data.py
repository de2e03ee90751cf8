"""A run of what is neither pictures nor sequences: the page says what it is, and each view refuses it in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hvae.cli.main import main

TINY = ("--model.groups", "1,1", "--model.width", "8", "--model.latent", "2", "--train.steps", "1", "--train.batch=8")
QUIET = ("--evaluate.measures", "activity", "--evaluate.limit", "4", "--train.accelerator", "cpu")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from hvae.studio.app import Studio
    from hvae.studio.shown import Shown

    place = tmp_path_factory.mktemp("volumes")
    np.save(place / "volumes.npy", np.random.default_rng(0).integers(0, 255, (40, 1, 4, 4, 4), dtype=np.uint8))
    words = ("arrays", "--data.path", str(place / "volumes.npy"), "--data.kind", "volumes", *TINY, *QUIET)
    assert main(["train", *words, "--out", str(place / "run")]) == 0
    studio = Studio([Shown(0, place / "run")])
    studio.desk.beside()
    return studio


def test_the_page_is_told_what_the_data_are(client: Any) -> None:
    (run,) = client.get("/api/runs").json()["runs"]
    assert run["noun"] == "volumes" and not run["pictured"] and not run["timed"]


QUESTIONS: dict[str, dict[str, Any]] = {
    "own": {"split": "test", "place": 0},
    "mix": {"a": "AAAA", "b": "AAAA"},
    "traverse": {"picture": "AAAA", "level": "z1"},
    "restore": {"picture": "AAAA", "hidden": "AAAA"},
    "picture": {"picture": "AAAA"},
    "sequences": {"seeds": {"z2": [1], "z1": [1]}},
}


@pytest.mark.parametrize("view", QUESTIONS)
def test_a_view_of_other_data_is_refused_by_their_name(view: str, ask: Callable[..., Any]) -> None:
    reply = ask(view, run=0, **QUESTIONS[view])
    assert reply.status == 400 and "is a run of volumes; choose one of" in reply.info["error"], reply.info


def test_a_picture_that_is_brought_is_refused_by_the_name_of_the_data(client: Any) -> None:
    reply = client.post("/api/upload?run=0", content=b"x", headers={"content-type": "application/octet-stream"})
    assert reply.status_code == 400 and "is a run of volumes; name one of pictures" in reply.json()["error"]
