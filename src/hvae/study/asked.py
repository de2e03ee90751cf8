"""A request to restore pictures, and the pictures that it names: whole ones, floats, or as they were seen.

Shapes: `N` pictures; `...` a datum.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hvae.config.run import Overrides
from hvae.errors import HvaeError
from hvae.files import expanded
from hvae.runs.form import EIGHT, PictureKeys, files
from hvae.runs.images import Change, steps_between
from hvae.screen.numbers import left_out, output_noun
from hvae.study.images import is_split
from hvae.study.latents import images

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.config.data import DataConfig
    from hvae.data import ImageData
    from hvae.data.sources import Source
    from hvae.runs.images import InputImages
    from hvae.study.conditions import Named
    from hvae.study.masks import Mask


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """One request: the task by its name, what it needs, which pictures, and whether to make the observations of whole
    ones."""

    task: str
    data: str | Path | Source
    mask: Mask | None = None
    noise: str | float | None = None
    factor: int | None = None
    degrade: bool = False
    number: int = 16
    seed: int = 0
    context: Named = field(default_factory=dict)
    overrides: Overrides = field(default_factory=dict)


def whole(run: LoadedRun, request: Asked, source: str | Path | Source) -> InputImages:
    """Pictures in the form of the model: evenly over a split, which may be sorted by class, the first of others."""
    spread = is_split(source)
    inputs = images(
        run, source, request.overrides, sys.maxsize if spread else request.number, request.context, "restore"
    )
    apart = max(1, len(inputs.split) // request.number) if spread else 1
    return inputs.some(range(0, len(inputs.split), apart)[: request.number])


class Floats(NamedTuple):
    """The first `values` (N, ...) of an array, and how many more it has."""

    values: Tensor
    beyond: int


def array(data: str | Path | Source, number: int) -> Floats | None:
    """The first floats of an array, a tensor, or an .npy file; None of anything else."""
    import numpy as np
    import torch

    from hvae.data.formats import read_arrays
    from hvae.data.sources import as_tensor

    if isinstance(data, str | Path):
        path = expanded(data)
        if path.suffix != ".npy" or not path.is_file():
            return None
        (data,) = read_arrays(path).values()
    if not isinstance(data, np.ndarray | torch.Tensor) or not data.ndim:
        return None
    is_floats = data.is_floating_point() if isinstance(data, torch.Tensor) else data.dtype.kind == "f"
    return Floats(as_tensor(data)[:number].float().clone(), max(0, len(data) - number)) if is_floats else None


Form = Sequence[int | None]
"""The shape of a datum; None where any number will do."""


def observed(run: LoadedRun, request: Asked, form: Form) -> tuple[Tensor, tuple[str, ...]]:
    """Pictures as they were seen, (N, *form), every page of each file, and what was done to them."""
    from hvae.data import load

    if is_split(request.data):
        raise HvaeError(f"the run's own {request.data} data are whole; add --degrade, or name pictures to restore")
    floats = array(request.data, request.number)
    if floats is not None:
        values = formed(channelled(floats.values, form), form)
        return values, left_out(len(values), floats.beyond, output_noun(run.noun))
    if not isinstance(request.data, str | Path):
        raise HvaeError(f"expected a folder, an array file, or floats (N, ...), got {type(request.data).__name__}")
    config = files(run, str(request.data))
    # Of a finer grid than the data's: means and noise fall between its values.
    config = replace(config, **_wished(form), bits=max(EIGHT, run.bits), pages="all")
    data = load(config)
    split = (data.test if len(data.test) else data.train).fixed(0)
    counts = (str(data.provenance.tally),) if data.provenance.tally.remarks() else ()
    taken = min(request.number, len(split))
    rest = left_out(taken, len(split) - taken, output_noun(run.noun))
    return formed(split.pictures(range(taken)), form), counts + rest + _changes(config, data, taken)


def _changes(config: DataConfig, data: ImageData, count: int) -> tuple[str, ...]:
    """What was done to the size and the colours of pictures before they were taken for what is seen."""
    from hvae.data.look import Form, look

    before, after = look(config), Form(data.shape, data.bits)
    pairs = [(Form(one.shape, data.bits), after) for one in before]  # of bits nothing is said: those are rounded alone
    steps = [step for pair in pairs for step in steps_between(*pair, config.crop, False)]
    if not steps:
        return ()
    return (str(Change(count=count, before=before, after=after, steps=list(dict.fromkeys(steps)))),)


def _wished(form: Form) -> PictureKeys:
    """Size and colours as keys of a data configuration."""
    if len(form) != 3:
        return {}
    channels, high, wide = form
    if high is None or wide is None:
        return {"channels": channels or 0, "size": None, "crop": "none"}
    return {"channels": channels or 0, "size": (high, wide)}


def channelled(y: Tensor, form: Form) -> Tensor:
    """Grey pictures (N, H, W) with their one channel, as array files of whole numbers are read; all else as it is."""
    return y[:, None] if y.ndim == len(form) == 3 else y


def formed(y: Tensor, form: Form) -> Tensor:
    """Floats of a file or of memory, once they are known to be numbers of one form, (N, *form).

    Raises HvaeError for none, for other shapes, and for what is no finite number.
    """
    if not len(y):
        raise HvaeError("expected at least one picture to restore, got none")
    shape = tuple(y.shape[1:])
    fits = len(shape) == len(form) and all(expected in (None, got) for expected, got in zip(form, shape, strict=True))
    if not fits or not y.numel():
        expected = ", ".join("any" if side is None else str(side) for side in form)
        raise HvaeError(f"expected what is seen of shape (N, {expected}), got {tuple(y.shape)}; bring it to that shape")
    if not bool(y.isfinite().all()):
        is_missing = bool(y.isnan().any())
        got = "NaN; missing numbers are for --task impute" if is_missing else "infinite ones; mend or take them out"
        raise HvaeError(f"expected finite numbers, got {got}")
    return y
