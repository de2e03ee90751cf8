"""Coding of blocks in several processes: blocks are independent, so the file does not depend on their number.

Processes are started afresh, with a copy of the coder, one thread each; a script that asks for more than one needs the
usual `if __name__ == "__main__":`, as for everything that starts processes.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from hvae.coding.files.classic import Levels
from hvae.coding.files.header import Block
from hvae.coding.lossless import block as blocks
from hvae.coding.lossless.block import Account
from hvae.coding.lossless.coder import Coder, with_enough_noise
from hvae.errors import HvaeError

_WORTH = 10.0
"""Seconds of work above which starting processes pays."""
_PROBE = 8
_T = TypeVar("_T")
_held: list[Coder] = []
"""The coder of a worker process."""


class Coded(NamedTuple):
    """One block: its entry in the header, its bytes, its account."""

    block: Block
    payload: bytes
    account: Account
    is_classic: bool
    """It failed verification and is in a classic format."""
    check_seconds: float


def code(coder: Coder, tiles: Levels, rows: int, verify: bool, listen: blocks.Listener = bool) -> Coded:
    """A block of tiles (N, *shape), at most `rows` of them walked at once; `verify` decodes it again."""
    payload, account = blocks.encode(coder, tiles, rows, listen)
    started = time.perf_counter()
    is_classic = verify and not _comes_back(coder, payload, tiles)
    if is_classic:
        payload, account = blocks.classic(tiles, coder.bits)
    seconds = time.perf_counter() - started if verify else 0.0
    return Coded(entry(len(tiles), payload, tiles), payload, account, is_classic, seconds)


def entry(count: int, payload: bytes, content: Levels) -> Block:
    """What the header says of a block of `count` images."""
    return Block(count, len(payload), zlib.crc32(payload), zlib.crc32(np.ascontiguousarray(content).data))


def _comes_back(coder: Coder, payload: bytes, tiles: Levels) -> bool:
    try:
        return np.array_equal(blocks.decode(coder, payload, tiles.shape[1:], len(tiles)), tiles)
    except HvaeError:
        return False


def hands(coder: Coder, counts: Sequence[int]) -> int:
    """The number of processes worth starting: one for little work, at most the number of cores."""
    most = min(_cores(), len(counts))
    if most < 2:
        return 1
    started = time.perf_counter()
    with_enough_noise(lambda stack: coder.decode(stack, _PROBE))
    return most if (time.perf_counter() - started) / _PROBE * sum(counts) > _WORTH else 1


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))  # what this process may use, not what the machine has
    except AttributeError:
        return os.cpu_count() or 1


def each(work: Callable[..., _T], coder: Coder, jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[_T]:
    """work(coder, *job) for each job, in their order, on so many processes (1: here)."""
    if workers == 1:
        yield from (work(coder, *job) for job in jobs)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (pickle.dumps(coder),))
    try:
        yield from _ordered(pool, work, jobs, ahead=2 * workers)
    except BrokenProcessPool as fault:
        raise HvaeError("a process of several died, perhaps of too little memory; try with one worker") from fault
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ordered(
    pool: ProcessPoolExecutor, work: Callable[..., _T], jobs: Sequence[tuple[Any, ...]], ahead: int
) -> Iterator[_T]:
    waiting: deque[Future[_T]] = deque()
    for job in jobs:
        waiting.append(pool.submit(_do, work, job))
        if len(waiting) > ahead:  # no more of the jobs are copied than are needed soon
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _begin(content: bytes) -> None:
    # An interrupt reaches every process of a terminal; the first one speaks for all.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    torch.set_num_threads(1)
    _held[:] = [pickle.loads(content)]


def _do(work: Callable[..., _T], job: tuple[Any, ...]) -> _T:
    return work(_held[0], *job)
