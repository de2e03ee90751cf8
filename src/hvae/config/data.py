"""The settings of the data of a run.  No torch here: `--help` stays quick.

A set of images has a base name, and a binarised form of it is another set with another name, because numbers on one say
nothing about the other:

    BASE            the grey values or colours as published: digits, mnist, fashion-mnist, omniglot, shapes, cells,
                    fundus, cifar10, lpc-sprites
    BASE-dynamic    each pixel drawn anew from Bernoulli(grey value) whenever a training batch is made (grey sets)
    BASE-binary     each pixel compared with one half, once (grey sets)
    mnist-static    the fixed draw that Larochelle published; the tables of most papers use it

Sets of sequences (jsb, nottingham ...) have keys of their own, and take none of those that speak of pictures.

Downsampled ImageNet exists twice under one name, made in two ways: imagenet32-old and imagenet64-old are those of van
den Oord et al. 2016 (PixelRNN, VDVAE, NVAE), imagenet32-new and imagenet64-new those of Chrabaszcz et al. 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Literal

from hvae.config.bounds import (
    Among,
    Bound,
    Count,
    CountOrNone,
    DataOrAll,
    Names,
    Place,
    Probability,
    Seed,
    Side,
    StepsOrNone,
    Words,
)
from hvae.config.parse import Section
from hvae.errors import HvaeError, unknown

GREY = ("digits", "mnist", "fashion-mnist", "omniglot", "shapes", "cells", "fundus")
COLOUR = ("cifar10", "lpc-sprites")
IMAGENET = ("imagenet32-old", "imagenet32-new", "imagenet64-old", "imagenet64-new")
MOVING = "moving-mnist"
"""Films that are drawn here."""
KIND_OF = {
    **dict.fromkeys(("jsb", "nottingham"), "rolls"),
    "tiny-shakespeare": "text",
    **dict.fromkeys(("fsdd", "voice"), "audio"),
    **dict.fromkeys(("cmu-mocap", "omniglot-strokes"), "motion"),
    MOVING: "video",
}
"""What each known set of sequences is of."""
SEQUENCES = tuple(KIND_OF)
KNOWN = (
    *(name + form for name in GREY for form in ("", "-dynamic", "-binary")),
    *("mnist-static", *COLOUR, *IMAGENET, *SEQUENCES),
)
OWN_SEQUENCES = "sequences"
BESIDE = "beside"
"""Captions that lie beside their pictures."""
SOURCES = ("folder", "npy", "idx", "hub", "table", OWN_SEQUENCES)
NAMES = KNOWN + SOURCES
MAX_BITS = 16
_CHANNELS = Among((0, 1, 3), "1 (grey), 3 (colour), or 0 (those of the images)")
_BITS = Bound(least=0, most=MAX_BITS, expected=f"1 to {MAX_BITS} bits, or 0 (those of the data)")
_OF_PICTURES = ("size", "crop", "flip", "channels", "pages", "replay", "labels", "labels_seed", "labelled", "longest")
_OF_SEQUENCES = ("kind", "chunk", "bucket", "frame", "law", "tokens", "unit", "vocabulary")
_OF_MOVING = ("digits", "films")
_OF_CAPTIONS = ("tokens", "vocabulary", "longest")
_OF_TABLES = ("categories", "without", "missing")
TABLE = "table"
_OF_KINDS = {
    **dict.fromkeys(("bits", "frame", "law"), "audio"),
    **dict.fromkeys(("tokens", "unit", "vocabulary"), "text"),
}
"""The kind of sequences that a key speaks of, where it is not of all."""
_DESCRIBED = {"attributes": ("folder", OWN_SEQUENCES), "captions": ("folder", OWN_SEQUENCES)}
"""Sources whose files a key describes."""
_HELD = "a count, or a share from 0 to below 1"
Kind = Literal["auto", "rolls", "audio", "text", "motion", "video", "images", "signals", "volumes"]
OF_ARRAYS = ("images", "signals", "volumes")
"""What arrays are of where their axes may mean two things."""
_BY_AXES = {1: "vectors", 2: "signals", 3: "images", 4: "volumes"}
Held = (
    Annotated[int, Bound(least=0, most=10**9, expected=_HELD)]
    | Annotated[float, Bound(least=0, below=1, expected=_HELD)]
)


@dataclass(frozen=True, kw_only=True)
class DataConfig(Section):
    """Which images, and what is done to them before a model sees them.

    Raises HvaeError when a value is impossible.

    >>> DataConfig(name="mnist-statik")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: no data set named 'mnist-statik'; did you mean 'mnist-static' or ...
    """

    at: ClassVar[str] = "data"

    name: str = "digits"
    """A known set (digits, mnist, fashion-mnist, omniglot, shapes, cells, fundus, each also as NAME-dynamic and
    NAME-binary; mnist-static; cifar10; lpc-sprites; imagenet32 and imagenet64, each -old and -new; jsb, nottingham,
    tiny-shakespeare, fsdd, voice, cmu-mocap, omniglot-strokes and moving-mnist are sequences), or where to read your
    own: folder (of images), npy (also .npz), idx (also .gz), hub (Hugging Face), table (.csv or .parquet of numbers and
    names under headings, an empty cell unknown), sequences."""
    path: Place = ""
    """Your own data: the folder or file for folder, npy and idx; the name on the Hugging Face hub for hub."""
    attributes: Place = ""
    """A CSV file of numbers that describe the pictures or sequences of a folder: headings, then the name of a file and
    its numbers in each row; an empty cell is unknown.  A model reads them with model.condition.kind vector."""
    captions: Place = ""
    """What the pictures or sequences of a folder are, in words: `beside`, a .txt of the same stem beside each; or a CSV
    file of the headings file,caption.  A model reads them with model.condition.kind text, in tokens as data.tokens
    says."""
    categories: Names = ()
    """Table: columns whose numbers are names, such as a code of a place; words always are."""
    without: Names = ()
    """Table: columns that are left out, such as identifiers."""
    missing: Words = ("NA", "N/A", "NaN", "nan", "null", "?")
    """Table: words for what is not known, beside empty cells."""
    longest: Annotated[int, Bound(least=2, most=4096)] = 128
    """Captions: tokens of each that are read, its end among them; longer ones are cut."""
    labels: DataOrAll = 0
    """Training images that keep their label, as many of each class; of the others it is unknown (0: all keep it)."""
    labels_seed: Seed = 0
    """Which ones."""
    labelled: Probability = 0.0
    """Share of an epoch that images with a label are: they come so many times (0: each image once)."""
    replay: Place = ""
    """An .npz file of pictures that are trained on beside those of the set: samples of an earlier model, which
    hvae grow writes against forgetting."""
    root: Place = ""
    """A folder in which known sets are looked for first, before the system's, the cache, and the download."""
    size: tuple[Side, Side] | None = None
    """Height and width to bring every image to; none keeps their own, which must then be one size for all."""
    crop: Literal["none", "center", "pad"] = "none"
    """How `size` is reached: none stretches; center cuts the largest centred box of that shape, then scales;
    pad adds zeros around and scales nothing."""
    flip: bool = False
    """Mirror each training image left to right with probability one half (never validation or test)."""
    bits: Annotated[int, _BITS] = 0
    """Bits a value: level floor(k / 2^(own - bits)), fed to the model as level / (2^bits - 1); 0 keeps the images' own
    (digits 4, photographs 8, binarised sets 1)."""
    channels: Annotated[int, _CHANNELS] = 0
    """1 turns colour to grey (0.299 R + 0.587 G + 0.114 B), 3 repeats grey; 0 keeps the images' own."""
    valid: Held = 0.1
    """Images held out of training where the set has no validation split: a count, or a share below 1; 0 for none."""
    test: Held = 0.1
    """Images held out of training where the set has no test split: a count, or a share below 1; 0 for none."""
    pages: Literal["first", "all"] = "first"
    """Of a file with several pages or frames (TIFF, GIF): read the first, or all, each as an image of its own."""
    bad: Literal["stop", "skip"] = "stop"
    """Picture files that cannot be read: stop and name them all, or go on without them, counted and recorded."""
    download: bool = True
    """Download a known set that is not on this machine from its published address into the cache."""

    kind: Kind = "auto"
    """Own sequences: rolls (.mat, .npz, .npy), audio (.wav), text (.txt), motion (.bvh, .csv, .npz) or video (.gif,
    folders of frames, .npz); auto goes by the files.  Arrays (npy): images, signals (N, T) or (N, C, T), volumes
    (N, D, H, W) or (N, C, D, H, W); auto takes two axes for vectors, three or four for images, five for volumes."""
    chunk: StepsOrNone = 0
    """Sequences: training sequences of more steps are cut into pieces of so many, which do not know of one another
    (0: whole); validation and test sequences stay whole."""
    bucket: CountOrNone = 0
    """Sequences: each batch takes neighbours by length out of so many batches of the random order, so that little of it
    is padding (0: any lengths together)."""
    frame: Count = 1
    """Audio: samples a step."""
    law: Literal["linear", "mu"] = "linear"
    """Audio: how a sample becomes a level: linear, or companded by the mu-law, mu = 2^bits - 1."""
    tokens: Literal["char", "word", "bpe"] = "char"
    """Text and captions: what a step is: a character, a word, or a piece of one (byte pairs; extra `text`)."""
    unit: Literal["line", "paragraph"] = "line"
    """Text: what a sequence is; each ends with a token of its own, which is scored too."""
    vocabulary: Annotated[int, Bound(least=0, most=10**6)] = 0
    """Text and captions: the largest vocabulary, of the commonest ones (0: 10,000); others become one token."""

    digits: Annotated[int, Bound(least=1, most=9)] = 2
    """Of moving-mnist: digits in a film."""
    films: Annotated[int, Bound(least=1, most=10**5)] = 1000
    """Of moving-mnist: films to train on; those of other numbers are other films."""

    @property
    def is_sequential(self) -> bool:
        """Whether the data are sequences."""
        return self.name in (*SEQUENCES, OWN_SEQUENCES)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_source(self)
        _check_keys(self)
        _check_moving(self)
        if self.chunk == 1:
            raise HvaeError("data.chunk: expected pieces of 2 steps or more, for of one nothing follows, or 0; got 1")
        check_kind(self, KIND_OF.get(self.name, self.kind))
        if self.size is None and self.crop != "none":
            raise HvaeError(f"data.crop={self.crop} needs a size to reach; set data.size, for example [32, 32]")


