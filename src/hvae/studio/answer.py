"""An answer: numbers and lines as JSON, and pictures as bytes for a canvas.

    4 bytes   the length of the JSON, little endian
    JSON      {"info": ..., "warnings": [...], "pictures": {name: {"shape": [..., H, W, 3], "at": offset}}}
    bytes     the pictures one after another, red, green and blue of each pixel

A PNG would take longer to pack than the model to walk.

Shapes: `...` rows and columns; `C H W` a picture.
"""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

from hvae.errors import HvaeWarning
from hvae.records import JSON

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Answer:
    """`info`, plain values; `pictures` by name, (..., C, H, W) in [0, 1]; `warnings`, lines that the page shows."""

    info: JSON
    pictures: Mapping[str, Tensor] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def pack(self) -> bytes:
        """The bytes that the page reads.  Raises HvaeError for pictures that are not finite."""
        blocks, table, at = [], {}, 0
        for name, pictures in self.pictures.items():
            block, shape = _bytes(pictures)
            table[name] = {"shape": shape, "at": at}
            blocks.append(block)
            at += len(block)
        head = json.dumps(
            {"info": self.info, "warnings": list(self.warnings), "pictures": table}, allow_nan=False
        ).encode()
        return b"".join([struct.pack("<I", len(head)), head, *blocks])


def warned(work: Callable[[], Answer]) -> Answer:
    """The answer of some work with our warnings in it, which a shell would have shown; those of others go on."""
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always", HvaeWarning)
        answer = work()
    lines = []
    for one in records:
        if issubclass(one.category, HvaeWarning):
            lines.append(" ".join(str(one.message).split()))
        else:
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)
    return replace(answer, warnings=tuple(dict.fromkeys(lines)))


def _bytes(pictures: Tensor) -> tuple[bytes, list[int]]:
    """The pixels of pictures (..., C, H, W), and the shape (..., H, W, 3)."""
    from hvae.explore.tiles import faces

    before = pictures.shape[:-3]
    images = faces(pictures.reshape(prod(before), *pictures.shape[-3:]))
    return images.tobytes(), [*before, *images.shape[1:]]
