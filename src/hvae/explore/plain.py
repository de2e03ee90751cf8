r"""Plain samples as a question that any engine answers: every level from its prior, at a temperature of its own.

$$z_l \sim p_{t_l}(z_l \mid z_{>l}), \qquad \text{picture} = \mathbb{E}[x \mid z_{1:L}]$$

Shapes: `n` samples; `L` levels; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from hvae.condition import Context
from hvae.draw import Draw, Drawn, each, mode, posterior
from hvae.engine import Answers, Engine, Question
from hvae.explore.frame import in_parts, mean_picture
from hvae.site import Site
from hvae.walk import Evidence, Model, run

PICTURE = "picture"


@dataclass(frozen=True, eq=False)
class _Tempered(Draw):
    """The prior of each level at its temperature, one of (L,) in the order of `names`; data at their mean."""

    names: Sequence[str]
    temperatures: Tensor

    def __call__(self, site: Site) -> Drawn:
        if site.p is None:
            return posterior(site)
        if site.data:
            return Drawn(site.p.mean(), site.p)
        # A tensor, so that one graph serves every temperature.
        law = site.p.tempered(cast("float", self.temperatures[self.names.index(site.name)]))
        return Drawn(law.sample(), law)


def plain(
    model: Model,
    n: int,
    draw: Draw,
    temperatures: Mapping[str, float],
    *,
    context: Context | None,
    engine: Engine,
    chunk: int,
) -> Tensor:
    """n pictures (n, C, H, W) in [0, 1] by `draw`, the priors at `temperatures` by level, as an engine has them."""
    question = _question(model, draw, temperatures)
    rows = model.nothing(n, context).context

    def part(some: slice) -> Tensor:
        some_rows = {name: value[some] for name, value in rows.items()}
        return engine.answer(question, Evidence(some.stop - some.start, context=some_rows))[PICTURE]

    return in_parts(n, chunk, part)


def _question(model: Model, draw: Draw, temperatures: Mapping[str, float]) -> Question:
    # At 0 no number is drawn for a level, so that those at their modes are another walk.
    modes = [name for name, t in temperatures.items() if t == 0]
    settings = torch.tensor([float(t) for t in temperatures.values()])
    names = list(temperatures)

    def of(evidence: Evidence, at: Tensor) -> Answers:
        tempered = each(dict.fromkeys(modes, mode), _Tempered(names, at))
        return {PICTURE: mean_picture(model, run(model, tempered, evidence))}

    return Question(
        name=" ".join(["pictures", *modes]),
        model=model,
        of=of,
        settings=settings,
        by_torch=lambda evidence: {PICTURE: mean_picture(model, run(model, draw, evidence))},
    )
