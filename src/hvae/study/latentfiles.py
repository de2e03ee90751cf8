"""A file of latents: one array a level, the context they were inferred under, and whose latents they are.

Shapes: `N` images; `...` a latent's own shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.errors import HvaeError
from hvae.files import replacing

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.site import Pin

ABOUT_KEY = "about"
"""The one array of the file that is no numbers: a text that says whose latents these are."""
CONTEXT = "context/"
"""What the names of arrays of the context begin with."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentFile:
    """Latents {level: (N, ...)} with the context {condition: (N, ...)} that they were inferred under.

    `weights`, the digest of the model's weights, "" where nothing is said; `images`, what was encoded; `mode`, whether
    the values are the most probable ones; `seed` of their draws.
    """

    values: Mapping[Pin, Tensor]
    context: Mapping[str, Tensor] = field(default_factory=dict)
    weights: str = ""
    images: str = ""
    mode: bool = False
    seed: int = 0


def write_latents(path: Path, content: LatentFile) -> None:
    """Write the file, whole or not at all."""
    import numpy as np

    from hvae.site import spelled

    about = {"weights": content.weights, "images": content.images, "mode": content.mode, "seed": content.seed}
    arrays: dict[str, Any] = {spelled(pin): value.float().cpu().numpy() for pin, value in content.values.items()}
    arrays |= {CONTEXT + name: rows.cpu().numpy() for name, rows in content.context.items()}
    with replacing(path) as temporary, open(temporary, "wb") as f:
        np.savez(f, **arrays, **{ABOUT_KEY: np.array(json.dumps(about))})  # type: ignore[arg-type]


def read_latents(path: Path) -> LatentFile:
    """The latents of a file.  Nothing in it is ever executed.  Raises HvaeError for a file of another form."""
    import torch

    from hvae.data.formats import read_archive
    from hvae.site import read_pin

    try:
        arrays = read_archive(path)
        about = json.loads(str(arrays.pop(ABOUT_KEY, "{}")))
        context = {
            name.removeprefix(CONTEXT): torch.from_numpy(arrays.pop(name))
            for name in list(arrays)
            if name.startswith(CONTEXT)
        }
        values = {read_pin(name): torch.from_numpy(array).float() for name, array in arrays.items()}
    except (ValueError, TypeError, RecursionError) as fault:
        why = (str(fault) or type(fault).__name__).splitlines()[0]
        raise HvaeError(f"{path}: expected an .npz file of latents, as hvae encode writes it ({why})") from fault
    if not all(value.ndim and bool(value.isfinite().all()) for value in values.values()):
        raise HvaeError(f"{path}: expected finite arrays (N, ...) by level; it holds something else")
    weights = about.get("weights", "") if isinstance(about, dict) else ""
    return LatentFile(values=values, context=context, weights=str(weights))
