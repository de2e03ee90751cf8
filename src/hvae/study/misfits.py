"""Pictures that a run cannot code without loss, brought to its channels and bits where the user asks for it by name.

Every other door does so unasked and says it, since nothing has to come back from there.

Shapes: `N` pictures; `C` channels; `H W` space.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hvae.checkpoints import LoadedRun
from hvae.coding import Picture, open_picture
from hvae.coding.files.classic import Levels
from hvae.coding.files.imagefiles import MisfitError
from hvae.coding.files.pictures import MODES
from hvae.config.data import DataConfig
from hvae.data.decoding import decode_one
from hvae.data.look import Form
from hvae.data.pictures import Picture as Encoded
from hvae.data.pictures import colourful
from hvae.data.transforms import quantise, recolour
from hvae.errors import HvaeError
from hvae.runs.images import steps_between
from hvae.screen.numbers import counted
from hvae.screen.text import for_screen

CHANNELS, BITS = "data.channels", "data.bits"
EIGHT = 8


class LackingError(HvaeError):
    """A picture that would lose something which the user has not said may be lost; `keys` would say so."""

    def __init__(self, fault: str, keys: str) -> None:
        super().__init__(fault)
        self.keys = keys


def fitting(file: Path, run: LoadedRun, data: Mapping[str, str]) -> Picture:
    """An image file as a picture that the run can code: whole, or in its channels and bits where `data` names them.

    Raises LackingError for a picture that would lose something unasked, and HvaeError for one that cannot be read.
    """
    try:
        return open_picture(file, run.model.shape[0], run.bits)
    except MisfitError as fault:
        _check(run, data, colourful(file), str(fault))
    wish = DataConfig(name="folder", path=str(file), channels=run.model.shape[0], bits=run.bits)
    levels, _, looked = decode_one(Encoded(for_screen(file), lambda: file), wish)
    header = looked.headers[0]
    before = Form((3 if header.colour else 1, *header.size), header.depth)
    mode = MODES.index("L" if len(levels) == 1 else "RGB")
    return Picture(file.name, levels, mode, None, (*looked.changes, _step(before, levels, run.bits)))


def fitting_array(
    images: Levels, depth: int, run: LoadedRun, data: Mapping[str, str], place: str
) -> tuple[Levels, str]:
    """The same for levels (N, C, H, W) of `depth` bits, and what was done to each."""
    try:
        _check(run, data, images.shape[1] == 3, f"{place} has {_values(images.shape[1], depth)}")
    except LackingError as fault:
        form = _values(run.model.shape[0], run.bits)
        raise HvaeError(f"{fault} and the model {form}; {advice(run, fault.keys)}") from fault
    levels = quantise(recolour(images, run.model.shape[0]), depth, run.bits, place)
    return levels, _step(Form(images.shape[1:], depth), levels[0], run.bits)


def advice(run: LoadedRun, keys: str) -> str:
    """What to do about pictures that would lose something unasked."""
    words = ", ".join(["to grey"] * (CHANNELS in keys) + [f"cut to {counted(run.bits, 'bit')}"] * (BITS in keys))
    return f"set {keys} to bring them to the form of the model ({words}), as score and encode do, or use another model"


def _values(channels: int, bits: int) -> str:
    return f"{counted(channels, 'channel')} of {counted(bits, 'bit')}"


def _step(before: Form, levels: Levels, bits: int) -> str:
    steps = ", ".join(steps_between(before, Form(levels.shape, bits), "none", draw=False))
    return f"brought to {_values(len(levels), bits)} ({steps}), which is what comes back"


def _check(run: LoadedRun, data: Mapping[str, str], colour: bool, fault: str) -> None:
    """Raises LackingError unless every option that is needed was given."""
    if run.model.shape[0] not in (1, 3):
        raise HvaeError(f"{fault}; use a model of such images")
    needs = {CHANNELS: run.model.shape[0]} if colour and run.model.shape[0] == 1 else {}
    needs |= {BITS: run.bits} if run.bits < EIGHT else {}
    if keys := " ".join(f"--{key} {value}" for key, value in needs.items() if key not in data):
        raise LackingError(fault, keys)
