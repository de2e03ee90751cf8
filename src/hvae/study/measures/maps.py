"""Where in the picture each level spends its nats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.maps import usual_maps
from hvae.metrics.results import plain
from hvae.records import JSON
from hvae.screen.numbers import number
from hvae.study.heat import draw_rates
from hvae.study.measure import Figure, Measure

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.study.work import Work

DATA = 300
FILE = "rate-maps.png"


@dataclass(frozen=True, kw_only=True)
class LevelMap:
    """The mean map of one level: its places (h, w), and nats at its brightest one and on average."""

    places: tuple[int, ...]
    most_nats: float
    mean_nats: float


@dataclass(frozen=True, kw_only=True)
class MapsResult:
    """The maps of the levels that have places, top first; the last is that of the data."""

    data: int
    picture: str
    """Where they are drawn, in the run folder."""
    levels: dict[str, LevelMap]

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        values: JSON = plain(self)
        return values


class Maps(Measure[MapsResult]):
    """Mean nats at each place of each level, drawn; levels without places are left out."""

    name = "maps"
    about = "where in the picture each level spends its nats"
    cost = "quick"
    place = 80
    is_of_levels = True
    is_for = "others"
    result = MapsResult
    units: ClassVar[Mapping[str, str]] = {"maps": "nats at a place of a level, mean over data"}

    def take(self, work: Work) -> MapsResult:
        """On the first data; drawn into the run folder."""
        with work.bar("rate maps") as tick:
            batches = work.batches(DATA)
            mean = usual_maps(work.model, batches, seed=work.config.seed, progress=tick).mean
        path = draw_rates(work.subject.run.folder / "pictures" / FILE, mean, work.subject.data.shape)
        return MapsResult(
            data=len(batches.split),
            picture=f"pictures/{path.name}",
            levels={name: _level(nats) for name, nats in mean.items()},
        )

    def obstacle(self, work: Work) -> str:
        """Vectors have no places, nor have the steps of a sequence."""
        return work.too_few() or work.no_places()

    def figures(self, result: MapsResult) -> Iterator[Figure]:
        """All maps in one picture."""
        most = ", ".join(f"{name} {number(level.most_nats)}" for name, level in result.levels.items())
        yield Figure(
            title="Where each level spends its nats",
            caption=f"Mean rate at each place over {result.data} images, summed over channels; each map from "
            "black (0) to its brightest place, whose nats stand above it. The last is the data themselves: what is "
            "left to the likelihood.",
            filename=FILE,
            alt=f"One map a level; nats at the brightest place: {most}.",
        )


def _level(nats: Tensor) -> LevelMap:
    return LevelMap(places=tuple(nats.shape), most_nats=float(nats.max()), mean_nats=float(nats.mean()))
