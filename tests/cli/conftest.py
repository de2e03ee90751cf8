"""One tiny run, made by the command itself, that every test of the commands looks at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from hvae.cli.main import main

TINY = (
    *("--model.family", "lvae", "--model.latents", "4,2", "--model.widths", "16,16", "--model.norm=none"),
    *("--train.steps", "6", "--train.batch=32", "--train.accelerator", "cpu", "--train.valid_size", "20"),
    *(
        "--objective.free_bits.nats",
        "0",
        "--objective.warmup.length=0",
        "--evaluate.samples",
        "3",
        "--evaluate.limit",
        "30",
    ),
)


class Said(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output as the one JSON object it has to be."""
        record: dict[str, Any] = json.loads(self.out)
        return record


def hvae(*words: object) -> Said:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in words])
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def command() -> Callable[..., Said]:
    return hvae


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Said]]:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield folder, hvae("train", "digits", "--out", folder, "--json", *TINY)
    torch.set_num_threads(threads)


@pytest.fixture
def tiny() -> tuple[str, ...]:
    """The options of a run of moments."""
    return TINY


@pytest.fixture
def run(trained: tuple[Path, Said]) -> Path:
    """The run folder; tests that change it work on a copy."""
    return trained[0]
