"""What form images are in as they are found, before anything is done to them.

Shapes: `C` channels; `H W` space (one axis for flat vectors and signals, three for volumes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hvae.config.data import KNOWN, DataConfig
from hvae.data.arrays import read_idx_source, read_npy
from hvae.data.catalogue import SETS
from hvae.data.folder import picture
from hvae.data.hub import hub_pictures
from hvae.data.lookup import base
from hvae.data.pictures import Picture, look_at
from hvae.data.raw import Part
from hvae.data.tables import read_table
from hvae.files import expanded
from hvae.picturefolders import listed
from hvae.screen.numbers import counted

READERS = {"npy": read_npy, "idx": read_idx_source, "table": read_table}
EIGHT = 8


class Form(NamedTuple):
    """`shape` (C, H, W) or (D,), and `bits` of a value; 0 bits: floats.

    >>> print(Form((3, 48, 64), 8)), print(Form((5,), 0))
    3x48x64, 8 bits
    5, floats
    (None, None)
    """

    shape: tuple[int, ...]
    bits: int

    def __str__(self) -> str:
        depth = counted(self.bits, "bit") if self.bits else "floats"
        return f"{'x'.join(map(str, self.shape))}, {depth}"


def look(config: DataConfig) -> list[Form]:
    """The forms of the images that a config names, each once, in the order of the images; its wishes are not asked.

    Pictures are not decoded.  A set that its name cuts to one bit has one.  Raises HvaeError for files that cannot be
    read.

    >>> look(DataConfig(name="digits"))
    [Form(shape=(1, 8, 8), bits=4)]
    """
    if config.name in KNOWN:
        entry = SETS[base(config.name)]
        return [Form(entry.shape, 1 if config.name.endswith(("-dynamic", "-binary")) else entry.bits)]
    if config.name == "folder":
        return _forms([picture(file.path) for file in listed(expanded(config.path)).files])
    if config.name == "hub":
        return _forms(hub_pictures(config.path))
    # Floats of 0 and 1 alone are refused without a depth; whole numbers keep their own whatever is asked.
    raw = READERS[config.name](DataConfig(name=config.name, path=config.path, bits=EIGHT, kind=config.kind))
    bits = 0 if any(note.startswith("floats") for note in raw.transforms) else raw.bits
    return list(dict.fromkeys(_array(part, bits) for part in raw.parts.values()))


def _forms(pictures: Sequence[Picture]) -> list[Form]:
    looked = look_at(pictures)
    # Those that cannot be read are named when they are decoded, or left out.
    headers = [header for one in looked for header in one.headers]
    return list(dict.fromkeys(Form((3 if head.colour else 1, *head.size), head.depth) for head in headers))


def _array(part: Part, bits: int) -> Form:
    binary = not bits and bool(np.isin(part.levels, (0, 2**EIGHT - 1)).all())
    return Form(tuple(part.levels.shape[1:]), 1 if binary else bits)
