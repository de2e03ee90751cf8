r"""Whether a walk of so many steps fits into memory, asked of short walks before the long one begins.

What a walk holds at once, M(T), grows at least in proportion to its T steps, since its trace keeps every p and value:

$$M(T) \ge T \, \frac{M(2S) - M(S)}{S}$$

for few steps S.  Data alone would say much less: what the networks of a ladder above a whole sequence hold of a step is
hundreds of numbers for one of text.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from hvae.capacity import check_memory
from hvae.screen.numbers import counted

if TYPE_CHECKING:
    from hvae.condition import Context
    from hvae.walk import Model

FEW, MANY = 64, 1000
"""Steps of the short walk, and of one that is worth it."""


def check_walk(model: Model, rows: int, steps: int, context: Context | None = None, advice: str = "") -> None:
    """Raises HvaeError where a walk of generation of so many rows and steps takes more memory than this machine has.

    On another device than the processor it is that device which says so.
    """
    from hvae.walk import device_of

    if steps < MANY or device_of(model).type != "cpu":
        return
    what = f"a walk of {steps:,} steps, {counted(rows, 'sequence')} at once,"
    check_memory(steps * bytes_per_step(model, rows, context), what, advice or "take fewer steps")


def time_of(
    model: Model, rows: int, steps: int, context: Context | None = None, timer: Callable[[], float] = perf_counter
) -> float:
    """About how many seconds a walk of generation takes: those of a short one, once more for each of its steps."""
    from hvae.draw import prior
    from hvae.walk import run, still

    with still(model, seed=0):
        run(model, prior(), model.nothing(rows, context, steps=1))  # the first one also prepares what all others use
        began = timer()
        run(model, prior(), model.nothing(rows, context, steps=FEW))
        return (timer() - began) * steps / FEW


def bytes_per_step(model: Model, rows: int, context: Context | None = None) -> float:
    """Bytes by which the most that a walk of generation holds at once grows with each step."""
    from hvae.draw import prior
    from hvae.inspection.costs import peak_of
    from hvae.walk import run, still

    def most(steps: int) -> int:
        return peak_of(lambda: run(model, prior(), model.nothing(rows, context, steps=steps)))

    with still(model, seed=0):
        return max(0, most(2 * FEW) - most(FEW)) / FEW
