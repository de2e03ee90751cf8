"""From a data set as found to the data set of a run: one form for all images, held-out parts, record.

Shapes: `N` images; `C` channels; `H W` space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from hvae.config.data import SOURCES, DataConfig, kind_of
from hvae.data.captions import unspelled, wording
from hvae.data.images import ImageData, Split
from hvae.data.labels import labelled
from hvae.data.order import epoch_order
from hvae.data.provenance import SPLITS, Binarisation, Provenance, checksum
from hvae.data.raw import Part, Raw
from hvae.data.sequences.form import SequenceForm
from hvae.data.transforms import fit, quantise, recolour
from hvae.errors import HvaeError
from hvae.files import expanded, resolved

# Fixed for all runs: the seed of a run must not change what it is tested on.
HELD_OUT_SEED = 0
DRAW_SEEDS = {"valid": 1, "test": 2}


def prepare(raw: Raw, config: DataConfig) -> ImageData:
    """Apply the config to a set as found.

    Raises HvaeError when the config asks for what the images cannot give (more bits, a flip of flat vectors), when
    splits differ in shape, or when nothing is left to train on.
    """
    binarisation, bits = _binarisation(raw, config)
    shaped = _shaped(raw, config, bits)
    splits, notes = _splits(shaped, config)
    words = None if splits["train"].captions is None else wording(splits["train"].captions.texts, config)
    splits = {name: split.spelled(words) for name, split in splits.items()}
    dynamic = binarisation == "dynamic"
    data = {name: replace(split, dynamic=dynamic, flip=config.flip) for name, split in splits.items()}
    ready = {"train": data["train"], **{name: data[name].fixed(seed) for name, seed in DRAW_SEEDS.items()}}
    outcome = 1 if dynamic else shaped.bits
    record = Provenance(
        name=task_name(config, binarisation),
        source=raw.source,
        sizes={name: len(ready[name]) for name in SPLITS},
        checksums={name: checksum(ready[name].chunks()) for name in SPLITS},
        bits=outcome,
        shape=tuple(ready["train"].store.shape[1:]),
        binarisation=binarisation,
        version="; ".join(filter(None, [raw.version, *notes["test"]])),
        transforms=(
            *raw.transforms,
            *_described(raw, shaped, config),
            *read_as(words),
            *notes["valid"],
            *_draw_note(dynamic),
        ),
        columns=raw.columns,
        captions=words,
        tally=replace(raw.tally, duplicates=duplicates(splits) if config.name in SOURCES else {}),
    )
    return ImageData(
        train=labelled(ready["train"], config),
        valid=ready["valid"],
        test=ready["test"],
        bits=outcome,
        shape=record.shape,
        provenance=record,
        classes=raw.classes,
        factors=raw.factors,
        attributes=raw.attributes,
    )


def _binarisation(raw: Raw, config: DataConfig) -> tuple[Binarisation, int]:
    """How values become bits, and the depth that the stored levels get (0: as found)."""
    if config.name.endswith(("-dynamic", "-binary")) and config.bits not in (0, 1):
        raise HvaeError(f"'{config.name}' has 1 bit a pixel, got data.bits={config.bits}; leave it at 0")
    if config.name.endswith("-dynamic"):
        if config.channels == 3:
            raise HvaeError(f"'{config.name}' draws each pixel of a grey image, got data.channels=3; leave it at 0")
        return "dynamic", 0
    if config.name == "mnist-static":
        return "static", config.bits
    bits = 1 if config.name.endswith("-binary") else config.bits
    return ("threshold" if raw.thresholded or (bits == 1 and raw.bits > 1) else "none"), bits


def _shaped(raw: Raw, config: DataConfig, bits: int) -> Raw:
    shape = raw.parts["train"].levels.shape[1:]
    others = kind_of(shape) != "images"
    if others and (config.size or config.flip or config.channels):
        what = kind_of(shape).replace("vectors", "flat vectors")
        has = f"expected images, got {what} of {shape}, which have no height, mirror or colour"
        raise HvaeError(f"{has}; leave data.size, flip and channels alone, or name images")
    parts = {name: _part(part, raw, config, bits, others) for name, part in raw.parts.items()}
    shapes = {name: part.levels.shape[1:] for name, part in parts.items()}
    odd = next((name for name in shapes if shapes[name] != shapes["train"]), None)
    if odd:
        raise HvaeError(
            f"expected one shape for all splits, got {shapes['train']} in train and {shapes[odd]} in {odd}; "
            "set data.size=[H, W] and data.channels"
        )
    return replace(raw, parts=parts, bits=bits or raw.bits)


def _part(part: Part, raw: Raw, config: DataConfig, bits: int, others: bool) -> Part:
    levels = part.levels
    if part.observed is not None:
        _check_kept(levels.shape[1:], config)
    if not others:
        levels = fit(recolour(levels, config.channels), config.size, config.crop, raw.bits)
    return part._replace(levels=quantise(levels, raw.bits, bits, config.path or config.name))


def _check_kept(shape: tuple[int, ...], config: DataConfig) -> None:
    """Raises HvaeError for what would mix values that are missing with others, or move them."""
    is_kept = len(shape) == 1 or (config.size in (None, shape[1:]) and config.channels in (0, shape[0]))
    if not is_kept or config.flip:
        raise HvaeError(
            f"expected pictures of {_by(shape)} to stay as they are, since some of their values are missing (NaN); "
            "leave data.size, data.channels and data.flip alone"
        )


def _splits(raw: Raw, config: DataConfig) -> tuple[dict[str, Split], dict[str, list[str]]]:
    """Every split, held out of training where the set has none, and a note on each that was."""
    levels = raw.parts["train"].levels
    pool, kind = torch.arange(len(levels)), kind_of(levels.shape[1:])
    noun = kind if kind in ("signals", "volumes") else "images"  # vectors too: what is recorded of them stays the same
    what = "rows" if raw.columns else noun
    splits: dict[str, Split] = {}
    notes: dict[str, list[str]] = {name: [] for name in SPLITS}
    for name, share in (("test", config.test), ("valid", config.valid)):
        if name in raw.parts:
            splits[name] = _split(raw.parts[name], raw.bits)
            continue
        count = share_of(share, len(raw.parts["train"].levels))
        taken, pool = held_out(pool, count, name, what)
        splits[name] = _split(raw.parts["train"], raw.bits).some(taken)
        notes[name] += [f"{name}: {count:,} training {what} held out at random (seed {HELD_OUT_SEED})"] * (count > 0)
    return {**splits, "train": _split(raw.parts["train"], raw.bits).some(pool)}, notes


def share_of(share: int | float, n: int) -> int:
    """How many of n data a count or a share is: a share above 0 at least one, for who asks for some gets some."""
    return max(1, round(share * n)) if 0 < share < 1 else int(share)


def held_out(pool: Tensor, count: int, name: str, what: str) -> tuple[Tensor, Tensor]:
    """Some places of a pool for the split `name`, and the rest.  Raises HvaeError where nothing would be left."""
    if count >= len(pool):
        raise HvaeError(
            f"data.{name} holds out {count:,} of {len(pool):,} training {what} and leaves none; set it lower, or to 0"
        )
    # At random and not the last ones: folders and many published files are sorted by class.
    order = pool[epoch_order(len(pool), 0, HELD_OUT_SEED)]
    return order[:count].sort().values, order[count:].sort().values


def _split(part: Part, bits: int) -> Split:
    # Some readers hand over views with foreign strides or read-only memory, which torch cannot share.
    store = torch.from_numpy(part.levels if part.levels.flags.writeable else part.levels.copy())
    columns = (part.labels, part.factors, part.attributes)
    labels, factors, attributes = (None if column is None else torch.from_numpy(column.copy()) for column in columns)
    rows = torch.arange(len(store))
    return Split(
        store=store,
        rows=rows,
        labels=labels,
        depth=bits,
        factors=factors,
        files=part.files,
        attributes=attributes,
        observed=None if part.observed is None else torch.from_numpy(part.observed.copy()),
        captions=unspelled(part.captions) if part.captions else None,
    )


def duplicates(splits: Mapping[str, Split]) -> dict[str, int]:
    """How many images of a later split an earlier one has as well, by "train/test"; pairs that share none are left out.

    >>> levels = torch.tensor([[1], [2], [1]], dtype=torch.uint8)
    >>> whole = Split(store=levels, rows=torch.arange(3), labels=None, depth=8)
    >>> duplicates({"train": whole.some([0, 1]), "test": whole.some([2])})
    {'train/test': 1}
    """
    prints = {
        name: [hash(one.tobytes()) for part in splits[name].chunks() for one in part.numpy()]
        for name in SPLITS
        if name in splits
    }
    hashes = {name: set(some) for name, some in prints.items()}
    counts = {f"{a}/{b}": sum(one in hashes[a] for one in prints[b]) for a, b in combinations(prints, 2)}
    return {pair: count for pair, count in counts.items() if count}


def task_name(config: DataConfig, binarisation: Binarisation) -> str:
    """The name a number goes by: a set cut to one bit is the -binary form, however that was asked for."""
    if config.name == "hub":
        return f"hub:{config.path}"
    if config.name in SOURCES:
        return f"{config.name}:{resolved(expanded(config.path)).name}"
    return f"{config.name.removesuffix('-binary')}-binary" if binarisation == "threshold" else config.name


def _described(raw: Raw, shaped: Raw, config: DataConfig) -> list[str]:
    before, after = raw.parts["train"].levels.shape[1:], shaped.parts["train"].levels.shape[1:]
    resized = [f"{_by(before)} to {_by(after)} (crop={config.crop})"] if before != after else []
    cut = [f"{raw.bits} bits to {shaped.bits}"] if raw.bits != shaped.bits else []
    few = [f"{config.labels:,} labels of training images kept (seed {config.labels_seed})"] * bool(config.labels)
    return resized + cut + few + ["training images mirrored at random"] * config.flip


def read_as(words: SequenceForm | None) -> list[str]:
    """What the captions of a set were read as, for its record; nothing where there are none."""
    return [f"captions as up to {words.longest:,} {words.step}s of {len(words.symbols):,} symbols"] if words else []


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _draw_note(dynamic: bool) -> list[str]:
    seeds = ", ".join(f"{name} with seed {seed}" for name, seed in DRAW_SEEDS.items())
    return [f"training pixels drawn anew from Bernoulli(grey) in each batch; drawn once: {seeds}"] * dynamic
