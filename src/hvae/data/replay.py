"""Pictures that an earlier model has drawn, in a file, and trained on beside those of a data set.

Generative replay: Shin et al. 2017, arXiv 1705.08690.  Of a set whose pixels are drawn anew in each batch the file
holds the grey means of p(x | z), so that what is drawn of them is a sample of the earlier model.

Shapes: `N` pictures; `C` channels; `H W` space.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hvae.data.formats import read_archive
from hvae.data.images import Split
from hvae.errors import HvaeError
from hvae.files import expanded, replacing

LEVELS, DEPTH = "levels", "bits"


def write_replay(path: Path, x: Tensor, depth: int) -> None:
    """Write pictures (N, C, H, W) in [0, 1] as levels of `depth` bits."""
    levels = (x.double() * (2**depth - 1)).round().cpu().numpy()
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **{LEVELS: levels.astype(np.uint8 if depth <= 8 else np.int32), DEPTH: depth})


def with_replay(split: Split, file: str) -> Split:
    """The pictures of a split and those of a file, which have no labels.

    Raises HvaeError for a file that holds no pictures of this form, and for splits of which more is known than labels.
    """
    arrays = read_archive(expanded(file))
    if set(arrays) != {LEVELS, DEPTH}:
        raise HvaeError(f"data.replay: expected {LEVELS} and {DEPTH} in {file}, got {', '.join(arrays)[:200]}")
    levels, depth = arrays[LEVELS], arrays[DEPTH]
    if levels.dtype.kind not in "ui" or depth.dtype.kind not in "ui" or depth.ndim:
        raise HvaeError(
            f"data.replay: expected whole numbers in {file}, got {levels.dtype} and bits of {depth.dtype} "
            f"{depth.shape}; draw them anew with hvae grow"
        )
    if levels.shape[1:] != tuple(split.store.shape[1:]) or int(depth) != split.depth or not len(levels):
        raise HvaeError(
            f"data.replay: expected pictures {tuple(split.store.shape[1:])} of {split.depth} bits, got "
            f"{levels.shape[1:]} of {int(depth)} bits from {file}; draw them anew with hvae grow"
        )
    if split.observed is not None or split.factors is not None or split.attributes is not None or split.captions:
        raise HvaeError(
            "data.replay is for pictures that are complete and have no attributes, captions or factors; leave it out"
        )
    if int(levels.min()) < 0 or int(levels.max()) >= 2**split.depth:
        raise HvaeError(f"data.replay: expected levels from 0 to {2**split.depth - 1} in {file}; draw them anew")
    own = split.store.index_select(0, split.rows)  # (N, C, H, W)
    store = torch.cat([own, torch.from_numpy(levels.astype(np.int32)).to(own.dtype)])
    unknown = torch.full((len(levels),), -1)
    labels = None if split.labels is None else torch.cat([split.labels, unknown])
    return replace(split, store=store, rows=torch.arange(len(store)), labels=labels, files=())
