"""Images of the user's, brought to the form that a model was trained on, with what was done to them on the way.

Shapes: `C` channels; `H W` space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from hvae.config.columns import TABLES
from hvae.config.data import BESIDE, TABLE, DataConfig
from hvae.errors import HvaeError
from hvae.files import expanded
from hvae.picturefolders import listed
from hvae.runs.columns import brought_table, check_table, table_keys
from hvae.runs.images import Change, InputImages, Origin, steps_between
from hvae.runs.words import words_of
from hvae.screen.numbers import counted

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data import ImageData, Provenance, Split
    from hvae.data.look import Form
    from hvae.data.sources import Source

SPLITS = ("test", "valid", "train")
PICTURES = ("data.pages", "data.bad")
"""Options that say which of the user's pictures are read."""
AXES: dict[int, Literal["signals", "volumes"]] = {2: "signals", 4: "volumes"}
"""What a datum of so many axes is, its channels among them."""
FILES = {
    "images": "a folder of images, or an .npy, .npz or IDX file, or one picture",
    "signals": "an .npy or .npz file of signals",
    "volumes": "an .npy or .npz file of volumes",
    "rows": f"a table ({' or '.join(TABLES)}) with the columns of the run",
}
"""Files of the user's own for a run, by the noun of its data."""
DYNAMIC = "-dynamic"
HUB = "hub:"
EIGHT = 8
OFF = 1e-5
"""How far from a level the rounding of floats may bring a value."""


class PictureKeys(TypedDict, total=False):
    """Size and colours of images, and what arrays are of, as keys of a data configuration."""

    kind: Literal["signals", "volumes"]
    size: tuple[int, int] | None
    crop: Literal["none", "center", "pad"]
    channels: int


def files(run: LoadedRun, source: str) -> DataConfig:
    """How the user's own files, or a set of the hub, are read and brought to the form that the model was trained on."""
    from hvae.data.where import reader_of

    path, config = expanded(source), run.config.data
    name, place = (reader_of(path), str(path)) if path.exists() else ("hub", on_hub(source))
    if not name:
        raise HvaeError(f"--data: expected {FILES.get(run.noun, FILES['images'])}, got {source}")
    if name == TABLE:
        return table_keys(run, place)
    wish = picture(run)
    if "kind" in wish and name != "npy":
        raise HvaeError(f"--data: expected {FILES[wish['kind']]}, as the run has learned, got {source}")
    data = DataConfig(
        name=name,
        path=place,
        bits=run.bits,
        valid=0,
        test=0,
        pages=config.pages,
        bad=config.bad,
        captions=BESIDE if name == "folder" and "text" in run.model.conditions and _has_captions(path) else "",
        **wish,
    )
    check_table(run, data)
    return data


def _has_captions(path: Path) -> bool:
    """Whether a text lies beside any picture of a folder, or beside one alone."""
    return any(file.path.with_suffix(".txt").exists() for file in listed(path).files)


def on_hub(source: str) -> str:
    """The data set of the Hugging Face hub that is meant by hub:OWNER/NAME, or by OWNER/NAME where no folder OWNER is.

    Raises HvaeError for everything else.

    >>> on_hub("hub:owner/pets"), on_hub("owner/pets")
    ('owner/pets', 'owner/pets')
    """
    name = source.removeprefix(HUB)
    # A slip in the path of a folder that is here is no one else's business.
    is_local = name == source and Path(source).parent.exists()
    if is_local or not re.fullmatch(r"([\w-][\w.-]*/)?[\w-][\w.-]*", name, re.ASCII):
        raise HvaeError(
            f"nothing at {source}; expected {', '.join(SPLITS)}, a folder of images, an array file, or a data "
            f"set of the Hugging Face hub as {HUB}OWNER/NAME"
        )
    return name


def picture(run: LoadedRun) -> PictureKeys:
    """Size and colours of a model's images as keys of a data configuration; of signals and volumes, that they are."""
    shape, config = run.model.shape, run.config.data
    if len(shape) in AXES:
        return {"kind": AXES[len(shape)]}
    if len(shape) != 3:
        return {}
    crop = config.crop if config.size else "center"
    return {"size": (shape[1], shape[2]), "crop": crop, "channels": shape[0] if shape[0] in (1, 3) else 0}


def drawn(config: DataConfig) -> bool:
    """Whether a configuration draws the bits of grey images anew."""
    return config.name.endswith(DYNAMIC)


def grey(config: DataConfig, data: ImageData) -> ImageData:
    """The same data before their bits were drawn; themselves where none were."""
    from hvae.data import load
    from hvae.data.lookup import base

    return load(replace(config, name=base(config.name), bits=0)) if drawn(config) else data


def own(run: LoadedRun, data: ImageData, plain: ImageData, name: str) -> InputImages:
    """A split of the run's own `data`, which are `plain` before any draw.

    Raises HvaeError for a split that there is not, and for data of another form.
    """
    fits(run, data.shape, data.bits, data.provenance.name)
    split: Split = getattr(data, name).spelled(words_of(run))
    if not len(split):
        raise HvaeError(f"this run has no {name} data; choose another split, or set data.{name} above 0")
    origin = Origin(data.provenance, name)
    return InputImages(origin=origin, split=split, grey=getattr(plain, name), classes=data.classes)


