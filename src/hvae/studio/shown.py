"""A run as the studio shows it: opened once it has weights, and again when it has new ones.

A run that is still trained has rows before it has weights; one whose folder has gone is shown on from memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.errors import HvaeError
from hvae.files import resolved
from hvae.pretrained import WEIGHTS
from hvae.records import JSON
from hvae.studio.opened import Opened, opened

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun

METRICS = "metrics.csv"


class Shown:
    """One run at its `place` in the addresses."""

    def __init__(
        self,
        place: int,
        run: str | Path | LoadedRun,
        overrides: Overrides | None = None,
        trust: Sequence[str] = (),
    ) -> None:
        """Raises HvaeError for what is neither a run nor one in training."""
        self.place, self.source, self.overrides, self.trust = place, run, overrides or {}, tuple(trust)
        self.stamp = self._stamp()
        self._opened = None if self._is_young() else self._open()

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        if self._opened is not None:
            return self._opened.run.folder
        assert isinstance(self.source, str | Path)
        return Path(self.source)

    @property
    def opened(self) -> Opened:
        """The run with its model.  Raises HvaeError while it has no weights."""
        if self._opened is None:
            raise HvaeError(f"{self.folder} has no weights yet; look at its training until it has")
        return self._opened

    def about(self) -> JSON:
        """What the page needs to know."""
        if self._opened is not None:
            return {**self._opened.about(), "trained": True}
        name = resolved(self.folder).name
        return {"place": self.place, "name": name, "folder": str(self.folder), "trained": False}

    def refresh(self) -> None:
        """Open the run again where its weights are others than before; what cannot be read leaves it as it is."""
        stamp = self._stamp()
        if stamp in (None, self.stamp):
            return
        try:
            self._opened, self.stamp = self._open(), stamp
        except (HvaeError, OSError):
            return

    def _open(self) -> Opened:
        return opened(self.place, self.source, self.overrides, self.trust)

    def _is_young(self) -> bool:
        """Whether this is a folder with rows of training and without weights."""
        if not isinstance(self.source, str | Path) or self.stamp is not None:
            return False
        return (Path(self.source) / METRICS).is_file()

    def _stamp(self) -> tuple[int, int] | None:
        """What tells one file of weights from another; None where there is none, or it belongs to no folder."""
        if not isinstance(self.source, str | Path):
            return None
        path = Path(self.source)
        try:
            state = (path / WEIGHTS if path.is_dir() else path).stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size
