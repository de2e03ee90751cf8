"""The pictures of a report: the experiments of `hvae.explore`, drawn, titled and explained.

Shapes: `N` images; `C H W` an image; `R` rows and `M` columns of a grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hvae.datum import Datum, as_datum
from hvae.draw import mode
from hvae.errors import HvaeError
from hvae.explore import code_maps, from_top, reconstruct, top_held, top_redrawn, top_swapped, traverse
from hvae.explore.codes import has_codes
from hvae.explore.frame import levels
from hvae.explore.resample import has_offsets
from hvae.explore.tiles import grid
from hvae.explore.views import NOTES
from hvae.reporting.data import Picture
from hvae.reporting.labels import row_labels, signed, span, spread
from hvae.reporting.samples import SHOWN, Job, Samples
from hvae.walk import Model

REDRAWS = 8
ROWS = 8
HALF_TILE = 52
MOST_ROWS = 9

Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, title: str) -> None:
    """No-op progress callback."""


def pictures(
    model: Model,
    images: Tensor | Datum,
    *,
    temperatures: Sequence[float] = (1.0, 0.85, 0.7, 0.5),
    top: int = 1,
    directions: int = 3,
    seed: int = 0,
    captions: Sequence[str] = (),
    classes: Sequence[str] = (),
    progress: Progress = silent,
) -> list[Picture]:
    """Every picture of a report on `model`, from `images` (N, C, H, W) in [0, 1] that it was not trained on.

    Of signals (N, C, T) the curves are drawn, of volumes (N, C, D, H, W) the middle slices.

    Arguments: `temperatures` of the samples; `held`, the number of top levels held and redrawn in the coarse-to-fine
    experiment; `directions` shown for each level; `seed`, the same pictures again; `captions` of the
    images and names of their `classes`, if any; `progress(done, total, title)`.
    The first 10 images are shown; all of them (some hundred is plenty) say which directions are used.  With fewer than
    two there are samples alone.  Raises HvaeError for data that are no images, or a number of levels the model does
    not have.
    """
    datum = as_datum(images)
    if datum.x.ndim not in (3, 4, 5):
        raise HvaeError(f"expected images (N, C, H, W) to draw, got shape {tuple(datum.x.shape)}; give image data")
    jobs = Samples(model, datum, temperatures, seed, captions, classes).jobs()
    if len(datum) > 1:
        jobs += _Easel(model, datum, tuple(levels(model)), top, directions, seed).jobs()
    result, note = list[Picture](), NOTES.get(datum.x.ndim - 2, "")
    for number, (title, job) in enumerate(jobs):
        progress(number, len(jobs), title)
        result.extend(replace(picture, caption=note + picture.caption) for picture in job())
    progress(len(jobs), len(jobs), "done")
    return result


@dataclass(frozen=True, eq=False)
class _Easel:
    """The pictures of one report that are made of data."""

    model: Model
    images: Datum
    names: tuple[str, ...]
    held: int
    directions: int
    seed: int

    def jobs(self) -> list[Job]:
        coarse = [("top held", self.top_held), ("top redrawn", self.top_redrawn)]
        if has_offsets(self.model):
            coarse.append(("top swapped", self.top_swapped))
        return [
            ("reconstructions", self.reconstructions),
            ("top levels", self.top_levels),
            *([("maps of codes", self.maps_of_codes)] if has_codes(self.model) else []),
            *(coarse if len(self.names) > 1 else []),
            ("traversals", self.traversals),
        ]

    @property
    def shown(self) -> Tensor:
        return self.images.x[:SHOWN].cpu().float()

    def reconstructions(self) -> Iterator[Picture]:
        back = reconstruct(self.model, self.images[:SHOWN], seed=self.seed).cpu().float()
        rows = torch.stack([self.shown, back, (self.shown - back).abs()])
        yield Picture(
            title="Reconstructions",
            caption="Images the model was not trained on, what comes back after all latent levels, and the difference "
            "(black: none). Look for lost details: what is missing here, no level has kept.",
            png=grid(rows, rows=["original", "reconstruction", "difference"]),
            filename="reconstructions.png",
            section="reconstruction",
            alt="Three rows of images: originals, their reconstructions, and the absolute difference.",
        )

    def top_levels(self) -> Iterator[Picture]:
        counts = spread(len(self.names), MOST_ROWS)
        rows = from_top(self.model, self.images[:SHOWN], counts=counts, rest=mode, seed=self.seed).cpu().float()
        yield Picture(
            title="What the top levels know",
            caption="Going down, each row keeps more levels from the original above it, top level first; the levels "
            "not kept take their most likely value. Look for where the object is decided, and where only detail is "
            "added: a row that looks like the one above it comes from a level that adds nothing.",
            png=grid(torch.cat([self.shown[None], rows]), rows=["original", *row_labels(self.names, counts)]),
            filename="top-levels.png",
            section="reconstruction",
            alt="Originals, then reconstructions from more and more levels, from none to all, one row each.",
        )

    def maps_of_codes(self) -> Iterator[Picture]:
        maps = code_maps(self.model, self.images[:SHOWN], seed=self.seed)
        rows = [_coloured(self.shown), *(_enlarged(some.cpu().float(), self.shown) for some in maps.values())]
        yield Picture(
            title="Maps of codes",
            caption="Which code stands where, each code in a colour of its own; codes that are alike have colours that "
            "are. Look for shapes of the original in the map, and for many colours: a map of few colours leaves most "
            "of its codebook unused.",
            png=grid(torch.stack(rows), rows=["original", *maps]),
            filename="codes.png",
            section="reconstruction",
            alt="Originals, then the map of codes of each level in colours, top first, one row each.",
        )

    def top_held(self) -> Iterator[Picture]:
        variants = self._redrawn(top_held)
        yield Picture(
            title="Top held, the rest redrawn",
            caption=f"Each row keeps {self._top()} of the original on its left and redraws every level below it "
            f"{REDRAWS} times. In a coarse-to-fine hierarchy the object stays and its details change.",
            png=self._beside(variants),
            filename="top-held.png",
            section="coarse",
            alt=f"Rows of an original and {REDRAWS} variants that share only its top.",
        )

    def top_redrawn(self) -> Iterator[Picture]:
        variants = self._redrawn(top_redrawn)
        same = torch.allclose(variants, variants[:, :1].expand_as(variants), atol=1e-4)
        yield Picture(
            title="The mirror: top redrawn, the rest held",
            caption=f"Each row redraws {self._top()} {REDRAWS} times and keeps every level below at the original's "
            "values. What still changes is what the image takes from the top directly."
            + " Nothing does here: this model reaches the image from the top through the levels below only."
            * same,
            png=self._beside(variants),
            filename="top-redrawn.png",
            section="coarse",
            alt=f"Rows of an original and {REDRAWS} variants that share all values below its top.",
        )

    def top_swapped(self) -> Iterator[Picture]:
        yield Picture(
            title="The mirror, relative: top redrawn, offsets held",
            caption="As before, but every level below keeps its offset from what its prior expects, and so follows "
            "the new top. In a coarse-to-fine hierarchy the object changes and the style stays.",
            png=self._beside(self._redrawn(top_swapped)),
            filename="top-swapped.png",
            section="coarse",
            alt=f"Rows of an original and {REDRAWS} variants that share the offsets below its top.",
        )

    def traversals(self) -> Iterator[Picture]:
        moved = traverse(self.model, self.images, directions=self.directions)
        for name, rows in moved.items():
            steps = [signed(s) for s in torch.linspace(-3, 3, rows.shape[1]).tolist()]
            numbers = [str(i + 1) for i in range(len(rows))]
            yield Picture(
                title=f"Level {name}",
                caption=self._traversal_caption(name),
                png=grid(rows, rows=numbers, columns=steps, tile=HALF_TILE),
                filename=f"traversal-{name}.png",
                section="traversal",
                alt=f"One image as level {name} moves from minus 3 to 3 standard deviations, a direction a row.",
            )

    def _traversal_caption(self, name: str) -> str:
        at = self.names.index(name)
        above, below = self.names[:at], self.names[at + 1 :]
        parts = [(above, "held"), ((name,), "moves"), (below, "free")]
        return ", ".join(f"{span(some)} {does}" for some, does in parts if some) + "."

    def _top(self) -> str:
        top = self.names[: self.held]
        return f"the top level ({top[0]})" if len(top) == 1 else f"the top {len(top)} levels ({span(top)})"

    def _redrawn(self, experiment: Callable[..., Tensor]) -> Tensor:
        images = self.images[:ROWS]
        return experiment(self.model, images, count=self.held, repeats=REDRAWS, seed=self.seed).cpu().float()

    def _beside(self, variants: Tensor) -> bytes:
        """Originals (N, C, H, W) in a first column, beside what was made of them (N, R, C, H, W)."""
        rows = torch.cat([self.shown[:ROWS, None], variants], 1)
        return grid(rows, columns=["original", *(str(i + 1) for i in range(REDRAWS))], tile=HALF_TILE)


def _coloured(images: Tensor) -> Tensor:
    """Images (N, C, H, W) as ones of three colours: the first of them where there are not three."""
    return images if images.shape[1] == 3 else images[:, :1].expand(-1, 3, -1, -1)


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    """Maps (N, 3, h, w) at the size of images (N, C, H, W)."""
    return torch.nn.functional.interpolate(maps, size=like.shape[2:], mode="nearest")
