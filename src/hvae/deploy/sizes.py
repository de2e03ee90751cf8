"""Programs for pictures of any size, by models whose weights are those of every size.

A model's maps are so many positions for each one of its coarsest map:

    H_l = f_l h,  W_l = f_l w,      h w the coarsest map's, f_l a power of two

A program reads h and w off the noise of its top level, and every part that holds a size is told its own for the time of
a walk; in a traced program they are numbers that nobody has said yet.

Shapes: `h w` positions of the coarsest map, in one or three axes as in two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from hvae.errors import HvaeError
from hvae.modules import Spatial
from hvae.walk import Model, glimpse

Shape = tuple[int, ...]
Build = Callable[[Shape], Model]
"""A shape (C, ...) to an untrained model of the same configuration."""
SIDES = (16, 32, 64, 128, 256, 512)
"""Sides to trace at: the first one whose coarsest map has two positions an axis, since one is a case of its own."""


class Sizes(ABC):
    """Which axes of a program's tensors are open, and what its model is told of them.

    `multiples` (h, w), what the sides of data must be multiples of, at least two of each; empty where they are fixed.
    """

    multiples: Shape = ()

    @abstractmethod
    def axes(self, shape: Sequence[int]) -> range:
        """The open axes of a map (B, C, ...), beside its rows."""

    @abstractmethod
    def at(self, coarsest: Sequence[int]) -> AbstractContextManager[None]:
        """For the time of a block, the model is one of pictures whose coarsest map has this size."""


class Fixed(Sizes):
    """The size that the model has."""

    def axes(self, shape: Sequence[int]) -> range:
        return range(0)

    @contextmanager
    def at(self, coarsest: Sequence[int]) -> Iterator[None]:
        yield


class Free(Sizes):
    """Any size whose sides are multiples of `multiples`, from two of each on."""

    def __init__(self, model: Model, coarsest: Shape) -> None:
        self.model, self.coarsest = model, coarsest
        self.multiples = _factors(model.shape[1:], coarsest)
        spatial = [part for part in model.modules() if isinstance(part, Spatial)]
        self.parts = [(part, part.size, _factors(part.size, coarsest)) for part in spatial]

    def axes(self, shape: Sequence[int]) -> range:
        return range(2, len(shape))

    def scaled(self, times: Sequence[int]) -> Shape:
        """The shape of data whose coarsest map is so many times that of the trace, an axis each."""
        return (self.model.shape[0], *_times(self.model.shape[1:], tuple(times)))

    @contextmanager
    def at(self, coarsest: Sequence[int]) -> Iterator[None]:
        own = self.model.shape
        self.model.shape = (own[0], *_times(coarsest, self.multiples))
        for part, _, factors in self.parts:
            part.size = _times(coarsest, factors)
        try:
            yield
        finally:
            self.model.shape = own
            for part, size, _ in self.parts:
                part.size = size


def free(model: Model, build: Build) -> Free:
    """The model, built again at a size that all its scales divide, and what of it follows the size.

    Raises HvaeError for a model whose weights, or whose maps, are those of one size.
    """
    for side in SIDES:
        other = resized(model, build, _square(model, side))
        coarsest = _top(other)
        if min(coarsest) > 1:
            return _checked(Free(other, coarsest), resized(model, build, _square(model, 2 * side)))
    raise HvaeError(f"its coarsest map is one position of {SIDES[-1]} pixels a side: export it with its own size")


def resized(model: Model, build: Build, shape: Shape) -> Model:
    """The model with the same weights for data of another shape.  Raises HvaeError where weights depend on it."""
    try:
        other, own = build(shape).to(next(model.parameters())), model.state_dict()
    except HvaeError as fault:
        raise HvaeError(f"there is no such model of another size: export it with its own size ({fault})") from fault
    if {name: w.shape for name, w in other.state_dict().items()} != {name: w.shape for name, w in own.items()}:
        raise HvaeError(
            f"the weights of this model are those of data of shape {tuple(model.shape)} alone: export it with its own "
            "size, or train a ladder with --model.start everywhere"
        )
    other.load_state_dict(own)
    return other.eval()


def _checked(sizes: Free, twice: Model) -> Free:
    """The sizes.  Raises HvaeError where the model told of twice its size is not the model that was built for it."""
    try:
        with sizes.at([2 * c for c in sizes.coarsest]):
            maps = _maps(sizes.model)
    except (RuntimeError, AssertionError) as fault:
        raise HvaeError(f"parts of this model keep one size: export it with its own size ({fault})") from fault
    if maps != _maps(twice):
        raise HvaeError("maps of this model do not follow the size of its data: export it with its own size")
    return sizes


def _maps(model: Model) -> list[Shape]:
    return [tuple(record.value.shape) for record in glimpse(model, 2).records.values()]


def _square(model: Model, side: int) -> Shape:
    return (model.shape[0], *(side for _ in model.shape[1:]))


def _top(model: Model) -> Shape:
    """The size of the map of the top level.  Raises HvaeError for a level that is no map."""
    shapes = {record.name: tuple(record.value.shape[2:]) for record in glimpse(model, 2).latents}
    for name, shape in shapes.items():
        if len(shape) != len(model.shape) - 1:
            raise HvaeError(f"{name} is no map of positions: export this model with its own size")
    return next(iter(shapes.values()))


def _factors(size: Sequence[int], coarsest: Shape) -> Shape:
    if any(s % c for s, c in zip(size, coarsest, strict=True)):
        raise HvaeError(f"maps of {tuple(size)} do not follow the coarsest of {coarsest}: export it with its own size")
    return tuple(s // c for s, c in zip(size, coarsest, strict=True))


def _times(coarsest: Sequence[int], factors: Shape) -> Shape:
    return tuple(c * f for c, f in zip(coarsest, factors, strict=True))
