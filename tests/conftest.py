"""Shared fixtures: one seed, few threads, and where real data may lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data-root", default="", help="folder of real data sets (default: ../shared/data if it exists)")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_root(request: pytest.FixtureRequest) -> Path:
    given = request.config.getoption("--data-root")
    root = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"needs real data: no folder {root} (give one with --data-root)")
    return root
