"""The data of an imported model: a known set that its weights are of, or the images of the user."""

from __future__ import annotations

from pathlib import Path

from hvae.checkpoints.imports import Converted
from hvae.config.data import KNOWN, DataConfig
from hvae.config.presets import YOUR_FOLDER
from hvae.config.run import RunConfig
from hvae.data.catalogue import SETS
from hvae.data.lookup import base
from hvae.descriptions import Origin
from hvae.errors import HvaeError
from hvae.runs.protocol import UNSEEN, held_out, layout
from hvae.runs.source import expected_shape


def known_set(name: str, conversion: Converted) -> DataConfig:
    """A known set, brought to the form that the model wants where that is larger (by padding) or has fewer bits."""
    published = SETS[base(name)]
    height, width = conversion.shape[1:]
    size = (height, width) if height > published.shape[1] and width > published.shape[2] else None
    # Binarised sets have their one bit by name.
    bits = 0 if conversion.bits in (1, published.bits) else conversion.bits
    return DataConfig(name=name, size=size, crop="none" if size is None else "pad", bits=bits)


def own_images(conversion: Converted) -> DataConfig:
    """Images that only the user knows.  None are held out: those that were, the model has probably been trained on."""
    channels, *size = conversion.shape
    return DataConfig(
        name="folder",
        path=YOUR_FOLDER,
        size=(size[0], size[1]),
        crop="center",
        channels=channels,
        bits=conversion.bits,
        valid=0,
        test=0,
    )


def check_data(config: RunConfig, conversion: Converted, file: Path) -> None:
    """Raises HvaeError for data of another form than the model takes."""
    shape, bits = expected_shape(config)
    if (tuple(shape), bits) != (conversion.shape, conversion.bits):
        raise HvaeError(
            f"{file} is of a model for images of {conversion.shape} with {conversion.bits} bits, but "
            f"{config.data.name} has {tuple(shape)} with {bits}; set data.size, data.crop, data.channels and "
            "data.bits, or name other data"
        )


def about_data(config: RunConfig, imported: Origin, folder: Path) -> str:
    """What the data are, and what to do about it, in one line."""
    data, split, tested = config.data, config.evaluate.split, imported.get("tested") or ""
    if data.name in KNOWN:
        return f"data: {data.name}; protocol {config.evaluate.protocol} (other data: import it with --data.name)"
    if held_out(data, split):
        return f"data: {data.path}; the model was probably trained on what is drawn from it: compare no number of them"
    if data.name != "folder":
        return f"data: {data.path}, whose part {split} has to be {tested or UNSEEN}"
    unknown = "not known from the file (--data.name NAME for a known set)" if data.path == YOUR_FOLDER else data.path
    return f"data: {unknown}; to evaluate, {layout(split, tested)}: hvae evaluate {folder} --data.path FOLDER"
