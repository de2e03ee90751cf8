"""Run folders: loading a trained model.

A run folder holds `model.safetensors`: the averaged weights and, inside it, a JSON description (the configuration, the
shape and bit depth of the data, their provenance, the step).  That one file is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from warnings import warn

from hvae.checkpoints.description import check_description, check_weights
from hvae.config.data import kind_of
from hvae.config.run import RunConfig
from hvae.descriptions import DataRecord, Description
from hvae.errors import HvaeError, HvaeWarning
from hvae.pretrained import Whereabouts, find
from hvae.screen.numbers import counted
from hvae.trust import trusting
from hvae.walk import Model
from hvae.weights import Stored, read_weights
from hvae.zoo import build

_KEYS = ("config", "shape", "bits", "data", "step")


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A trained model (averaged weights, evaluation mode, CPU) with the description of its file."""

    model: Model
    config: RunConfig
    description: Description
    folder: Path
    verified: bool = True
    """Whether the file's checksum was present and correct."""
    is_packaged: bool = False
    """Whether it came with the library: then `folder` is where its samples go, and need not be there."""

    def __repr__(self) -> str:
        """One line, without networks and description."""
        size = sum(p.numel() for p in self.model.parameters())
        shape = "x".join(map(str, self.model.shape))
        return (
            f"LoadedRun({self.config.model.family}, {size:,} parameters, {shape} of {self.bits} bit, "
            f"step {self.step:,}, {str(self.folder)!r})"
        )

    @property
    def step(self) -> int:
        """Steps of training behind the weights."""
        return int(self.description["step"])

    @property
    def bits(self) -> int:
        """Bits a value of the data."""
        return int(self.description["bits"])

    @property
    def noun(self) -> str:
        """What its data are called: sequences, rows, signals, volumes, images, or vectors."""
        if self.model.timed:
            return "sequences"
        is_table = bool((self.description.get("data") or {}).get("columns"))
        return "rows" if is_table else kind_of(self.model.shape)

    def check_form(self, shape: Sequence[int], bits: int, source: str) -> None:
        """Raises HvaeError for data from `source` of another shape (sequences: of a step) or other bits."""
        shared = 1 if self.model.timed else 0  # sequences may have any length
        own = tuple(self.model.shape)
        if len(shape) != len(own) or tuple(shape)[shared:] != own[shared:] or bits != self.bits:
            raise HvaeError(
                f"{self.folder} takes {self.noun} of {self.model.shape} with {counted(self.bits, 'bit')}, got "
                f"{tuple(shape)} with {counted(bits, 'bit')} from {source}; give the data it was trained on, or "
                "others of that form"
            )

    def build(self, shape: Sequence[int]) -> Model:
        """An untrained model of the run's configuration for data of another shape."""
        return build(self.config.model, shape=shape, bits=self.bits)


def describe(config: RunConfig, shape: Sequence[int], bits: int, data: DataRecord) -> Description:
    """The description that makes a weight file loadable; `data` is the provenance.  Training adds the step."""
    return {"config": config.to_dict(), "shape": list(shape), "bits": bits, "data": data}


def load(run: str | Path, *, trust: Sequence[str] = ()) -> LoadedRun:
    """The model of a run folder, of a weight file, or of a name that `hvae models --pretrained` lists.

    Tensors and text are read; nothing is executed.

    A run of a third-party family needs its code: it is imported only from the packages that `trust` names.
    Every name and shape of the weights is checked against the model that the description asks for.  Raises HvaeError
    when the file is missing, damaged, of another version, or does not fit its own description; warns (HvaeWarning) when
    it carries no checksum.
    """
    with trusting(*trust):
        return _load(find(run))


def _load(place: Whereabouts) -> LoadedRun:
    path = place.weights
    stored = read_weights(path)
    if not stored.verified:
        warn(
            f"{path} carries no digest: nothing says whether its bits are those that were written",
            HvaeWarning,
            stacklevel=3,
        )
    config, model = _described(path, stored)
    description = cast(Description, stored.description)
    return LoadedRun(model.eval(), config, description, place.folder, stored.verified, place.is_packaged)


def _described(path: Path, stored: Stored) -> tuple[RunConfig, Model]:
    """The described model with its weights; built only after every name and shape has been checked."""
    description, where = stored.description, f"{path}: its description cannot be used"
    missing = [key for key in _KEYS if key not in description]
    if missing:
        raise HvaeError(
            f"{path} does not say its {', '.join(missing)}; it was not written by hvae train: give hvae.fit a "
            "description (hvae.checkpoints.describe) to load its runs"
        )
    try:
        check_description(description)
        config, shape, bits = RunConfig.from_dict(description["config"]), description["shape"], description["bits"]
        check_weights(stored.tensors, config.model, shape, bits, str(path))
    except Exception as fault:  # sizes that fit no model can make its layers fail in any way
        # Names and values of the file are repeated in it, and may be of any length.
        line = " ".join(str(fault).split())[:500] or type(fault).__name__
        raise HvaeError(line if line.startswith(str(path)) else f"{where}: {line}") from fault
    model = build(config.model, shape=shape, bits=bits)
    model.load_state_dict(stored.tensors)
    return config, model
