"""hvae data: the known data sets and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group

from hvae.cli.parser import Parser
from hvae.cli.voice import Voice, table
from hvae.screen.table import Table

if TYPE_CHECKING:
    from hvae.data.lookup import Listed

ABOUT = (
    "List the known data sets and where each lies: below --root, in the system's place, or in the cache. What is "
    "found nowhere is downloaded when a run asks for it. Your own images need no list: hvae train folder --data.path F."
)


def main(argv: list[str]) -> None:
    parser = Parser("data", ABOUT, ["hvae data --root ~/datasets"], "[--root FOLDER]")
    parser.add_argument("--root", default="", metavar="FOLDER", help="a folder to look into first, as --data.root")
    args = parser.parse_args(argv)
    voice = Voice(args.json)
    from hvae.data import known_sets

    sets = known_sets(args.root)
    voice.answer({"sets": sets})
    if not args.json:
        voice.show(Group(_table(sets), "", _own()))


def _table(sets: Sequence[Listed]) -> Table:
    result = table("name", "data", "of", "found", "what it is", first_to_go=("data", "of"))
    for row in sets:
        sizes = " + ".join(f"{n:,}" for n in row["sizes"].values())
        depth = f"{row['bits']} bit" if row["bits"] else "real"
        shape = ", ".join(filter(None, ("x".join(map(str, row["shape"])), depth)))
        where = row["found"] or ("to download" if row["download"] else "nowhere")
        result.add_row("\n".join(row["forms"]), sizes, shape, where, row["what"])
    return result


def _own() -> Table:
    result = table("your own data", "what to type")
    result.add_row("pictures, colour", "hvae train photos-small --data.path FOLDER")
    result.add_row("pictures, grey", "hvae train greyscale-small --data.path FOLDER")
    result.add_row(".npy, .npz", "hvae train arrays --data.path FILE")
    result.add_row("IDX, also .gz", "hvae train arrays --data.name idx --data.path FILE")
    result.add_row("Hugging Face hub", "hvae train arrays --data.name hub --data.path NAME")
    result.add_row("a table, CSV", "hvae train table --data.path FILE")
    result.add_row("texts", "hvae train text-ladder --data.name sequences --data.path PLACE --model.vocabulary 0")
    result.add_row("sounds", "hvae train speech-cwvae --data.name sequences --data.path PLACE")
    result.add_row("piano rolls, MIDI", "hvae train jsb-vrnn --data.name sequences --data.path PLACE")
    result.add_row("motion, BVH or CSV", "hvae train mocap-srnn --data.name sequences --data.path PLACE")
    return result
