"""Two tiny runs, one of them told a class, in a studio that is asked as a browser asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from studio_requests import unpacked

from hvae.cli.main import main

pytest.importorskip("starlette")
pytest.importorskip("httpx")
TINY = (
    *("--model.family", "ladder", "--model.groups", "1,1", "--model.width", "8", "--model.latent", "2"),
    *("--train.steps", "6", "--train.batch=32", "--train.accelerator", "cpu", "--train.valid_size", "20"),
    *("--objective.free_bits.nats", "0", "--objective.warmup.length=0", "--evaluate.measures", "activity"),
)
CLASS = ("--model.condition.kind", "class", "--model.condition.drop", "0.1")


class Reply(NamedTuple):
    """What the page gets."""

    status: int
    info: dict[str, Any]
    pictures: dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    place = tmp_path_factory.mktemp("runs")
    for name, more in (("plain", ()), ("told", CLASS)):
        assert main(["train", "digits", *TINY, *more, "--out", str(place / name)]) == 0
    yield place / "plain", place / "told"


@pytest.fixture(scope="session")
def studio(runs: tuple[Path, Path]) -> Any:
    from hvae.studio.app import Studio
    from hvae.studio.shown import Shown

    studio = Studio([Shown(place, run) for place, run in enumerate(runs)])
    studio.desk.beside()
    return studio


@pytest.fixture
def client(studio: Any) -> Iterator[Any]:
    """A browser that has been let in."""
    from starlette.testclient import TestClient

    from hvae.studio.guard import Pass

    ours = Pass(8760)
    with TestClient(studio.app(ours), base_url="http://127.0.0.1:8760", raise_server_exceptions=False) as browser:
        assert browser.get(f"/enter?token={ours.token}").status_code == 200
        yield browser


@pytest.fixture
def ask(client: Any) -> Callable[..., Reply]:
    """Ask a view: `ask("draw", run=0, ...)`."""

    def asked(view: str, **question: Any) -> Reply:
        answer = client.post(f"/api/{view}", json=question)
        if answer.status_code != 200:
            return Reply(answer.status_code, answer.json(), {})
        return Reply(200, *unpacked(answer.content))

    return asked
