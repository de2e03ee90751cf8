"""Which ways serve a model: what a command takes where none is named, and what a page offers."""

from __future__ import annotations

from hvae.errors import HvaeError
from hvae.refine import improvable
from hvae.restoration.diffuse import Diffuse, strides
from hvae.restoration.ways import Gibbs, Metropolis, Partial, Refine, Way, law_of
from hvae.walk import Model, glimpse, still


def serving(model: Model) -> tuple[type[Way], ...]:
    """The ways that serve a model, first the one to take where none is named; none of a walk in time, or without
    latents, nor of one whose data depend on each other given its latents.

    Chains are no way for a diffusion: a sweep moves it no further than the noise of its lowest level.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> [way.name for way in serving(model)]
    ['refine', 'gibbs', 'metropolis', 'partial']
    """
    trace = glimpse(model)
    if model.timed or not trace.latents:
        return ()
    try:
        law_of(trace)
    except HvaeError:
        return ()
    if strides(model):
        return (Diffuse,)
    chains = (Gibbs, Metropolis, Partial)
    return (Refine, *chains) if _is_movable(model) else chains


def _is_movable(model: Model) -> bool:
    """Whether every posterior has a place to be moved from: looked up for data that the model draws itself."""
    x = glimpse(model).x
    assert x is not None
    context = {name: one.placeholder(1, x.device) for name, one in model.conditions.items()}
    try:
        with still(model, seed=0):
            improvable(model, model.evidence(x, context, check=False))
    except HvaeError:
        return False
    return True
