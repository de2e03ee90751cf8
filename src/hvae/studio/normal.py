"""What is usual for a run: the scores of its own data, read once, in between other questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hvae.study.progress import Counted
from hvae.study.scoring.judge import Judge
from hvae.study.scoring.request import Request

if TYPE_CHECKING:
    from hvae.runs.subject import Subject

NORMAL = 500
"""Training data, and as many validation data: fewer than `hvae score` takes, for somebody waits."""


@dataclass(eq=False)
class Normal:
    """The judge of a run once it is `ready`; before, how far it is, `done` pieces of `total`; or its `fault`."""

    done: int = 0
    total: int = 0
    what: str = ""
    judge: Judge | None = None
    fault: Exception | None = None
    begun: bool = field(default=False)

    @property
    def ready(self) -> bool:
        """Whether it has come to an end, well or not."""
        return self.judge is not None or self.fault is not None

    def read(self, subject: Callable[[], Subject], breathe: Callable[[], None]) -> None:
        """Read what is usual; `breathe` is called after each piece of work."""

        def tick(done: int, total: int, what: str) -> None:
            self.done, self.total, self.what = done, total, what
            breathe()

        try:
            request = Request(data="valid", normal=NORMAL)
            judge = Judge(request, subject(), Counted(tick))
            judge.ranges  # noqa: B018, a cached property: this is the work
        except Exception as fault:  # it is told to whoever asks
            self.fault = fault
        else:
            # Scores of one picture are no news.
            judge.progress = Counted(lambda *_: None)
            self.judge = judge
