"""Captions of pictures and sequences, and the tokens of them that a model reads.

    cat.png, cat.txt                       a text of the same stem beside each picture (data.captions beside),
    file,caption                           or one CSV file, a row a file, as for numbers
    a/0001.png,"a small, red square"       an empty cell is a caption that is not known

Shapes: `N` images or sequences; `T` tokens of a caption, its end among them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from hvae.capacity import check_memory
from hvae.config.data import BESIDE, DataConfig
from hvae.data.attributes import check_filled, named, of_files
from hvae.data.formats import check_cells, check_commas, read_bytes
from hvae.data.raw import UNKNOWN, Raw
from hvae.data.sequences.form import SequenceForm
from hvae.data.sequences.text import cutter, vocabulary
from hvae.errors import HvaeError, short
from hvae.files import expanded, read_regular
from hvae.picturefolders import OTHER
from hvae.screen.text import is_seen

LARGEST = 1 << 16
"""Bytes of a caption."""
LARGEST_SHEET = 1 << 28
"""Bytes of all captions in one file."""
_PAGE = re.compile(r"\[\d+\]$")
_BLANKS = ("Cc", "Zl", "Zp")
"""Kinds of unseen characters that part words: control characters, ends of lines and of paragraphs."""


@dataclass(frozen=True, eq=False)
class Captions:
    """The caption of each datum, "" where none is known, and its tokens (N, T) int64, -1 where none is known."""

    texts: tuple[str, ...]
    tokens: Tensor

    def some(self, at: Tensor) -> Captions:
        """Those of some data, in this order."""
        return Captions(tuple(self.texts[place] for place in at.tolist()), self.tokens[at])

    def spelled(self, form: SequenceForm) -> Captions:
        """The same captions in the tokens of a form."""
        return Captions(self.texts, tokens(self.texts, form))


def unspelled(texts: Sequence[str]) -> Captions:
    """Captions whose tokens are not known yet."""
    return Captions(tuple(texts), torch.full((len(texts), 1), UNKNOWN))


def plain(text: str) -> str:
    r"""A caption as it is read: composed characters (NFC), single blanks, and nothing that works unseen.

    >>> plain("a\tred \u202esquare\x1b\n")
    'a red square'
    """
    visible = (
        sign if is_seen(sign) else " " * (unicodedata.category(sign) in _BLANKS)
        for sign in unicodedata.normalize("NFC", text)
    )
    return " ".join("".join(visible).split())


def tokens(texts: Sequence[str], form: SequenceForm) -> Tensor:
    """The tokens (N, T) of some captions, T those of the form's longest: longer ones are cut, unknown ones -1.

    Token 0 is the end, and what follows it.

    >>> form = SequenceForm(kind="text", step="character", symbols=("", "?", "a", "b"), longest=4)
    >>> tokens(["ab", "", "abab", "ca"], form)
    tensor([[ 2,  3,  0,  0],
            [-1, -1, -1, -1],
            [ 2,  3,  2,  0],
            [ 1,  2,  0,  0]])
    """
    check_memory(8 * len(texts) * form.longest, "the tokens of all captions", "set data.longest lower")
    cut, numbers = cutter(form), {symbol: n for n, symbol in enumerate(form.symbols)}
    rows = torch.zeros(len(texts), form.longest, dtype=torch.int64)
    for row, text in zip(rows, texts, strict=True):
        parts = [numbers.get(part, 1) for part in cut(text)[: form.longest - 1]]
        row[: len(parts)] = torch.tensor(parts)
        row[:] = row if text else UNKNOWN
    return rows


def unheard(texts: Sequence[str], form: SequenceForm) -> str:
    """What of some captions a model of this form does not hear, in words; empty where it hears all.

    >>> form = SequenceForm(kind="text", step="character", symbols=("", "?", "a", "b"), longest=4)
    >>> unheard(["ab", "cabc"], form)
    "training captions have no 'c'; it is read as unknown; of one of 4 characters the first 3 are read"
    """
    cut, symbols = cutter(form), set(form.symbols)
    rows = [cut(text) for text in texts]
    strange = list(dict.fromkeys(part for row in rows for part in row[: form.longest - 1] if part not in symbols))
    long = max((len(row) for row in rows), default=0)
    which = f"{', '.join(map(short, strange[:5]))}{', ...' * (len(strange) > 5)}"
    lines = [
        f"training captions have no {which}; {'it is' if len(strange) == 1 else 'they are'} read as unknown"
        * bool(strange),
        f"of one of {long:,} {form.step}s the first {form.longest - 1:,} are read" * (long >= form.longest),
    ]
    return "; ".join(filter(None, lines))


def wording(texts: Sequence[str], config: DataConfig) -> SequenceForm:
    """The tokens of some captions, those that a model is trained on, and as many a caption as the longest has."""
    some = [text for text in texts if text]
    words = vocabulary(some, config)
    longest = min(config.longest, max((len(words.cut(text)) + 1 for text in some), default=1))
    return SequenceForm(
        kind="text", step=words.step, symbols=words.symbols, joint=words.joint, merges=words.merges, longest=longest
    )


def captioned(raw: Raw, config: DataConfig) -> Raw:
    """Pictures with their captions, "" for those that have none.

    Raises HvaeError where no picture has one, and for files that cannot be read.
    """
    files = {split: part.files for split, part in raw.parts.items()}
    texts, note = texts_of(files, Path(raw.source), config, "picture")
    parts = {split: part._replace(captions=texts[split]) for split, part in raw.parts.items()}
    tally = raw.tally.without(OTHER, _read_beside(files, texts)) if config.captions == BESIDE else raw.tally
    return replace(raw, parts=parts, transforms=(*raw.transforms, note), tally=tally)


def _read_beside(files: Mapping[str, Sequence[str]], texts: Mapping[str, Sequence[str]]) -> int:
    """How many text files have given a caption: pages of one picture share theirs."""
    pairs = ((name, text) for split, names in files.items() for name, text in zip(names, texts[split], strict=True))
    return len({Path(_PAGE.sub("", name)).with_suffix("") for name, text in pairs if text})


def texts_of(
    files: Mapping[str, Sequence[str]], root: Path, config: DataConfig, what: str
) -> tuple[Mapping[str, tuple[str, ...]], str]:
    """The captions of the files of each split, "" for those that have none, and a note of how many there are.

    Arguments: `files` by split, their names below `root`; `what` one of them is, for messages.  Raises HvaeError where
    no file has one, and for texts that cannot be read.
    """
    is_beside = config.captions == BESIDE
    rows = {} if is_beside else read_captions(expanded(config.captions))
    every = list(files.values())
    texts = {
        split: _beside(names, root) if is_beside else of_files(rows, names, every, "") for split, names in files.items()
    }
    total = [text for some in texts.values() for text in some]
    count = sum(map(bool, total))
    if not count:
        check_filled(rows, every, f"data.captions: {config.captions}")
        first = next(name for names in every for name in names)
        expected = f"a text beside each, such as {Path(first).with_suffix('.txt')}" if is_beside else "rows that name"
        such = "" if is_beside else f" {what}s such as {short(first)}, got {short(next(iter(rows), 'no row'))}"
        raise HvaeError(f"data.captions: no {what} has a caption; expected {expected}{such}")
    digest = hashlib.sha256("\0".join(total).encode()).hexdigest()[:12]
    return texts, f"captions of {count:,} of {len(total):,} {_MANY[what]} ({digest})"


_MANY = {"picture": "images", "sequence": "sequences"}


def _beside(names: Sequence[str], root: Path) -> tuple[str, ...]:
    return tuple(_of(root / _PAGE.sub("", name)) for name in names)


def _of(file: Path) -> str:
    """The caption in the text file beside another; "" where there is none."""
    path = file.with_suffix(".txt")
    return _text(path) if path.exists() else ""


def _text(path: Path) -> str:
    try:
        return plain(read_regular(path, LARGEST).decode("utf-8-sig"))
    except UnicodeDecodeError as fault:
        raise HvaeError(
            f"{path}: expected a caption in UTF-8, got other bytes at {fault.start:,}; convert it"
        ) from None


def read_captions(path: Path) -> Mapping[str, str]:
    """Captions by the name of a file, from a CSV file of the headings file,caption.

    Raises HvaeError, with the line, for rows of another length, names that come twice, and captions too long.
    """
    where = f"data.captions: {path}"
    try:
        text = read_bytes(path, LARGEST_SHEET).decode("utf-8-sig")
        check_cells(text, path)
        check_commas(text, where)
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, line) for line in reader if line]
    except (UnicodeDecodeError, csv.Error) as fault:
        raise HvaeError(f"{where} is no CSV file of UTF-8 text ({fault}); save it as one") from None
    head = [cell.strip() for cell in lines[0][1]] if lines else []
    if head != ["file", "caption"]:
        got = short(",".join(head)) if head else "nothing"
        raise HvaeError(f"{where}: expected a first line of the headings file,caption, got {got}")
    rows: dict[str, str] = {}
    for number, cells in lines[1:]:
        if len(cells) != 2:
            raise HvaeError(
                f"{where}, line {number}: expected a file and its caption, got {len(cells)} cells; quote it"
            )
        name, caption = named(cells[0]), cells[1]
        if name in rows:
            raise HvaeError(f"{where}, line {number}: {short(name)} has a row already")
        if len(caption) > LARGEST:
            raise HvaeError(f"{where}, line {number}: expected up to {LARGEST:,} characters, got {len(caption):,}")
        rows[name] = plain(caption)
    return rows
