"""Encoded pictures before they are decoded: what each says of itself, and the one form that all are brought to."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from PIL import Image

from hvae.config.data import DataConfig
from hvae.data.progress import progress
from hvae.errors import HvaeError
from hvae.picturefiles import (
    FLOATS,
    FURTHER,
    NARROWED,
    TURNED,
    has_more_pages,
    is_narrowed,
    is_turned,
    must_be_decoded,
    opened,
    pages,
    reason,
    size_upright,
)

GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Picture(NamedTuple):
    """One encoded picture file: its name for messages, and what opens it when it is wanted: a path, or its bytes."""

    name: str
    source: Callable[[], Path | BytesIO]


class Header(NamedTuple):
    """What a picture says of itself before it is decoded; `narrowed` where it has more bits than are read."""

    size: tuple[int, int]
    colour: bool
    depth: int
    clear: bool
    turned: bool
    narrowed: bool


class Looked(NamedTuple):
    """The header of each page of a file that is read, whether it has more, and else why it cannot be read."""

    headers: tuple[Header, ...] = ()
    further: bool = False
    fault: str = ""

    @property
    def changes(self) -> tuple[str, ...]:
        """What of the file is not read as it is, a few words each, where its first page alone is wanted."""
        first = self.headers[0]
        return (FURTHER,) * self.further + (TURNED,) * first.turned + (NARROWED,) * first.narrowed


@dataclass(frozen=True)
class Plan:
    """The one form that every picture is brought to."""

    size: tuple[int, int]
    channels: int
    bits: int
    crop: str
    clear: bool


def settle(headers: Sequence[tuple[str, Header]], config: DataConfig) -> Plan:
    """One size, number of channels and bit depth for all, from the config or, where it is silent, from agreement."""
    size = config.size or _agreed(headers, "size", "set data.size=[H, W] and data.crop")
    shallow = min(headers, key=lambda item: item[1].depth)
    bits = config.bits or _agreed(headers, "depth", "set data.bits=8")
    if bits > shallow[1].depth:
        raise HvaeError(f"expected at most data.bits={shallow[1].depth}, which is what {shallow[0]} holds, got {bits}")
    channels = config.channels or (3 if any(header.colour for _, header in headers) else 1)
    return Plan(tuple(size), channels, bits, config.crop, any(header.clear for _, header in headers))


def _agreed(headers: Sequence[tuple[str, Header]], field: str, advice: str) -> Any:
    name, first = headers[0]
    for other, header in headers:
        if getattr(header, field) != getattr(first, field):
            raise HvaeError(
                f"expected pictures of one {field}, got {name} with {_shown(getattr(first, field))} and {other} with "
                f"{_shown(getattr(header, field))}; {advice}"
            )
    return getattr(first, field)


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else f"{value} bits"


def look_at(pictures: Sequence[Picture], all_pages: bool = False) -> list[Looked]:
    """What each picture file says of itself; none is decoded, but those that end too early."""
    return list(pooled(lambda picture: _looked(picture, all_pages), pictures, "looking at pictures"))


def _looked(picture: Picture, all_pages: bool) -> Looked:
    try:
        source = picture.source()
        with opened(source, picture.name) as image:
            # Found here, and not after hours of decoding others.
            if must_be_decoded(image, image.fp):  # type: ignore[attr-defined]
                image.load()
            headers = tuple(_header(image) for _ in (pages(image) if all_pages else range(1)))
            further = not all_pages and has_more_pages(image)
        return Looked(headers, further)
    except (HvaeError, OSError) as fault:
        return Looked(fault=reason(picture.name, fault))


def colourful(file: Path) -> bool:
    """Whether an image file has colours, by its header: a palette counts as colours, whatever these are."""
    with opened(file) as image:
        return _is_colourful(image)


def _is_colourful(image: Image.Image) -> bool:
    return image.mode not in GREY_MODES


def _header(image: Image.Image) -> Header:
    if image.mode == "F":
        raise ValueError(FLOATS)
    clear = "A" in image.mode or "transparency" in image.info
    depth = 16 if image.mode.startswith("I") else 8
    return Header(size_upright(image), _is_colourful(image), depth, clear, is_turned(image), is_narrowed(image))


def pooled(
    work: Callable[[Item], Result], items: Sequence[Item], what: str, is_large: Callable[[Item], bool] = lambda _: False
) -> Iterator[Result]:
    """What `work` makes of each item, in order.

    Several threads share the items, since Pillow decodes without the lock; one has all the large ones.
    """

    def results() -> Iterator[Result]:
        threads = min(8, os.cpu_count() or 1)
        # A thread of their own, and not a lock: the C library keeps what a thread has freed for that thread.
        with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(1) as alone:
            ahead = deque[Future[Result]]()
            for item in items:
                ahead.append((alone if is_large(item) else pool).submit(work, item))
                if len(ahead) == 2 * threads:  # few ahead, so that results never outrun the writer
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    return progress(results(), what, total=len(items))
