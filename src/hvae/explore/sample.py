"""Samples from the prior, at a temperature for each level and with any level pinned.

Shapes: `n` samples; `...` a variable's own shape; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hvae.condition import Context
from hvae.counts import whole
from hvae.distributions import Depth
from hvae.draw import Draw, each, latents, mode, narrowed, prior
from hvae.draw import solver as solving
from hvae.draw.solvers import read_solver
from hvae.engine import TORCH, Engine
from hvae.errors import HvaeError, entries
from hvae.explore.frame import CHUNK, Reading, check_levels, decode, drawn_picture, levels, mean_picture
from hvae.explore.guide import Guidance, decode_guided, weights
from hvae.explore.narrow import TopK, TopP, narrowing
from hvae.explore.plain import plain
from hvae.site import Pin, as_key
from hvae.walk import Model, glimpse, still

Temperature = float | Mapping[str, float]
HOTTEST = 1_000_000
"""The highest temperature: far above, what is drawn is no finite number, and nothing is wrong with the weights."""


def sample(
    model: Model,
    n: int,
    *,
    context: Context | None = None,
    temperature: Temperature = 1.0,
    guidance: Guidance = 1.0,
    top_k: TopK = None,
    top_p: TopP = 1.0,
    given: Mapping[Pin, Tensor] | Mapping[str, Tensor] | None = None,
    solver: str = "",
    seed: int | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    r"""`n` pictures: latents from the prior, then the mean of the likelihood.

    $$z_l \sim p_{t_l}(z_l \mid z_{>l}), \qquad \text{picture} = \mathbb{E}[x \mid z_{1:L}]$$

    The latents are sampled, the pixels are means: independent pixel noise is seen as grain.  `sample_pixels` samples it
    too.

    Arguments: `context` of a conditional model, (n, ...) by name or one value for all, as in {"label": 7};
    `temperature`, one for all levels or by level name (1.0 for the others), 0 for the mode; `guidance`, how closely
    each level follows the context (`hvae.guided`: 1 as the model does, more than 1 beyond it, 0 not at all), one for
    all or by level name; `top_k` and `top_p`, which codes are drawn where there is a trained prior over codes: so many
    of the most probable, and the fewest that hold such a share, for all levels or by name; `given`, pinned latents by
    level name, each (n, ...) or (1, ...); `solver` of a diffusion and its steps, as "ddim:50": ancestral (the model's
    own), ddim or second-order (`hvae.draw.solver`), of all levels where no number is given; `seed` for reproducible
    pictures; `chunk`, rows per run (results for a seed depend on it).
    Returns (n, C, H, W) in [0, 1].
    Raises HvaeError for a level the model does not have, a negative temperature, a pinned value of another shape,
    guidance of a model that has no condition or must know it, a solver of a model that is no diffusion, and more steps
    than its levels.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> sample(model, 3, temperature={"z2": 0.7}, seed=1).shape
    torch.Size([3, 1, 4, 4])
    """
    return Sampling(
        context=context,
        temperature=temperature,
        guidance=guidance,
        top_k=top_k,
        top_p=top_p,
        given=given,
        solver=solver,
        seed=seed,
        chunk=chunk,
    ).draw(model, n, mean_picture)


def sample_pixels(model: Model, n: int, **settings: Any) -> Tensor:
    """As `sample`, whose settings it takes, with the pixels sampled from the likelihood; the latents of a seed are the
    same."""
    return Sampling(**settings).draw(model, n, drawn_picture)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sampling:
    """The settings of `sample`."""

    context: Context | None = None
    temperature: Temperature = 1.0
    guidance: Guidance = 1.0
    top_k: TopK = None
    top_p: TopP = 1.0
    given: Mapping[Pin, Tensor] | Mapping[str, Tensor] | None = None
    solver: str = ""
    seed: int | None = None
    chunk: int = CHUNK
    engine: Engine = TORCH

    def draw(self, model: Model, n: int, read: Reading) -> Tensor:
        """n pictures (n, C, H, W), as `read` takes them from a trace.  Raises HvaeError as `sample` does."""
        among = narrowing(model, self.top_k, self.top_p)
        n = whole("n", n, 1)
        check_solver(model, self.solver)
        names, context = levels(model), entries(self.context)
        pinned = _pinned(model, n, self.given or {}, names)
        draw = narrowed(among, at_temperature(self.temperature, names))
        draw = solving(self.solver, draw) if self.solver else draw
        steered = weights(self.guidance, model, names, context)
        if self.engine is not TORCH:
            _check_plain(
                {
                    "guidance": bool(steered),
                    "top-k or top-p": bool(among),
                    "pinned levels": bool(pinned),
                    "a solver": bool(self.solver),
                    "drawn pixels": read is not mean_picture,
                }
            )
        with still(model, self.seed):
            if steered:
                return decode_guided(
                    model, pinned, n, context=context, steered=steered, otherwise=draw, read=read, chunk=self.chunk
                )
            if self.engine is TORCH:
                return decode(model, pinned, n, context=context, otherwise=draw, read=read, chunk=self.chunk)
            temperatures = by_level(self.temperature, names)
            return plain(model, n, draw, temperatures, context=context, engine=self.engine, chunk=self.chunk)


def _check_plain(choices: Mapping[str, bool]) -> None:
    """Raises HvaeError for a choice that another engine than torch does not know."""
    for what, is_set in choices.items():
        if is_set:
            raise HvaeError(f"expected plain samples of a back end, got {what}; leave that out, or the back end")


def by_level(temperature: Temperature, names: Sequence[str]) -> dict[str, float]:
    """The temperature of every level, in the order of the names; 1 where none is given."""
    some = temperature if isinstance(temperature, Mapping) else dict.fromkeys(names, temperature)
    return {name: some.get(name, 1.0) for name in names}


def at_temperature(temperature: Temperature, names: Sequence[str]) -> Draw:
    """The prior of each level at one temperature, or at one by level name; 0 stands for the mode.

    Raises HvaeError for an unknown level, or a temperature below 0 or above a million.
    """
    by_name = temperature if isinstance(temperature, Mapping) else dict.fromkeys(names, temperature)
    check_levels(list(by_name), names)
    by_name = {name: t for name, t in by_name.items() if t != 1}
    if by_name.keys() == set(names) and len(set(by_name.values())) == 1:
        # Without names, for a walk of few steps may not visit all of them.
        return latents(_at(next(iter(by_name.values())), names[0]), prior())
    return each({name: _at(t, name) for name, t in by_name.items()}, prior())


def _at(t: float, name: str) -> Draw:
    if not 0 <= t <= HOTTEST:
        raise HvaeError(
            f"expected a temperature of 0 or above for {name}, got {t}; at most {HOTTEST:,}, and 1.0 leaves the prior "
            "as it is"
        )
    return mode if t == 0 else prior(t)


def check_solver(model: Model, solver: str) -> None:
    """Raises HvaeError for a solver of a model that is no diffusion, and for more steps than it has levels."""
    if not solver:
        return
    name, count = read_solver(solver)
    depths = [record.p for record in glimpse(model).records.values() if isinstance(record.p, Depth)]
    if not depths:
        raise HvaeError(f"solver {name} is about diffusions (model.family vdm), and this model is none; leave it out")
    if count is not None:
        depths[0].levels(count)


def _pinned(
    model: Model, n: int, pins: Mapping[Pin, Tensor] | Mapping[str, Tensor], names: list[str]
) -> dict[Pin, Tensor]:
    check_levels([as_key(variable)[0] for variable in pins], names)
    if not pins:
        return {}
    with still(model, seed=0):
        trace = glimpse(model)
    like = {record.name: record.value for record in trace.latents}
    return {variable: _rows(variable, value, like[as_key(variable)[0]], n) for variable, value in pins.items()}


def _rows(variable: Pin, value: Tensor, like: Tensor, n: int) -> Tensor:
    """A pinned value as n rows of what the model itself draws, (1, ...)."""
    if value.shape[1:] != like.shape[1:] or len(value) not in (1, n):
        right = (n, *like.shape[1:])
        raise HvaeError(f"expected given[{variable!r}] of shape {right} (or 1 first), got {tuple(value.shape)}")
    return value.to(like).expand(n, *like.shape[1:])
