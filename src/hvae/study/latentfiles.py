"""A file of latents: one array a level, the context they were inferred under, and whose latents they are.

Shapes: `N` images; `...` a latent's own shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hvae.errors import HvaeError, short
from hvae.files import replacing
from hvae.records import JSON

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from hvae.site import Pin

ABOUT_KEY = "about"
"""The one array of the file that is no numbers: a text that says whose latents these are."""
CONTEXT = "context/"
"""What the names of arrays of the context begin with."""
LABELS = "labels"
"""The array of what the data are, which no model reads."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentFile:
    """Latents {level: (N, ...)} with the context {condition: (N, ...)} that they were inferred under.

    `weights`, the digest of the model's weights, "" where nothing is said; `images`, what was encoded; `mode`, whether
    the values are the most probable ones; `seed` of their draws; `shapes` of the levels that one table holds side by
    side, where it says so.
    """

    values: Mapping[Pin, Tensor]
    context: Mapping[str, Tensor] = field(default_factory=dict)
    weights: str = ""
    images: str = ""
    mode: bool = False
    seed: int = 0
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)


def write_latents(path: Path, content: LatentFile, series: Mapping[str, np.ndarray] | None = None) -> None:
    """Write the file, whole or not at all; `series`, arrays that are no (N, ...) by level, as those of sequences."""
    with replacing(path) as temporary, open(temporary, "wb") as f:
        save_latents(f, content, series)


def save_latents(file: BinaryIO, content: LatentFile, series: Mapping[str, np.ndarray] | None = None) -> None:
    """Write the arrays of the file to a stream."""
    import numpy as np

    from hvae.site import spelled

    about = {"weights": content.weights, "images": content.images, "mode": content.mode, "seed": content.seed}
    arrays: dict[str, np.ndarray] = {spelled(pin): value.float().cpu().numpy() for pin, value in content.values.items()}
    arrays |= series or {}
    arrays |= {CONTEXT + name: rows.cpu().numpy() for name, rows in content.context.items()}
    np.savez(file, **arrays, **{ABOUT_KEY: np.array(json.dumps(about))})  # type: ignore[arg-type]


def read_latents(path: Path) -> LatentFile:
    """The latents of a file.  Nothing in it is ever executed.  Raises HvaeError for a file of another form."""
    from hvae.data.formats import read_archive

    try:
        members = read_archive(path)
    except HvaeError as fault:
        raise _other(path, fault) from fault
    with _in_one_line(path):
        return content_of(members, path)


@contextmanager
def _in_one_line(path: Path) -> Iterator[None]:
    """Within the block, what Python says of a file of another form becomes one line."""
    try:
        yield
    except HvaeError:
        raise
    except (ValueError, TypeError, RecursionError) as fault:
        raise _other(path, fault) from fault


def _other(path: Path, fault: Exception) -> HvaeError:
    why = (str(fault) or type(fault).__name__).splitlines()[0]
    return HvaeError(f"{path}: expected an .npz file of latents, as hvae encode writes it ({why})")


def read_arrays_of(path: Path) -> tuple[dict[str, np.ndarray], LatentFile]:
    """The arrays of a file of latents of sequences as they are, and what it says of them.  Nothing in it is executed.

    Raises HvaeError for a file of another form.
    """
    from hvae.data.formats import read_archive

    members = read_archive(path)
    beside = {name: one for name, one in members.items() if name == ABOUT_KEY or name.startswith(CONTEXT)}
    arrays = {name: one for name, one in members.items() if name not in beside and name != LABELS}
    with _in_one_line(path):
        if any(one.dtype.kind not in "fiu" or not one.ndim for one in arrays.values()):
            raise ValueError("arrays of something else than numbers")
        return arrays, content_of(beside, path)


def content_of(members: Mapping[str, np.ndarray], path: Path) -> LatentFile:
    """What named arrays hold.  Raises an error of Python for anything but numbers, HvaeError for NaN and infinity."""
    from hvae.data.sources import as_tensor
    from hvae.site import read_pin

    arrays = {name: array for name, array in members.items() if name != LABELS}
    about = json.loads(str(arrays.pop(ABOUT_KEY, "{}")))
    about = about if isinstance(about, dict) else {}
    context = {
        name.removeprefix(CONTEXT): as_tensor(arrays.pop(name), f"{short(name)} of {path}")
        for name in list(arrays)
        if name.startswith(CONTEXT)
    }
    if odd := next((name for name, array in arrays.items() if array.dtype.kind not in "fiub"), ""):
        raise HvaeError(
            f"{path}, {short(odd)}: expected real numbers, got {arrays[odd].dtype}; save the level as float32"
        )
    values = {read_pin(name): as_tensor(array, f"{short(name)} of {path}").float() for name, array in arrays.items()}
    if not all(value.ndim and bool(value.isfinite().all()) for value in values.values()):
        raise HvaeError(f"{path}: expected finite arrays (N, ...) by level; it holds something else")
    return LatentFile(
        values=values, context=context, weights=str(about.get("weights", "")), shapes=_shapes(about, path)
    )


def _shapes(about: JSON, path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the levels that a file of features says it is of; none of one that says nothing."""
    if "levels" not in about:
        return {}
    if about.get("pool") == "mean":
        raise HvaeError(
            f"{path} holds means over places, from which no latent can be had again; "
            "write features with --pool flatten or none"
        )
    return {str(name): tuple(int(size) for size in shape) for name, shape in dict(about["levels"]).items()}
