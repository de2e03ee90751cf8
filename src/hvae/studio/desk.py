"""The desk: one thread that does the work of all requests, in order; of a studio, the main one, so that Ctrl-C ends
the work itself.

One, because random numbers are the process's: two walks at once would take each other's.  A question whose page has
asked a newer one of the same kind meanwhile is not worked on any more.  A long piece of work calls `breathe` now and
then, and what is waiting is answered in between.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hvae.errors import HvaeError
from hvae.trust import trusting

MOST = 64
"""Questions that wait at once."""
PAUSE = 0.5
"""Seconds of a wait: some systems deliver an interrupt only where one ends."""

T = TypeVar("T")


class Stale(Exception):
    """The page has asked something newer."""


class Busy(HvaeError):
    """There is no answer yet: ask again in a moment."""


class Closed(Busy):
    """The studio is being stopped."""

    def __init__(self) -> None:
        super().__init__("the studio has been stopped; start it again with hvae studio")


class Reading(Busy):
    """What is usual for a run is still read: `done` pieces of `total`, now `what`; 0 before it has begun."""

    def __init__(self, done: int, total: int, what: str) -> None:
        how_far = f"{100 * done // total} % of {what}" if total else "about to begin"
        super().__init__(f"reading what is usual from the run's own data, once: {how_far}; ask again in a moment")


@dataclass(frozen=True, eq=False)
class _Question:
    key: str
    work: Callable[[], Any]
    future: asyncio.Future[Any] | None = None
    loop: asyncio.AbstractEventLoop | None = None

    def answer(self) -> None:
        """Do the work, and hand the answer, or its fault, to who waits for it."""
        if self.future is not None and self.future.cancelled():
            return
        try:
            self._hand("set_result", self.work())
        except KeyboardInterrupt:
            self.drop(Closed())
            raise
        except BaseException as fault:  # whatever it is, the server goes on and the page hears of it
            self._hand("set_exception", fault)

    def drop(self, why: Exception) -> None:
        """Tell who waits that nothing will come."""
        self._hand("set_exception", why)

    def _hand(self, how: str, what: object) -> None:
        if self.loop is None or self.future is None:
            return
        future = self.future

        def hand() -> None:
            if not future.done():
                getattr(future, how)(what)

        # The loop is closed once the server has stopped.
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(hand)


class Desk:
    """Answers questions one after the other; `trust`, whose code the runs may name."""

    def __init__(self, trust: Sequence[str] = ()) -> None:
        self.trust = tuple(trust)
        self.waiting: deque[_Question] = deque()
        self.door = threading.Condition()
        self.closed = False

    def work(self) -> None:
        """Answer what is asked until the desk is closed, which an interrupt does too."""
        try:
            with trusting(*self.trust):
                while not self.closed:
                    question = self._next(PAUSE)
                    if question is not None:
                        question.answer()
        finally:
            self.close()

    def beside(self) -> Desk:
        """The desk at work in a thread of its own."""
        threading.Thread(target=self.work, name="hvae studio", daemon=True).start()
        return self

    def close(self) -> None:
        """Answer nothing any more; whoever waits hears so."""
        with self.door:
            self.closed = True
            left = list(self.waiting)
            self.waiting.clear()
            self.door.notify()
        for one in left:
            one.drop(Closed())

    async def ask(self, key: str, work: Callable[[], T]) -> T:
        """The result of the work.  Raises Stale where the same key asks again before, Busy where too many wait, Closed
        where the desk is closed before."""
        loop = asyncio.get_running_loop()
        question = _Question(key, work, loop.create_future(), loop)
        self._put(question)
        assert question.future is not None
        result: T = await question.future
        return result

    def later(self, work: Callable[[], object]) -> None:
        """Do this when it is its turn; nobody waits for it, and it keeps its own faults."""
        self._put(_Question("", work))

    def breathe(self) -> None:
        """Within a long piece of work: answer what is waiting."""
        while (question := self._next(0)) is not None:
            question.answer()

    def _put(self, question: _Question) -> None:
        with self.door:
            if self.closed:
                raise Closed
            if len(self.waiting) >= MOST:
                raise Busy(f"more than {MOST} questions wait; ask again in a moment")
            older = [one for one in self.waiting if question.key and one.key == question.key]
            for one in older:
                self.waiting.remove(one)
            self.waiting.append(question)
            self.door.notify()
        for one in older:
            one.drop(Stale())

    def _next(self, wait: float) -> _Question | None:
        with self.door:
            if not self.waiting and not self.closed and wait != 0:
                self.door.wait(wait)
            return self.waiting.popleft() if self.waiting else None
