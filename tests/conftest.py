"""Shared fixtures: one seed, few threads, and where real data may lie."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import torch

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("hvae", deadline=None)
hypothesis.settings.load_profile("hvae")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data-root", default="", help="folder of real data sets (default: ../shared/data if it exists)")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_root(request: pytest.FixtureRequest) -> Path:
    folder = request.config.getoption("--data-root")
    root = Path(folder) if folder else Path(__file__).parents[2] / "shared" / "data"
    if not root.is_dir():
        pytest.skip(f"needs real data: no folder {root} (give one with --data-root)")
    return root
