"""The latents that the studio hands out decode into what it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_more_views import bits

from hvae.cli.main import main

Ask = Callable[..., Any]
SEEDS = {"z2": [1, 1, 2], "z1": [7, 8, 9]}


@pytest.fixture
def decoded(client: Any, runs: tuple[Path, Path], tmp_path: Path) -> Callable[..., np.ndarray[Any, Any]]:
    """What `hvae decode` makes of the latents of a view, (N, H, W) of 0 to 255."""

    def decoded(view: str, **question: Any) -> np.ndarray[Any, Any]:
        answer = client.post(f"/api/latents/{view}", json=question)
        assert answer.status_code == 200, answer.text
        (tmp_path / "latents.npz").write_bytes(answer.content)
        run = str(runs[question.get("run", 0)])
        assert main(["decode", run, str(tmp_path / "latents.npz"), "--out", str(tmp_path / "out.npy")]) == 0
        pictures: np.ndarray[Any, Any] = (255 * np.load(tmp_path / "out.npy")[:, 0]).round()
        return pictures

    return decoded


def near(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(float) - b.astype(float)).max()) <= 1


def test_of_a_grid(ask: Ask, decoded: Callable[..., Any]) -> None:
    question = {"run": 1, "seeds": SEEDS, "temperature": {"z1": 0.5}, "context": {"label": "3,1,4"}}
    for more in ({}, {"guidance": 3.0}):
        shown = ask("draw", **question, **more).pictures["grid"][0, ..., 0]
        assert near(decoded("draw", **question, **more), shown)


def test_of_a_picture_and_of_one_that_is_pushed(ask: Ask, decoded: Callable[..., Any]) -> None:
    own = ask("own", place=3).info["picture"]
    shown = ask("picture", picture=own).pictures["tops"][-1:, ..., 0]
    assert near(decoded("picture", picture=own), shown)
    question = {"picture": own, "level": "z2", "push": [2.0, -1.0]}
    assert near(decoded("traverse", **question), ask("traverse", **question).pictures["picture"][..., 0])


@pytest.mark.parametrize("hold", ["values", "offsets"])
def test_of_a_mixture(ask: Ask, decoded: Callable[..., Any], hold: str) -> None:
    a, b = (ask("own", place=place).info["picture"] for place in (0, 1))
    question = {"a": a, "b": b, "shares": {"z2": 0.3}, "seeds": {"z1": 5}, "hold": hold}
    assert near(decoded("mix", **question), ask("mix", **question).pictures["mixture"][..., 0])


@pytest.mark.parametrize("way", ["gibbs", "refine"])
def test_of_what_was_restored(ask: Ask, decoded: Callable[..., Any], way: str) -> None:
    hidden = np.zeros((8, 8), bool)
    hidden[4:] = True
    picture = ask("own", place=1).info["picture"]
    question = {"picture": picture, "hidden": bits(hidden), "way": way, "draws": 3, "sweeps": 2, "steps": 2}
    shown = ask("restore", **question).pictures["draws"][..., 0]
    assert near(decoded("restore", **question)[:, 4:], shown[:, 4:])


def test_of_what_has_none_is_a_line(client: Any) -> None:
    answer = client.post("/api/latents/own", json={})
    assert answer.status_code == 400 and "Known: draw" in answer.json()["error"]
    assert client.post("/api/latents/draw", json={"seeds": {"z9": [1]}}).status_code == 400
