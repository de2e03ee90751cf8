"""Labelled pictures from a class-conditional run, without near copies, and what they do for a classifier.

Shapes: `N` pictures; `K` classes; `C H W` a picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.capacity import check_memory
from hvae.config.run import Overrides
from hvae.counts import whole
from hvae.errors import HvaeError, short, unknown
from hvae.files import free
from hvae.study.augmented import Augmentation, Wish
from hvae.study.conditions import LABEL
from hvae.study.images import Images, without_chance
from hvae.study.latents import images
from hvae.study.places import check_place
from hvae.study.placing import at_once, every, place
from hvae.study.progress import Bars, Progress, bars

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.explore.sample import Temperature
    from hvae.metrics.copies import CopyDetector
    from hvae.runs.images import InputImages
    from hvae.study.progress import Tick
    from hvae.walk import Model

BALANCE = "balance"
ROUNDS = 5
"""How often near copies are replaced by new samples before fewer pictures are returned."""


def augment(
    run: str | Path | LoadedRun,
    out: str | Path | None = None,
    *,
    per_class: int | str = 200,
    levels: Sequence[str] = (),
    temperature: Temperature = 1.0,
    pixels: bool = False,
    judge: bool = False,
    look: str = "places",
    seeds: int = 5,
    seed: int = 0,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
) -> Augmentation:
    """Draw labelled pictures from a class-conditional run, without near copies of its training data.

    $$z_l \\sim q(z_l \\mid x_n, y) \\text{ for the given levels},\\quad
      z_l \\sim p(z_l \\mid z_{>l}, y) \\text{ for the others}$$

    Arguments: `out`, a new folder for PNG files, one sub-folder a class; `per_class`, how many of each, or "balance":
    as many as its class lacks to the largest one of the training data; `levels`, taken from training pictures of the
    class (none: all from the prior), so that what they hold is that of data;
    `temperature` of the others, one or by level; `pixels`, draw the pixels too, instead of their means; `judge`, train
    a small classifier with and without them for `seeds` seeds and measure its balanced accuracy on the run's test data;
    `look`, "places" for classes that depend on what lies where, "anywhere" for a small finding in any place;
    `overrides`, keys of where the data are; `trust`, packages whose code the run may name.
    Raises HvaeError before any work for a run without classes, and for what cannot be written or judged.
    """
    if out is not None:
        check_place(Path(out))
        free(Path(out))
    elif not judge:
        raise HvaeError("nothing to do: name a folder with --out, or ask for the classifier with --judge")
    _check_look(look, judge)
    whole("--seed", seed)
    whole("--seeds", seeds, 2)
    where = place(run, overrides, trust)
    count = _classes(where.run)
    _check_levels(where.run, levels)
    train = images(where.run, "train", where.overrides, 10**9, {}, "augment")
    titles = (*train.classes[:count], *(str(k) for k in range(len(train.classes), count)))
    test = _test(where.run, where.overrides, train, titles, judge)
    temperatures = every(temperature, where.run.model)
    counts = _counts(per_class, train, count)
    size = 4 * sum(counts) * prod(where.run.model.shape)
    check_memory(size, f"drawing {sum(counts):,} pictures", "ask for fewer with --per-class")
    wish = Wish(counts=counts, levels=levels, temperature=temperatures, pixels=pixels, seed=seed)
    watched = bars(progress)
    with watched.bar("pictures") as tick:
        augmentation = _drawn(where.model(), without_chance(train), titles, wish, tick)
    if test is not None:
        with watched.bar("classifier with and without") as tick:
            augmentation = _judged(augmentation, without_chance(train), test, seeds, look, tick)
    if out is not None:
        augmentation.write(Path(out))
    return augmentation


def _check_look(look: str, judge: bool) -> None:
    from hvae.metrics.convnet import LOOKS

    if look not in LOOKS:
        raise unknown("look", look, LOOKS)
    if look != "places" and not judge:
        raise HvaeError(f"--look {look} says what the classifier looks at: ask for one with --judge")


def _classes(run: LoadedRun) -> int:
    """How many classes the model is conditioned on.  Raises HvaeError for a model that has none."""
    condition = run.model.conditions.get(LABEL)
    if condition is None or condition.classes < 2:
        raise HvaeError(
            f"{run.folder} is not conditioned on classes, and labelled pictures need that: train with "
            "--model.condition.kind class"
        )
    return condition.classes


def _check_levels(run: LoadedRun, levels: Sequence[str]) -> None:
    """Raises HvaeError for levels that the model does not have."""
    from hvae.explore.frame import check_levels
    from hvae.walk import names

    check_levels(levels, names(run.model))


def _test(
    run: LoadedRun, overrides: Overrides, train: InputImages, titles: Sequence[str], judge: bool
) -> Images | None:
    """The test pictures of a judge, if one is asked for.  Raises HvaeError where it has too few."""
    from hvae.metrics.gain import check_counts

    if train.split.labels is None:
        raise HvaeError(f"{run.folder}: its training data have no labels, which augmentation needs")
    if not judge:
        return None
    test = images(run, "test", overrides, 10**9, {}, "augment")
    if test.split.labels is None:
        raise HvaeError(f"{run.folder}: its test data have no labels, which a judge needs")
    check_counts(train.split.labels, test.split.labels, titles)
    return without_chance(test)


def _counts(per_class: int | str, train: InputImages, classes: int) -> list[int]:
    """Pictures of each class that are wished for.  Raises HvaeError for anything but a number or "balance"."""
    import torch

    if isinstance(per_class, str) and per_class != BALANCE:
        raise HvaeError(f"--per-class: expected a whole number or {BALANCE}, got {short(per_class)}")
    if per_class != BALANCE:
        return [whole("--per-class", per_class, 1)] * classes
    assert train.split.labels is not None
    there = torch.bincount(train.split.labels.clamp_min(0), minlength=classes)
    if int(there.max()) == int(there.min()):
        raise HvaeError(f"--per-class {BALANCE}: the classes are balanced, {int(there[0]):,} each; give a number")
    return (there.max() - there).tolist()


def _drawn(model: Model, train: Images, titles: tuple[str, ...], wish: Wish, tick: Tick) -> Augmentation:
    import torch

    from hvae.metrics.copies import CopyDetector

    detector = CopyDetector(torch.cat([datum.x for datum in train.batches(1_000)]))
    parts, labels, copies = [], [], 0
    for k in range(len(titles)):
        fresh, near = _of_class(model, train, k, wish, detector)
        parts.append(fresh)
        labels += [k] * len(fresh)
        copies += near
        tick(k + 1, len(titles))
    pictures, threshold = torch.cat(parts), detector.threshold
    return Augmentation(
        pictures=pictures, labels=torch.tensor(labels), titles=titles, copies=copies, threshold=threshold, wish=wish
    )


def _of_class(model: Model, train: Images, k: int, wish: Wish, detector: CopyDetector) -> tuple[Tensor, int]:
    """Pictures of class k that are no near copies, as many as asked for or as a few rounds give; and the copies."""
    import torch

    parts: list[Tensor] = [torch.zeros(0, *model.shape)]
    missing, copies = wish.counts[k], 0
    for attempt in range(ROUNDS):
        if not missing:
            break
        pictures = _batch(model, train, k, missing, wish, seed=(wish.seed * ROUNDS + attempt) * 1_009 + k)
        near = detector(pictures)
        parts.append(pictures[~near])
        missing, copies = missing - len(parts[-1]), copies + int(near.sum())
    return torch.cat(parts), copies


def _batch(model: Model, train: Images, k: int, n: int, wish: Wish, seed: int) -> Tensor:
    """n pictures of class k (n, C, H, W): the given levels from data, the others from the prior."""
    import torch

    from hvae.explore import sample
    from hvae.explore.sample import sample_pixels

    draw, rows = sample_pixels if wish.pixels else sample, at_once(model)
    pins = _held(model, train, k, n, wish, seed) if wish.levels else {}
    context = {LABEL: torch.full((n,), k)}
    pictures = draw(model, n, context=context, temperature=wish.temperature, given=pins, seed=seed, chunk=rows)
    return pictures.cpu()


def _held(model: Model, train: Images, k: int, n: int, wish: Wish, seed: int) -> Mapping[Any, Tensor]:
    """The given levels of n training pictures of class k, drawn from their posteriors."""
    import torch

    from hvae.explore import encode
    from hvae.explore.frame import of_levels

    labels = train.split.labels
    assert labels is not None
    own = (labels == k).nonzero().flatten()
    if not len(own):
        raise HvaeError(f"class {k} has no training picture to take {', '.join(wish.levels)} from; leave --levels out")
    rows = own[torch.randint(len(own), (n,), generator=torch.Generator().manual_seed(seed))]
    return of_levels(wish.levels, encode(model, train.batch(rows), seed=seed))


def _judged(augmentation: Augmentation, train: Images, test: Images, seeds: int, look: str, tick: Tick) -> Augmentation:
    from dataclasses import replace

    from hvae.metrics.gain import gain

    synthetic = augmentation.pictures, augmentation.labels
    result = gain(_pair(train), synthetic, _pair(test), augmentation.titles, seeds=seeds, look=look, progress=tick)
    return replace(augmentation, gain=result)


def _pair(some: Images) -> tuple[Tensor, Tensor]:
    import torch

    assert some.split.labels is not None
    return torch.cat([datum.x for datum in some.batches(1_000)]), some.split.labels