def fits(run: LoadedRun, shape: Sequence[int], bits: int, source: str) -> None:
    """Raises HvaeError for images that do not have the form of the model's."""
    run.check_form(shape, bits, source)


def bring(run: LoadedRun, config: DataConfig) -> InputImages:
    """The images that a configuration names in the form of the model: test data where there are any.

    Grey images that go to a model of bits that are drawn anew are drawn.  Raises HvaeError for images that cannot take
    the form.
    """
    from hvae.data import load
    from hvae.data.look import look

    check_table(run, config)
    if config.name == TABLE:
        return brought_table(run, config)
    before = look(config)
    draw = drawn(run.config.data) and any(form.bits != 1 for form in before)
    # Floats, and pictures of many depths, need one in common; whole numbers keep theirs.
    deep = EIGHT if config.name in ("folder", "hub") or any(not form.bits for form in before) else 0
    config = replace(config, bits=deep) if draw else config
    data = load(config)
    return fitted(run, data, before, config, draw=draw)


def move(run: LoadedRun, data: ImageData, plain: ImageData) -> InputImages:
    """The test data of another run, which are `plain` before any draw, in the form of the model."""
    from hvae.data.look import Form
    from hvae.data.prepare import prepare
    from hvae.data.raw import Part, Raw

    # Bits that were drawn are a task of their own: a model of fixed bits gets them as they are.
    test = (plain if drawn(run.config.data) or run.bits > 1 else data).test
    levels, draw = test.levels(range(len(test))).numpy(), drawn(run.config.data) and test.depth > 1
    labels = None if test.labels is None else test.labels.numpy()
    origin = data.provenance
    wish = DataConfig(name="npy", path=origin.name, bits=0 if draw else run.bits, valid=0, test=0, **picture(run))
    moved = prepare(Raw(parts={"train": Part(levels, labels)}, bits=test.depth, source=origin.source), wish)
    images = fitted(run, moved, [Form(tuple(levels.shape[1:]), test.depth)], wish, draw=draw)
    return replace(images, origin=Origin(_moved(origin, images.origin.provenance), "test"), classes=data.classes)


def in_memory(run: LoadedRun, source: Source) -> InputImages:
    """Data of the user's in memory, which have the form of the model already: (N, *shape) in [0, 1].

    Raises HvaeError for data of another shape, and for values that are no levels of the model's depth.
    """
    import torch

    from hvae.data.prepare import prepare
    from hvae.data.raw import Part, Raw
    from hvae.data.sources import as_batches
    from hvae.datum import as_datum

    batches = as_batches(source)
    datum = as_datum(batches.batch(torch.arange(len(batches)), torch.Generator().manual_seed(0)))
    name = f"the {type(source).__name__}"
    if not len(datum):
        raise HvaeError(f"expected at least one image, got none from {name}")
    if datum.observed is not None or datum.lengths is not None:
        raise HvaeError(f"expected complete images, got observed or lengths beside x in {name}; leave them out")
    fits(run, datum.x.shape[1:], run.bits, name)
    part = Part(_levels(datum.x, run.bits, name).numpy())
    wish = DataConfig(name="npy", path=name, bits=run.bits, valid=0, test=0)
    data = prepare(Raw(parts={"train": part}, bits=run.bits, source=name), wish)
    return InputImages(
        origin=Origin(data.provenance, "train"), split=data.train, grey=data.train, context=datum.context
    )


def _levels(x: Tensor, bits: int, name: str) -> Tensor:
    """The levels of values in [0, 1], (N, ...)."""
    import torch

    from hvae.range import check_values

    top = 2**bits - 1
    levels = (check_values(x).double() * top).round()
    if not torch.allclose(levels, x.double() * top, rtol=0, atol=OFF * top):
        raise HvaeError(
            f"expected values k / {top} (the model takes {counted(bits, 'bit')}), got some between them in {name}; "
            "round them, or give a folder or an array file, which is brought to the form of the model"
        )
    return levels.to(torch.uint8 if bits <= EIGHT else torch.int32)


def _moved(before: Provenance, after: Provenance) -> Provenance:
    """Where data came from that were moved: what they are, and what they have become."""
    is_cut = after.binarisation != "none" or after.bits > 1
    return replace(
        before,
        shape=after.shape,
        bits=after.bits,
        binarisation=after.binarisation if is_cut else before.binarisation,
        transforms=(*before.transforms, *after.transforms),
    )


def fitted(run: LoadedRun, data: ImageData, before: Sequence[Form], config: DataConfig, *, draw: bool) -> InputImages:
    """What was loaded, with its bits still to be drawn or not.  Raises HvaeError where it does not fit the model."""
    from hvae.data.look import Form

    bits = 1 if draw else data.bits
    fits(run, data.shape, bits, config.path or config.name)
    name = "test" if len(data.test) else "train"
    split = getattr(data, name)
    after = Form(data.shape, bits)
    steps = list(dict.fromkeys(step for form in before for step in steps_between(form, after, config.crop, draw)))
    provenance = replace(data.provenance, bits=1, binarisation="dynamic") if draw else data.provenance
    return InputImages(
        origin=Origin(provenance, name),
        split=replace(split, dynamic=split.dynamic or draw, flip=False),
        grey=split if draw else getattr(grey(config, data), name),
        change=Change(count=len(split), before=before, after=after, steps=steps) if steps else None,
        counts=str(data.provenance.tally) if data.provenance.tally.remarks() else "",
        classes=data.classes,
    )
