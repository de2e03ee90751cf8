"""hvae models: what there is to choose from."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from rich.console import Group

from hvae.cli.parser import Parser
from hvae.cli.ready import show_pretrained, show_published
from hvae.cli.voice import Voice, table
from hvae.config.data import DataConfig
from hvae.config.families import FAMILIES
from hvae.config.presets import PRESETS, Preset, is_open
from hvae.config.presets.sizes import SIZES
from hvae.runs.source import expected_shape
from hvae.screen.table import Table

if TYPE_CHECKING:
    pass

ABOUT = (
    "List the families of models (what --model.family can be) and the presets (what hvae train can be given by name) "
    "with their sizes; the trained models that come with hvae, which every command takes for a run by their names; or "
    "the published weights that hvae import knows. Nothing is downloaded."
)
EXAMPLES = ("hvae models", "hvae models --pretrained", "hvae models --published")


def main(argv: list[str]) -> None:
    parser = Parser("models", ABOUT, EXAMPLES, "[--pretrained|--published] [--json]")
    parser.add_argument("--pretrained", action="store_true", help="the trained models that come with hvae")
    parser.add_argument("--published", action="store_true", help="the published weights, and what they should measure")
    args = parser.parse_args(argv)
    voice = Voice(args.json)
    if args.published:
        return show_published(voice)
    if args.pretrained:
        return show_pretrained(voice)
    families, presets = [_family(name) for name in FAMILIES], [_preset(*item) for item in PRESETS.items()]
    voice.answer({"families": families, "presets": presets})
    if not args.json:
        voice.show(Group(_families(families), "", _presets(presets), "", _advice()))


class FamilyRow(TypedDict):
    family: str
    about: str


class PresetRow(TypedDict):
    preset: str
    about: str
    time: str
    family: str
    data: str
    shape: list[int]
    bits: int
    levels: int
    parameters: int


def _family(name: str) -> FamilyRow:
    about = (inspect.getdoc(FAMILIES[name].config) or "").split("\n")[0]
    return {"family": name, "about": about}


def _preset(name: str, preset: Preset) -> PresetRow:
    config = preset.make()
    shape, bits = _stand_in(config.data) if is_open(config.data) else expected_shape(config)
    levels, parameters = SIZES[name]
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


def _stand_in(data: DataConfig) -> tuple[tuple[int, ...], int]:
    """What images of a folder that is not there would be: as asked for, else small photographs."""
    return (data.channels or 3, *(data.size or (64, 64))), data.bits or 8


def _families(rows: Sequence[FamilyRow]) -> Table:
    result = table("family", "what it is", title="Families")
    for row in rows:
        result.add_row(row["family"], row["about"])
    return result


_SIZE = ("levels", "parameters", "family")


def _presets(rows: Sequence[PresetRow]) -> Table:
    result = table("preset", "family", "levels", "parameters", "time", "what it is", title="Presets", first_to_go=_SIZE)
    for row in rows:
        size = f"{row['parameters'] / 1e6:.2f} M"
        time = row["time"].replace(" (published)", "\n(published)")  # or it takes the width of what it is
        result.add_row(row["preset"], row["family"], str(row["levels"]), size, time, row["about"])
    return result


def _advice() -> Table:
    result = table("with a preset", "what to type")
    result.add_row("train it", "hvae train PRESET")
    result.add_row("see what it is made of", "hvae inspect PRESET")
    result.add_row("change it", "hvae train PRESET --model.width 48")
    result.add_row("keep it as a file", "hvae train PRESET --print-config > own.yaml")
    return result
