"""The configured flows of any family: which levels there are, and what each map is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hvae.config.condition import ALL
from hvae.config.flow import FlowConfig
from hvae.errors import HvaeError, unknown
from hvae.models.flows import Flows, nothing, seen
from hvae.nn.flows import Flow, Inverted, zuko_maps


class Channels(NamedTuple):
    """Channels of a level's latent, and of the feature of the data that its posterior reads."""

    latent: int
    evidence: int


def flows(config: FlowConfig, levels: Mapping[str, Channels]) -> Flows:
    """The flows at the chosen ones of these levels.

    They are made last but for a condition, so that the other weights start as those of the model without them.  Raises
    HvaeError for levels that there are not, and without the library.
    """
    if not config.stands:
        return Flows()
    names = list(levels) if config.levels == (ALL,) else _known(config.levels, levels)
    reads = config.context == "evidence"
    latents = {name: levels[name].latent for name in names}
    prior = {name: Inverted(_flow(config, config.prior, d, 0)) for name, d in _where(config.prior, latents)}
    posterior = {
        name: _flow(config, config.posterior, d, levels[name].evidence if reads else 0)
        for name, d in _where(config.posterior, latents)
    }
    return Flows(prior, posterior, seen if reads else nothing)


def _where(kind: str, latents: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    return [] if kind == "none" else latents.items()


def _flow(config: FlowConfig, kind: str, latent: int, context: int) -> Flow:
    return Flow(zuko_maps(kind, latent, context, transforms=config.transforms, hidden=config.hidden, bins=config.bins))


def _known(names: Sequence[str], levels: Mapping[str, Channels]) -> Sequence[str]:
    for name in names:
        if name not in levels:
            raise HvaeError(f"model.flow.levels: {unknown('level', name, list(levels))}")
    return names
