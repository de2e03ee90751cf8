"""The desk of the studio: in order, one at a time, the newest of each page, and something in between long work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from hvae.errors import HvaeError
from hvae.studio.desk import MOST, Busy, Closed, Desk, Stale


def held(desk: Desk) -> Callable[[], None]:
    """Keep the desk busy until what is returned is called."""
    began, gate = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        gate.wait(300)

    desk.later(work)
    assert began.wait(300)
    return gate.set


def test_questions_are_answered_in_their_order() -> None:
    desk, order = Desk().beside(), list[int]()

    async def all_of_them() -> list[int]:
        let_go = held(desk)
        asked = [asyncio.ensure_future(desk.ask("", lambda i=i: order.append(i) or i)) for i in range(20)]
        await asyncio.sleep(0)
        let_go()
        return await asyncio.gather(*asked)

    assert asyncio.run(all_of_them()) == order == list(range(20))


def test_of_one_page_only_the_newest_question_is_worked_on() -> None:
    desk, worked = Desk().beside(), list[int]()

    async def all_of_them() -> list[object]:
        let_go = held(desk)
        keys = ["a", "b", "a", "", "a", ""]
        asked = [asyncio.ensure_future(desk.ask(key, lambda i=i: worked.append(i) or i)) for i, key in enumerate(keys)]
        await asyncio.sleep(0)
        let_go()
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(all_of_them())
    assert worked == [1, 3, 4, 5]
    assert [isinstance(one, Stale) for one in answers] == [True, False, True, False, False, False]


def test_a_fault_is_its_own_questions_alone() -> None:
    async def both() -> tuple[object, int]:
        desk = Desk().beside()
        fault = await asyncio.gather(desk.ask("", lambda: 1 // 0), return_exceptions=True)
        return fault[0], await desk.ask("", lambda: 7)

    fault, well = asyncio.run(both())
    assert isinstance(fault, ZeroDivisionError) and well == 7


def test_too_many_questions_are_refused_and_not_kept() -> None:
    async def many() -> None:
        desk = Desk().beside()
        let_go = held(desk)
        asked = [asyncio.ensure_future(desk.ask("", lambda: None)) for _ in range(MOST)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await desk.ask("", lambda: None)
        let_go()
        await asyncio.gather(*asked)

    asyncio.run(many())
    assert issubclass(Busy, HvaeError)


def test_what_waits_is_answered_within_long_work() -> None:
    desk, order = Desk().beside(), list[str]()
    began, waits = threading.Event(), threading.Event()

    def long() -> None:
        began.set()
        assert waits.wait(300)
        order.append("begun")
        desk.breathe()
        order.append("ended")

    async def both() -> None:
        desk.later(long)
        assert await asyncio.to_thread(began.wait, 300)
        asked = asyncio.ensure_future(desk.ask("", lambda: order.append("between")))
        await asyncio.sleep(0)
        waits.set()
        await asked
        await desk.ask("", lambda: None)

    asyncio.run(both())
    assert order == ["begun", "between", "ended"]


def test_an_interrupt_ends_the_work_and_whoever_waits_hears_of_it() -> None:
    async def all_of_them() -> tuple[list[object], list[BaseException]]:
        desk, raised = Desk(), list[BaseException]()

        def work() -> None:
            try:
                desk.work()
            except KeyboardInterrupt as stop:
                raised.append(stop)

        def interrupted() -> None:
            raise KeyboardInterrupt

        asked = [asyncio.ensure_future(desk.ask("", one)) for one in (interrupted, lambda: 7)]
        await asyncio.sleep(0)
        await asyncio.to_thread(work)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [*answers, *await asyncio.gather(desk.ask("", lambda: 7), return_exceptions=True)], raised

    answers, raised = asyncio.run(all_of_them())
    assert [type(one) for one in answers] == [Closed] * 3 and len(raised) == 1


def test_a_desk_that_is_closed_stops_working() -> None:
    desk = Desk()
    desk.later(desk.close)
    desk.later(lambda: 1 // 0)
    desk.work()
    assert not desk.waiting
