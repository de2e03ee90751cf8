"""Walks some of whose latents are codes: their codebooks follow the steps of training.

Shapes: none of its own.
"""

from __future__ import annotations

from abc import ABC
from math import prod
from typing import Any

from torch import Tensor, nn

from hvae.distributions.codebook import Codes
from hvae.models.topdown import TopDown
from hvae.nn.averages import AveragedBook
from hvae.nn.begin import FromData
from hvae.nn.codebook import Book, check_enough
from hvae.walk import Model, glimpse


class Booked(Model, ABC):
    """A model with codebooks by the level they belong to, which move after each step that was taken."""

    books: dict[str, Book]

    def before_step(self) -> None:
        for book in self.books.values():
            book.forget()

    def after_step(self) -> None:
        for book in self.books.values():
            book.follow()

    def gauges(self) -> dict[str, Tensor]:
        """By level: the perplexity of the running counts, and the share of codes with hardly a vector."""
        averaged = {name: book for name, book in self.books.items() if isinstance(book, AveragedBook)}
        uses = {f"perplexity/{name}": book.perplexity() for name, book in averaged.items()}
        return uses | {f"dead/{name}": book.dead(0.05).float().mean() for name, book in averaged.items()}


def books_of(levels: nn.ModuleDict) -> dict[str, Book]:
    """The codebooks of some levels.

    Looked for once: a walk through all modules in each step would cost more than a small codebook.
    """
    return {name: level.book for name, level in levels.items() if isinstance(level.book, Book)}


class Coded(Booked, TopDown):
    """A `TopDown` model with codebooks."""

    def __init__(self, *args: Any, **parts: Any) -> None:
        super().__init__(*args, **parts)
        self.books = books_of(self.levels)

    def check_batch(self, data: int) -> None:
        """Raises HvaeError for codes that cannot start at the vectors of a batch of so many data."""
        laws = {record.name: record.p for record in glimpse(self).latents}
        for name, book in self.books.items():
            law = laws[name]
            if isinstance(book, FromData) and isinstance(law, Codes):
                check_enough(len(book.codes), data, prod(law.size[1:]))
