"""What a run refuses: draws, values and masks that do not fit the variables that a walk visits.

Shapes: `B` batch; `...` the own shape of a variable.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvae.condition import Conditions, missing
from hvae.distributions.base import LocationScale
from hvae.distributions.codebook import Codes
from hvae.distributions.pixels import AutoregressivePixels
from hvae.distributions.steps import Depth, Visits
from hvae.draw import Draw
from hvae.errors import HvaeError, unknown
from hvae.evidence import Evidence
from hvae.site import Site, spelled
from hvae.trace import Trace


def check_single(site: Site, trace: Trace) -> None:
    """Raises HvaeError when one value was given to a name that now recurs."""
    name = site.name
    if any(n == name for n, _ in trace.records):
        raise HvaeError(
            f"{name} recurs in time, but one value was given for it; give each step by ('{name}', step), as "
            f"trace.values() and by_step('{name}', series) do"
        )


def check_value(site: Site, value: Tensor, n: int) -> None:
    """Raises HvaeError for a given value of another shape or type than the law's: one number might pass for many, and
    the sums be of one."""
    like, where = _like(site, value), spelled(site.key)
    shape = (n, *like.shape[1:])
    if not value.ndim or tuple(value.shape) != shape:
        raise HvaeError(f"{where}: expected a given value of shape {shape}, got {tuple(value.shape)}")
    # Under autocast the halves of networks meet the float32 of laws.
    if value.is_floating_point() != like.is_floating_point() or (value.dtype == torch.float64) > (
        like.dtype == torch.float64
    ):
        raise HvaeError(f"{where}: expected a given value of {like.dtype}, got {value.dtype}; convert it")


def _like(site: Site, value: Tensor) -> Tensor:
    """A value of the law of a site, for its shape; a choice of the walk itself has no shape but that of its values."""
    law = site.q or site.p
    if law is None or site.auxiliary:
        return value
    if isinstance(
        law, Codes | AutoregressivePixels
    ):  # the mode of an autoregressive law takes a pass for each of its places
        return value.new_empty(law.shape)
    return law.loc if isinstance(law, LocationScale) else law.mode()


def check_masks(evidence: Evidence, trace: Trace) -> None:
    """Raises HvaeError for a walk that scores what does not exist: it has left out `observed` or `lengths`."""
    records = trace.records.values()
    if evidence.observed is not None and all(record.observed is None for record in records):
        raise HvaeError("this model does not heed `observed`: give its sites of data their part of it, or leave it out")
    autoregressive = any(isinstance(record.p, AutoregressivePixels) for record in records)
    if autoregressive and evidence.observed is not None and not evidence.observed.all():
        raise HvaeError(
            "this likelihood is autoregressive: pixels after one that is not observed have no probability in closed "
            "form; give whole images, or choose a family whose likelihood factorises, such as ladder"
        )
    if evidence.lengths is not None and all(record.mask is None and record.observed is None for record in records):
        raise HvaeError("this model does not heed `lengths`: give the sites of its steps a mask, or leave them out")


def check_thinned(draw: Draw, trace: Trace) -> None:
    """Raises HvaeError for a draw of fewer steps or levels on a walk that has as many as it has."""
    laws = [record.p for record in trace.records.values() if record.auxiliary]
    if draw.thins() and not any(isinstance(law, Visits) for law in laws):
        raise HvaeError("this walk has no steps that may be left out, got thin(...); leave it away")
    if draw.coarsens() and not any(isinstance(law, Depth) for law in laws):
        raise HvaeError(
            "the levels of this model are what they are, and cannot be fewer: leave coarse(...) and solvers out; only "
            "diffusions (model.family vdm) have as many as they are asked for"
        )


def check_keys(draw: Draw, trace: Trace) -> None:
    """Raises HvaeError for a draw that names a variable, or a step of one, that the walk has not visited."""
    visited = list(dict.fromkeys(name for name, _ in trace.records))
    for name, step in sorted(draw.keys(), key=str):
        if name not in visited:
            raise _too_short(name, trace) if draw.coarsens() else unknown("level", name, visited)
        if step is not None and (name, step) not in trace.records:
            raise _no_step(name, step, [s for n, s in trace.records if n == name])


def _too_short(name: str, trace: Trace) -> HvaeError:
    own = ", ".join(dict.fromkeys(record.name for record in trace.latents))
    return HvaeError(f"expected a level that a walk of so few steps visits ({own}), got {name}; take more steps")


def _no_step(name: str, step: int, steps: Sequence[int | None]) -> HvaeError:
    if None in steps:
        return HvaeError(f"{name} is visited once, got step {step} of it; name it without a step")
    own = [s for s in steps if s is not None]
    return HvaeError(f"{name} is visited at steps {min(own)} to {max(own)}, got step {step}; choose one of these")


def misshapen(shape: tuple[int, ...], got: tuple[int, ...], *, timed: bool) -> HvaeError:
    """The error for data (B, ...) of another shape than the model's; with what to do where only axes are in its way."""
    if timed:
        return HvaeError(f"expected sequences of shape (B, T, {', '.join(map(str, shape[1:]))}), got {got}")
    advice = ""
    if got[1:] == shape[1:] and shape[0] == 1:
        advice = "; give them an axis for the one channel: x[:, None]"
    elif len(got) == 4 and (got[3], *got[1:3]) == shape:
        advice = "; put the channels before height and width"
    return HvaeError(f"expected data of shape (B, {', '.join(map(str, shape))}), got {got}{advice}")


def check_context(conditions: Conditions, evidence: Evidence) -> None:
    """Raises HvaeError for a condition of the model that the evidence says nothing of."""
    for name, condition in conditions.items():
        if name not in evidence.context:
            raise missing(name, condition)
