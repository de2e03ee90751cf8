"""The studio of a run whose data are elsewhere: nothing is downloaded, and one line says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvae.errors import HvaeError
from hvae.studio.opened import opened


def test_data_that_are_not_here_are_one_short_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hvae.data.known.KnownSet.found", lambda self, root="": None)
    monkeypatch.setattr("hvae.data.lookup.fetch", lambda *_: pytest.fail("nothing is downloaded for a page"))
    with pytest.raises(HvaeError, match=r"^the run's own data \(mnist-dynamic\) are not here: .* --data.root FOLDER$"):
        _ = opened(0, "mnist-ladder-class").subject
