"""Inference that learns to read partly seen data while the rest of its model is frozen: what is trained, and by whom.

hvae train RUN --train.init RUN --objective.kind matching --out PARTIAL
hvae restore PARTIAL IMAGES --task inpaint --mask 0,14,28,14 --way partial --out filled
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hvae.config.run import RunConfig
from hvae.errors import HvaeError, short

if TYPE_CHECKING:
    from hvae.walk import Model

MATCHING = "matching"


def inference(model: Model) -> frozenset[str]:
    """The names of the parameters that generation does without: nothing of log p(x, z) depends on them."""
    import torch

    from hvae.draw import prior
    from hvae.modules import still
    from hvae.walk import device_of, run

    device = device_of(model)
    context = {name: condition.placeholder(2, device) for name, condition in model.conditions.items()}
    names, weights = zip(*model.named_parameters(), strict=True)
    with still(model, 0), torch.enable_grad():
        trace = run(model, prior(), model.nothing(2, context))
        nats = torch.stack([record.log_likelihood().sum() for record in trace.records.values()]).sum()
        gradients = torch.autograd.grad(nats, weights, allow_unused=True)
    return frozenset(name for name, gradient in zip(names, gradients, strict=True) if gradient is None)


def parts(names: Sequence[str], trained: Collection[str]) -> tuple[str, ...]:
    """The largest parts of a model all of whose parameters are chosen, as `train.only` names them.

    >>> parts(["up.w", "up.b", "z1.prior.w", "z1.posterior.w"], {"up.w", "up.b", "z1.posterior.w"})
    ('up', 'z1.posterior')
    """
    others = [name for name in names if name not in trained]
    return tuple(dict.fromkeys(_whole(name, others) for name in names if name in trained))


def _whole(name: str, others: Sequence[str]) -> str:
    words = name.split(".")
    prefixes = (".".join(words[:count]) for count in range(1, len(words) + 1))
    return next(p for p in prefixes if p == name or not any(other.startswith(f"{p}.") for other in others))


def check_taught(config: RunConfig) -> None:
    """Raises HvaeError for inference that is to match that of no model."""
    if config.objective.kind == MATCHING and not config.train.init:
        raise HvaeError("objective.kind: matching needs a trained model to match; name its run in train.init")


def matched(config: RunConfig, model: Model) -> RunConfig:
    """The configuration that trains inference alone.  Raises HvaeError where that is not all that is asked for."""
    from hvae.training.parts import selected

    if config.objective.kind != MATCHING:
        return config
    check_taught(config)
    if model.timed:
        raise HvaeError(f"objective.kind: matching is for images and tables, got {config.model.family}, of sequences")
    own = inference(model)
    if not own:
        raise HvaeError(f"objective.kind: the family {config.model.family} has no inference that could learn to match")
    if not config.train.only:
        names = [name for name, _ in model.named_parameters()]
        return replace(config, train=replace(config.train, only=parts(names, own)))
    if foreign := sorted(selected(model, config.train.only) - own):
        raise HvaeError(
            f"train.only: matching trains inference alone, and {short(foreign[0])} is part of generation; leave it out"
        )
    return config


def teacher(config: RunConfig, shape: tuple[int, ...], bits: int) -> Model | None:
    """The model whose inference is matched; None for another objective.

    Raises HvaeError where the weights of `train.init` are not those of such a model.
    """
    from hvae.study.building import built
    from hvae.training.parts import weights_for

    if config.objective.kind != MATCHING:
        return None
    model = built(config.model, shape, bits)
    weights = weights_for(model, config.train.init)
    if missing := [name for name in model.state_dict() if name not in weights]:
        raise HvaeError(
            f"train.init: matching needs a run of the same model, and {config.train.init} has no {short(missing[0])}"
        )
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model
