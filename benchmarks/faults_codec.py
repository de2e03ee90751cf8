"""Compressed files that were damaged, or forged with their checksums made right again.

A damaged file must be refused in one line, within a minute and 256 MB (a lossy one that is cut may show a preview); a
forged one too, or else give the right pixels where it keeps its list of pictures.  Used by benchmarks/faults.py.
"""

from __future__ import annotations

import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from faults_outcome import Outcome
from forgery import contents, mutation, mutations

from hvae.coding import Picture, read, save_picture
from hvae.coding.files.pictures import MODES
from hvae.errors import HvaeError

SECONDS, BYTES = 60, 2**28
Back = Callable[[bytes], list[Picture]]


def faults(count: int, work: Path) -> Iterator[tuple[str, Outcome]]:
    """So many, in equal parts of each kind of file: by a model of colour, of bits, without one, and with loss."""
    for kind, (content, back, bits) in contents().items():
        each = -(-count // len(contents()))
        rng, truth = np.random.default_rng(11), {picture.levels.tobytes() for picture in back(content)}
        for number, file in enumerate(mutations(content, each - each // 2)):
            is_preview = kind == "lossy" and content.startswith(file)
            outcome, _ = _read(file, back, bits, work)
            is_believed = outcome.kind == "done" and not is_preview
            yield f"{kind}, damaged {number}", Outcome("believed") if is_believed else outcome
        for number in range(each // 2):
            file = mutation(rng, content)
            outcome, pictures = _read(file, back, bits, work)
            is_exact = outcome.kind == "done" and kind != "lossy" and _lists_the_same(file, content)
            is_wrong = is_exact and not {picture.levels.tobytes() for picture in pictures} <= truth
            yield f"{kind}, forged {number}", Outcome("other pixels") if is_wrong else outcome


def _lists_the_same(file: bytes, content: bytes) -> bool:
    return read(file).header.items == read(content).header.items


def _read(file: bytes, back: Back, bits: int, work: Path) -> tuple[Outcome, list[Picture]]:
    """The pictures of a file, saved as well, and what became of it."""
    tracemalloc.start()
    outcome, pictures = Outcome("done"), list[Picture]()
    try:
        with _alarm():
            pictures = back(file)
            for picture in pictures:
                save_picture(work / ("a.npy" if MODES[picture.mode] == "array" else "a.png"), picture, bits)
    except HvaeError as fault:
        outcome = Outcome("several lines" if "\n" in str(fault) else "refused", str(fault))
    except TimeoutError:
        outcome = Outcome(f"longer than {SECONDS} s")
    except Exception as fault:
        outcome = Outcome("traceback", repr(fault)[:200])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (Outcome("memory", f"{most:,} bytes") if most > BYTES else outcome), pictures


@contextmanager
def _alarm() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
