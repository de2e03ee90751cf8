"""Whether the top levels decide the class of what a picture shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hvae.metrics.classify import CoarseToFine as Compared
from hvae.metrics.classify import coarse_to_fine
from hvae.metrics.results import plain
from hvae.records import JSON
from hvae.reporting.data import Agreement
from hvae.screen.numbers import share
from hvae.study.measure import Headline, Measure, Ranked

if TYPE_CHECKING:
    from hvae.study.evaluation import Evaluation
    from hvae.study.work import Work

GROUPS, REDRAWS = 200, 8
TELLING = 0.05
"""The least by which redraws with the top held must agree more than chance does, for the experiment to tell."""
_EXPERIMENTS = {
    "top_held": "top held, the rest redrawn",
    "top_redrawn": "mirror: top redrawn, the rest held",
    "top_swapped": "mirror, relative: top redrawn, offsets held",
    "chance": "chance: groups broken up",
}
_MIRROR = ("top_swapped", "top_swapped_pairwise")


@dataclass(frozen=True, kw_only=True)
class CoarseToFineResult(Compared):
    """Agreement on the class with the top held, and its two mirrors.

    `top_redrawn` keeps the values of the lower levels, `top_swapped` their offsets from the prior; None where the model
    has none.
    """

    top_swapped: float | None = None
    top_swapped_pairwise: float | None = None
    held: int
    """Levels held or redrawn."""
    classifier: str = ""
    """The judge, and how good it is."""

    @property
    def tells(self) -> bool:
        """Whether the experiment tells anything: where chance agrees as often as the top, it does not."""
        return self.top_held - self.chance >= TELLING

    def to_dict(self) -> JSON:
        """Plain values for JSON; without the mirror that a model does not have."""
        values: JSON = plain(self)
        return {key: value for key, value in values.items() if value is not None or key not in _MIRROR}


class CoarseToFine(Measure[CoarseToFineResult]):
    """Agreement of redraws on the class, by a small classifier of pixels."""

    name = "coarse-to-fine"
    about = "whether the top levels decide the class"
    cost = "quick"
    place = 110
    settings = ("held",)
    is_of_levels = True
    is_for = "others"
    result = CoarseToFineResult
    units: ClassVar[Mapping[str, str]] = {
        "coarse_to_fine": "share of the most frequent class among redraws of an image, mean over images (_pairwise: "
        "pairs)"
    }

    def take(self, work: Work) -> CoarseToFineResult:
        """Redraw with the top held, then the mirrors."""
        from hvae.explore import top_held, top_redrawn, top_swapped
        from hvae.explore.resample import has_offsets

        model, config, split = work.model, work.config, work.split
        top, classify = min(config.held, len(work.levels) - 1), work.classifier
        x = split.batch(range(min(GROUPS, len(split))))
        settings: JSON = {"count": top, "repeats": REDRAWS, "seed": config.seed}
        mirrors = [top_redrawn, *([top_swapped] if has_offsets(model) else [])]
        compared = []
        with work.bar("coarse to fine: redraws") as tick:
            pictures = top_held(model, x, **settings)
            for done, mirror in enumerate(mirrors, 1):
                tick(done, 1 + len(mirrors))
                compared.append(coarse_to_fine(classify, pictures, mirror(model, x, **settings), seed=config.seed))
        # What is not of the mirror is the same for each of them.
        own, swapped = compared[0], compared[1] if len(compared) > 1 else None
        return CoarseToFineResult(
            **vars(own),
            top_swapped=swapped.top_redrawn if swapped else None,
            top_swapped_pairwise=swapped.top_redrawn_pairwise if swapped else None,
            held=top,
            classifier=classify.describe(),
        )

    def obstacle(self, work: Work) -> str:
        """Without a hierarchy, pictures or classes it has no meaning."""
        if len(work.levels) < 2:
            return "2 levels or more are needed, and this model has one"
        return work.no_images() or work.no_classifier()

    def headlines(self, result: CoarseToFineResult, evaluation: Evaluation) -> Iterator[Headline]:
        """Beside its mirror and chance."""
        if not result.tells:
            return
        key = "top_redrawn" if result.top_swapped is None else "top_swapped"
        mirror = f"{_EXPERIMENTS[key]} {share(result.to_dict()[key])}"
        note = f"redraws agree on the class with the top {result.held} held; {mirror}"
        yield Headline("coarse to fine", share(result.top_held), f"{note}; chance {share(result.chance)}")

    def agreement(self, result: CoarseToFineResult) -> Agreement | None:
        """Every experiment as a bar, where they tell anything."""
        if not result.tells:
            return None
        values = result.to_dict()
        note = (
            f"Share of the most frequent class among {result.redraws} redraws of an image, mean over {result.groups} "
            f"images; {result.held} top level{'s' * (result.held > 1)} held or redrawn. "
            f"Judge: {result.classifier or 'unknown'}."
        )
        return Agreement(shares={label: values[key] for key, label in _EXPERIMENTS.items() if key in values}, note=note)

    def ranked(self, result: CoarseToFineResult, evaluation: Evaluation) -> Iterator[Ranked]:
        """With what is held, and who judged; nothing where chance agrees as often, for 100 % would look best."""
        if not result.tells:
            return
        judge = f" by {result.classifier}" if result.classifier else ""
        yield Ranked(f"top {result.held} held, agreement of {result.redraws} redraws{judge}", result.top_held)
