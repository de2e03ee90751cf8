"""What was there and what of it is used: counted where data are read, told and recorded with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace

from hvae.picturefiles import FURTHER, NARROWED, TURNED
from hvae.records import JSON
from hvae.screen.numbers import counted

SHOWN, NAMED = 8, 100
"""Unreadable files that are named on a screen, and in a record."""
UNREADABLE = "unreadable"
IMAGE = "image"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How what was found became what is used.

    Arguments: `files` seen, 0 for sources that are no folders of pictures; `used`, images in all splits; `unused`,
    files by the reason for which nothing of them is used; `bad`, the first that cannot be read, with why; `pages`,
    images beyond the first of their file; `further`, files whose pages after the first are not read; `classes`;
    `duplicates`, images of the later split that the earlier one has as well, by "train/test"; `turned`, pictures that
    their EXIF orientation turned; `narrowed`, pictures of 16-bit colour, read at 8 bits; `merged`, a folder whose own
    folders of splits are read as one; `noun`, what one datum is called.
    """

    files: int = 0
    used: int = 0
    unused: Mapping[str, int] = field(default_factory=dict)
    bad: Sequence[tuple[str, str]] = ()
    pages: int = 0
    further: int = 0
    classes: int = 0
    duplicates: Mapping[str, int] = field(default_factory=dict)
    turned: int = 0
    narrowed: int = 0
    merged: str = ""
    noun: str = IMAGE

    def without(self, reason: str, count: int) -> Tally:
        """The same, but for so many files that a reason counts as unused though they are read with others.

        >>> print(Tally(files=4, used=2, unused={"of another kind": 2}).without("of another kind", 2))
        2 files, 2 images used
        """
        left = {**self.unused, reason: max(0, self.unused.get(reason, 0) - count)}
        return replace(self, files=max(0, self.files - count), unused={name: n for name, n in left.items() if n})

    def to_dict(self) -> JSON:
        """Plain lists and dicts, ready for JSON."""
        record = {**asdict(self), "bad": [list(one) for one in self.bad]}
        return {key: value for key, value in record.items() if key != "noun" or value != IMAGE}

    def __str__(self) -> str:
        """One line; empty when there is nothing to say.

        >>> print(Tally(files=9, used=6, unused={"hidden": 1, UNREADABLE: 2}, bad=[("a.png", "cut")], further=2))
        9 files, 6 images used; not used: 1 hidden, 2 unreadable (a.png: cut, ...); 2 files with further
        pages, of which the first is used (data.pages=all takes each)
        """
        counts = f"{counted(self.files, 'file')}, {counted(self.used, self.noun)} used"
        classes = counted(self.classes, "class")
        parts = [counts] * bool(self.files) + [classes] * bool(self.files and self.classes)
        return "; ".join([*parts, *self.remarks()])

    def remarks(self) -> list[str]:
        """What sets what is used apart from what was there; empty when every file is one image as it is."""
        return [*self._unused(), *self._changed(), *self._twice()]

    @classmethod
    def from_dict(cls, record: JSON) -> Tally:
        """The inverse of `to_dict`; what it does not know is left out."""
        values = {one.name: record[one.name] for one in fields(cls) if one.name in record}
        return cls(**{**values, "bad": tuple((name, why) for name, why in values.get("bad", ()))})

    def _unused(self) -> list[str]:
        counts = [f"{_of(count, reason)}{self._named(reason, count)}" for reason, count in self.unused.items() if count]
        return [f"not used: {', '.join(counts)}"] if counts else []

    def _named(self, reason: str, count: int) -> str:
        files = self.bad[:SHOWN]
        if reason != UNREADABLE or not files:
            return ""
        return f" ({', '.join(f'{name}: {why}' for name, why in files)}{', ...' * (count > len(files))})"

    def _changed(self) -> list[str]:
        further = f"{counted(self.further, 'file')} {FURTHER} (data.pages=all takes each)"
        turned = f"{counted(self.turned, 'picture')} {TURNED}"
        pages = f"{self.pages:,} of the images are further pages of their file"
        narrowed = f"{counted(self.narrowed, 'picture')} {NARROWED}"
        merged = f"the folders of splits below {self.merged} are read as one (data.path may name it, or another)"
        counts = {further: self.further, pages: self.pages, turned: self.turned, narrowed: self.narrowed}
        return [text for text, count in counts.items() if count] + [merged] * bool(self.merged)

    def _twice(self) -> list[str]:
        return [
            f"{counted(count, 'image')} of {pair.split('/')[1]} {'is' if count == 1 else 'are'} also in "
            f"{pair.split('/')[0]}"
            for pair, count in self.duplicates.items()
            if count
        ]


def _of(count: int, reason: str) -> str:
    """Most reasons go with a count of files, some with one of folders or of arrays.

    >>> _of(1, "folders linked twice"), _of(2, "hidden")
    ('1 folder linked twice', '2 hidden')
    """
    one = reason.replace("folders", "folder", 1).replace("arrays", "array", 1)
    return f"{count:,} {one if count == 1 else reason}"
