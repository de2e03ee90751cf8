"""A progress bar that begins with the work itself, so that what is refused before it leaves no line behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from hvae.cli.voice import Voice


@contextmanager
def late_bar(voice: Voice, name: str) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, total) whose first call opens the bar, or says the line that stands for it."""
    with ExitStack() as stack:
        bars: list[Callable[..., None]] = []

        def progress(done: int, total: int) -> None:
            if not bars:
                bars.append(stack.enter_context(voice.bar(name)))
            bars[0](done, total)

        yield progress
