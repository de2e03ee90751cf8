"""hvae data: the known data sets and where they are."""

from __future__ import annotations

from typing import Any

from rich.console import Group

from hvae.cli.parser import Parser
from hvae.cli.voice import Voice, table
from hvae.screen.table import Table

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

    found = known_sets(args.root)
    voice.answer({"sets": found})
    if not args.json:
        voice.show(Group(_table(found), "", _own()))


def _table(sets: list[dict[str, Any]]) -> Table:
    made = table("name", "images", "of", "found", "what it is", first_to_go=("images", "of"))
    for known in sets:
        sizes = " + ".join(f"{n:,}" for n in known["sizes"].values())
        shape = "x".join(map(str, known["shape"])) + f", {known['bits']} bit"
        where = known["found"] or ("to download" if known["download"] else "nowhere")
        made.add_row("\n".join(known["forms"]), sizes, shape, where, known["what"])
    return made


def _own() -> Table:
    made = table("your own images", "what to type")
    made.add_row("pictures, colour", "hvae train photos-small --data.path FOLDER")
    made.add_row("pictures, grey", "hvae train greyscale-small --data.path FOLDER")
    made.add_row(".npy, .npz", "hvae train arrays --data.path FILE")
    made.add_row("IDX, also .gz", "hvae train arrays --data.name idx --data.path FILE")
    made.add_row("Hugging Face hub", "hvae train arrays --data.name hub --data.path NAME")
    return made
