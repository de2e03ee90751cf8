"""What is asked of a scoring."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.run import Overrides
from hvae.study.backends import PLAIN
from hvae.trust import NOBODY, Trust

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.data.sources import Source
    from hvae.study.conditions import Named


@dataclass(frozen=True, eq=False, kw_only=True)
class Request:
    """The options of one scoring, as `hvae.study.score.score` names them."""

    data: str | Path | Source
    by: str = ""
    quantile: float = 0.95
    samples: int = 1
    normal: int = 1000
    number: int = 0
    foreign: bool = False
    reverse: str | Path | LoadedRun | None = None
    regret: int = 0
    maps: int = 0
    out: Path | None = None
    seed: int = 0
    context: Named = field(default_factory=dict)
    backend: str = PLAIN
    overrides: Overrides = field(default_factory=dict)
    trust: Trust = NOBODY

    @property
    def source(self) -> str:
        """What the images are called: their place, or the kind of thing that they are."""
        return str(self.data) if isinstance(self.data, str | Path) else f"the {type(self.data).__name__}"