def kind_of(shape: Sequence[int]) -> str:
    """What data of this shape are that are no sequences: vectors (D,), signals (C, T), images (C, H, W) or volumes.

    >>> kind_of((1, 8, 9, 9))
    'volumes'
    """
    return _BY_AXES.get(len(shape), "data")


def _check_source(config: DataConfig) -> None:
    if config.name not in NAMES:
        raise unknown("data set", config.name, NAMES, "hvae data")
    if config.name in SOURCES and not config.path:
        what = "the data set's name on the hub" if config.name == "hub" else "a file or folder"
        raise HvaeError(f"data.name={config.name} expected {what} in data.path, got none; set data.path=...")
    for key in ("attributes", "captions"):
        place = getattr(config, key)
        if place and config.name not in _DESCRIBED[key]:
            raise HvaeError(
                f"data.{key}={place} speaks of the files of a folder, and data.name is {config.name}; set "
                f"data.name={' or '.join(_DESCRIBED[key])} and data.path"
            )
    if config.name in KNOWN and config.path:
        near = "data.root names the folder to look for a known set"
        raise HvaeError(f"data.path={config.path} is not read for '{config.name}'; {near}; for own files set data.name")


def check_kind(config: DataConfig, kind: str) -> None:
    """Raises HvaeError for a key that says nothing of this kind of sequences, "auto" being any."""
    if not config.is_sequential or kind == "auto":
        return
    for key, owner in _OF_KINDS.items():
        if config.captions and key in _OF_CAPTIONS:
            continue
        if owner != kind and getattr(config, key) != _DEFAULTS[key]:
            raise HvaeError(f"data.{key} is for {owner} alone, and says nothing of {kind}; leave it out")


