"""Prefetching of the data of each step onto the device.

Shapes: `B` data of one micro-batch; `...` one datum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch

from hvae.data.images import Split
from hvae.data.order import MicroBatch, StepSampler
from hvae.data.sources import Batches
from hvae.datum import Datum, as_datum

T = TypeVar("T")

# Weights, their moments and the activations need the rest.
_SHARE_OF_MEMORY = 0.25


def feed(split: Batches, sampler: StepSampler, device: torch.device) -> Iterator[tuple[MicroBatch, Datum]]:
    """The micro-batches of a sampler with their data, (B, ...) on the device."""
    batches = ((micro, as_datum(split.batch(micro.indices, micro.generator()))) for micro in sampler)
    # On the CPU a second thread would only take cores from the networks.
    return batches if device.type == "cpu" else _ahead(((micro, _sent(d, device)) for micro, d in batches), device)


def _sent(datum: Datum, device: torch.device) -> Datum:
    if datum.x.device.type == device.type:
        return datum.to(device)
    return (datum.pin_memory() if device.type == "cuda" else datum).to(device, non_blocking=True)


def _ahead(items: Iterable[T], device: torch.device) -> Iterator[T]:
    """The same items, the next one being made in a thread while the caller works on this one.

    >>> list(_ahead(range(3), torch.device("cpu")))
    [0, 1, 2]
    """
    source, end = iter(items), object()
    # A new thread begins on GPU 0, and one touch would cost memory there in every process.
    settle = partial(torch.cuda.set_device, device) if device.type == "cuda" else None
    with ThreadPoolExecutor(1, "hvae-feed", settle) as pool:
        coming = pool.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, source, end)
            yield item  # type: ignore[misc]


def resident(split: Batches, device: torch.device) -> Batches:
    """The split with its stored integers on the device, where they fit and every batch is a plain look-up.

    Splits that flip or draw stay where they are: their CPU generators are part of what makes a run repeatable.
    """
    if device.type != "cuda" or not isinstance(split, Split) or split.dynamic or split.flip:
        return split
    room = _SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0]
    return replace(split, store=split.store.to(device)) if split.store.nbytes < room else split
