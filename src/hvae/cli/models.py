"""hvae models: what there is to choose from."""

from __future__ import annotations

import inspect
from typing import Any

from rich.console import Group
from rich.table import Table

from hvae.cli.parser import Parser
from hvae.cli.source import expected_shape
from hvae.cli.voice import Voice, table
from hvae.config.presets import PRESETS, YOUR_FOLDER, Preset
from hvae.config.run import FAMILIES

ABOUT = (
    "List the families of models (what --model.family can be) and the presets (what hvae train can be given by name) "
    "with their sizes. Nothing is read or downloaded."
)


def main(argv: list[str]) -> None:
    args = Parser("models", ABOUT, ["hvae models"], "[--json]").parse_args(argv)
    voice = Voice(args.json)
    found = {"families": [_family(name) for name in FAMILIES], "presets": [_preset(*item) for item in PRESETS.items()]}
    voice.answer(found)
    if not args.json:
        voice.show(Group(_families(found["families"]), "", _presets(found["presets"])))


def _family(name: str) -> dict[str, Any]:
    about = (inspect.getdoc(FAMILIES[name]) or "").split("\n")[0]
    return {"family": name, "about": about}


def _preset(name: str, preset: Preset) -> dict[str, Any]:
    config = preset.make()
    # The stand-in has no images to take the bits from; eight is what photographs have.
    shape, bits = ((3, 64, 64), 8) if config.data.path == YOUR_FOLDER else expected_shape(config)
    levels, parameters = _size(config.model, shape, bits)
    return {
        "preset": name,
        "about": preset.about,
        "time": preset.time,
        "family": config.model.family,
        "data": config.data.name,
        "shape": list(shape),
        "bits": bits,
        "levels": levels,
        "parameters": parameters,
    }


def _size(model: Any, shape: tuple[int, ...], bits: int) -> tuple[int, int]:
    """Levels and parameters, of a model without storage: no weight is ever drawn."""
    import torch

    from hvae.walk import names
    from hvae.zoo import build

    with torch.device("meta"):
        built = build(model, shape=shape, bits=bits).eval()
        return len(names(built)), sum(p.numel() for p in built.parameters())


def _families(rows: list[dict[str, Any]]) -> Table:
    made = table("family", "what it is", title="Families")
    for row in rows:
        made.add_row(row["family"], row["about"])
    return made


def _presets(rows: list[dict[str, Any]]) -> Table:
    made = table("preset", "family", "levels", "parameters", "time", "what it is", title="Presets")
    for row in rows:
        size = f"{row['parameters'] / 1e6:.2f} M"
        made.add_row(row["preset"], row["family"], str(row["levels"]), size, row["time"], row["about"])
    return made
