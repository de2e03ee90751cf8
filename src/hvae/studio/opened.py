"""A run in the studio: its model where it runs, and what is looked up once.

Shapes: `C H W` a picture.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hvae.coding import quantised
from hvae.config.run import Overrides
from hvae.data.lookup import MISSING
from hvae.datum import Datum
from hvae.errors import HvaeError
from hvae.explore.cells import Grid
from hvae.explore.traverse import Axes
from hvae.files import resolved
from hvae.records import JSON
from hvae.runs.subject import Subject, open_run
from hvae.runs.words import class_names
from hvae.studio.normal import Normal
from hvae.study.conditions import LABEL, Meanings, complete, meanings, numbers
from hvae.study.placing import ACCELERATOR, at_once, place
from hvae.study.progress import silent
from hvae.study.restoration_ways import ways_of
from hvae.trust import vouched
from hvae.walk import glimpse

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.coding import LossyCodec
    from hvae.condition import Context
    from hvae.walk import Model

EIGHT = 8
EXAMPLES = 12


@dataclass(frozen=True, eq=False)
class Opened:
    """One run; `place`, its number in the addresses."""

    place: int
    run: LoadedRun
    overrides: Overrides = field(default_factory=dict)
    trust: Sequence[str] = ()
    normal: Normal = field(default_factory=Normal)
    axes: dict[str, Axes] = field(default_factory=dict)
    """The principal directions of levels that were asked for."""
    codecs: dict[str, LossyCodec] = field(default_factory=dict)
    """The lossy codec of the condition that was asked for last."""

    @property
    def model(self) -> Model:
        return self.run.model

    @property
    def name(self) -> str:
        """Of the folder."""
        return resolved(self.run.folder).name

    @cached_property
    def grid(self) -> Grid:
        """What draws cell by cell.  Raises HvaeError for a model without levels."""
        return Grid.of(self.model)

    @cached_property
    def rows(self) -> int:
        """Pictures at once."""
        return at_once(self.model)

    @cached_property
    def subject(self) -> Subject:
        """The run with its own data, which a page never downloads.  Raises HvaeError where they are not there."""
        try:
            return open_run(self.run, _of_data(self.overrides), silent, vouched(self.trust, self.overrides))
        except HvaeError as fault:
            if MISSING not in str(fault):
                raise
            name = self.run.config.data.name
            raise HvaeError(
                f"the run's own data ({name}) are not here: give a picture of yours, or start the studio with "
                "--data.root FOLDER"
            ) from fault

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, as stored with the weights or else of the run's data; none where these are not
        there, or name none."""
        condition, names = self.model.conditions.get(LABEL), class_names(self.run)
        try:
            return tuple(names or self.subject.data.classes) if condition and condition.classes else ()
        except (HvaeError, OSError):
            return ()

    @cached_property
    def meanings(self) -> Meanings:
        """What the numbers of its context mean."""
        return meanings(self.run, lambda: self.classes)

    @cached_property
    def ways(self) -> tuple[str, ...]:
        """The ways to restore a picture by it, first the one to take where none is chosen."""
        return ways_of(self.run) if self.is_pictured else ()

    def about(self) -> JSON:
        """What the page needs to know."""
        latents = {record.name: record for record in glimpse(self.model).latents}
        levels = [{"name": name, "shape": list(one.value.shape[1:])} for name, one in latents.items()]
        return {
            "place": self.place,
            "name": self.name,
            "folder": str(self.run.folder),
            "family": self.run.config.model.family,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "step": self.run.step,
            "shape": list(self.model.shape),
            "bits": self.run.bits,
            "timed": self.model.timed,
            "levels": levels,
            "movable": bool(latents) and self.grid.movable,
            "conditions": [self._condition(name) for name in self.model.conditions],
            "pictured": self.is_pictured,
            "ways": list(self.ways),
            "noun": self.run.noun,
            "lossy": bool(quantised(self.model)),
        }

    def _condition(self, name: str) -> JSON:
        one = self.model.conditions[name]
        titles = self.captions if one.is_text else list(self.classes) if name == LABEL else []
        return {
            "name": name,
            "classes": 0 if one.is_text else one.classes,
            "numbers": prod(one.shape),
            "optional": one.optional,
            "text": one.is_text,
            "titles": titles if one.is_text or len(titles) == one.classes else [],
        }

    @cached_property
    def captions(self) -> list[str]:
        """A few captions of the run's test data, as examples; none where the data are not there."""
        try:
            captions = self.subject.images.test.captions
        except (HvaeError, OSError):
            captions = None
        return list(dict.fromkeys(text for text in captions.texts if text))[:EXAMPLES] if captions else []

    @property
    def is_pictured(self) -> bool:
        """Whether its data are pictures."""
        return len(self.model.shape) == 3 and not self.model.timed

    def said(self, context: Mapping[str, str]) -> Context:
        """The conditions in numbers.  Raises HvaeError for those that do not fit, or are missing."""
        values = numbers(self.model, context, self.meanings)
        complete(self.model, values)
        return values

    def spelled(self, context: Mapping[str, str]) -> JSON:
        """The conditions in numbers, as Python writes them: a caption as its tokens."""
        return {name: torch.as_tensor(value).tolist() for name, value in self.said(context).items()}

    def datum(self, pixels: str, context: Mapping[str, str]) -> Datum:
        """One picture with its conditions, (1, C, H, W) in [0, 1]."""
        return Datum(self.picture(pixels), dict(self.model.nothing(1, self.said(context)).context))

    def picture(self, pixels: str) -> Tensor:
        """A picture as the page keeps it, (1, C, H, W) in [0, 1].  Raises HvaeError for another size."""
        shape, kind = self._form()
        try:
            content = base64.b64decode(pixels, validate=True)
        except (binascii.Error, ValueError):
            raise HvaeError("expected a picture in base64; load the page again") from None
        if len(content) != prod(shape) * kind.itemsize:
            form = "x".join(map(str, shape))
            raise HvaeError(
                f"expected a picture of {form} values, got {len(content):,} bytes; choose the picture again"
            )
        levels, top = np.frombuffer(content, kind).reshape(1, *shape).astype(np.float32), 2**self.run.bits - 1
        if levels.max(initial=0) > top:
            raise HvaeError(f"expected values from 0 to {top}, got {levels.max():.0f}; choose the picture again")
        return torch.from_numpy(levels / top).to(next(self.model.parameters()))

    def packed(self, picture: Tensor) -> str:
        """The inverse of `picture`, of (1, C, H, W)."""
        shape, kind = self._form()
        levels = (picture.double() * (2**self.run.bits - 1)).round().reshape(shape).cpu().numpy()
        return base64.b64encode(levels.astype(kind).tobytes()).decode("ascii")

    def _form(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        if not self.is_pictured:
            raise HvaeError(f"{self.name} is a run of {self.run.noun}; choose one of pictures")
        return tuple(self.model.shape), np.dtype("u1" if self.run.bits <= EIGHT else "<u2")


def _of_data(overrides: Overrides) -> Overrides:
    return {"data.download": False, **{key: value for key, value in overrides.items() if key != ACCELERATOR}}


def opened(
    number: int, run: str | Path | LoadedRun, overrides: Overrides | None = None, trust: Sequence[str] = ()
) -> Opened:
    """A run on its device.  Raises HvaeError for a folder that is not a run."""
    where = place(run, overrides, trust)
    where.model()
    return Opened(number, replace(where.run), overrides or {}, trust)