def _check_keys(config: DataConfig) -> None:
    """Raises HvaeError for a key of pictures on sequences, and the reverse."""
    if config.kind in OF_ARRAYS and config.name != "npy":
        raise HvaeError(
            f"data.kind={config.kind} speaks of the axes of arrays, and data.name is {config.name}; leave it out"
        )
    for key in _OF_TABLES:
        if config.name != TABLE and getattr(config, key) != _DEFAULTS[key]:
            raise HvaeError(
                f"data.{key} speaks of the columns of a table, and data.name is {config.name}; leave it out"
            )
    kinds = ("sequences", _OF_PICTURES) if config.is_sequential else ("pictures", _OF_SEQUENCES)
    for key in kinds[1]:
        if (config.captions and key in _OF_CAPTIONS) or (key == "kind" and config.kind in OF_ARRAYS):
            continue
        if getattr(config, key) != _DEFAULTS[key]:
            raise HvaeError(f"data.{key} says nothing of {kinds[0]}, which '{config.name}' holds; leave it out")


def _check_moving(config: DataConfig) -> None:
    """Raises HvaeError for a key of films that are drawn here on other data."""
    for key in _OF_MOVING:
        if config.name != MOVING and getattr(config, key) != _DEFAULTS[key]:
            raise HvaeError(f"data.{key} is for {MOVING} alone, and says nothing of '{config.name}'; leave it out")


_DEFAULTS = {field.name: field.default for field in fields(DataConfig)}
