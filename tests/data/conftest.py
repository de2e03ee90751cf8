"""Fixtures of the data tests: a cache of one's own, and no network."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, so that no test sees what another, or the user, has left behind."""
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "hvae"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = urllib.request.urlopen

    def only_files(request: urllib.request.Request, *args: Any, **kwargs: Any) -> Any:
        if request.type != "file":
            raise urllib.request.URLError("no network in tests")
        return opened(request, *args, **kwargs)

    monkeypatch.setattr(urllib.request, "urlopen", only_files)
