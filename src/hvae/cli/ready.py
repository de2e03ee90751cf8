"""Models that are trained already: those that come with hvae, and published weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group

from hvae.cli.voice import Voice, table
from hvae.pretrained import names, record
from hvae.records import JSON
from hvae.screen.numbers import size
from hvae.screen.table import Table

if TYPE_CHECKING:
    from hvae.checkpoints.published import Published


def show_pretrained(voice: Voice) -> None:
    """The models that come with hvae, each with what was measured of it."""
    cards = [record(name)["card"] for name in names()]
    voice.answer({"pretrained": cards})
    if voice.machine:
        return
    voice.show(Group(_pretrained(cards), "", _advice()))


def _pretrained(cards: Sequence[JSON]) -> Table:
    heads = ("name", "family", "data", "licence", "size", "measured", "what it is")
    result = table(*heads, title="Packaged models", first_to_go=("size", "family", "measured"))
    for card in cards:
        data = card["data"]
        texts = (data["name"], card["licence"], size(card["bytes"]), card["headline"], card["about"])
        result.add_row(card["name"], card["family"], *texts)
    return result


def _advice() -> Table:
    result = table("with a model", "what to type")
    result.add_row("look at it", "hvae sample NAME")
    result.add_row("take its card and numbers", "hvae pull NAME --out FOLDER")
    return result


def show_published(voice: Voice) -> None:
    """The published weights that `hvae import` knows, and where they are."""
    from hvae.checkpoints.published import PUBLISHED

    entries = PUBLISHED.values()
    voice.answer({"published": [entry.to_dict() for entry in entries]})
    if not voice.machine:
        voice.show(_published(entries))
        for line in _addresses(entries):
            voice.show(line)


def _published(entries: Iterable[Published]) -> Table:
    result = table("name", "data", "stated", "protocol", "to be had", "what to know", title="Published weights")
    for one in entries:
        result.add_row(one.name, one.data, one.expected or "see its paper", one.protocol, one.reach, one.note)
    return result


def _addresses(entries: Iterable[Published]) -> Iterator[str]:
    """What can still be had, each address once and whole, since a table would break it."""
    yield "\nAddresses"
    for address, one in {one.address: one for one in entries if one.reach != "gone"}.items():
        yield f"{address}  ({one.code}; {one.licence})"
