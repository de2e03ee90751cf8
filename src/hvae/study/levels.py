"""What a configuration says of levels, compared with those that its model has, before a folder is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.config.evaluate import EvaluateConfig
from hvae.config.objective import ObjectiveConfig
from hvae.config.train import TrainConfig
from hvae.errors import HvaeError, unknown

if TYPE_CHECKING:
    from hvae.walk import Model


def check_held(evaluate: EvaluateConfig, model: Model) -> None:
    """Raises HvaeError if the evaluation is to hold more top levels than leave one to be drawn anew."""
    from hvae.walk import names

    depth = len(names(model.eval()))
    if evaluate.held >= max(depth, 2):
        raise HvaeError(
            f"evaluate.held: expected at most {depth - 1} of the model's {depth} levels, got {evaluate.held}"
        )


def check_levels(objective: ObjectiveConfig, model: Model) -> None:
    """Raises HvaeError if the objective speaks of a level that the model does not have, before a folder is made."""
    from hvae.walk import names

    own = names(model.eval())
    _check_kind(objective, model)
    _check_decoder(objective, model)
    _check_sound(objective, model)
    _check_commitment(objective, model)
    _check_layerwise(objective, model)
    by_level = {
        "beta": objective.beta,
        "warmup.start": objective.warmup.start,
        "warmup.length": objective.warmup.length,
        "commitment.start": objective.commitment.start,
        "commitment.length": objective.commitment.length,
        "free_bits.nats": objective.free_bits.nats,
    }
    for key, value in by_level.items():
        for name in value if isinstance(value, dict) else ():
            if name not in own:
                advice = f"set --objective.{key} for the levels of this model"
                raise HvaeError(f"objective.{key}: {unknown('level', name, own)}; {advice}")


def check_first_batch(train: TrainConfig, model: Model) -> None:
    """Raises HvaeError for a model that cannot start from a first batch of this size, before a folder is made.

    A training that begins with another run's weights has that run's codes."""
    from hvae.models.coded import Coded
    from hvae.nn.kit import Batches

    shards = train.accumulate * (1 if train.devices == "auto" else train.devices) * train.nodes
    if train.batch < 2 * shards and any(isinstance(layer, Batches) for layer in model.modules()):
        raise HvaeError(
            f"train.batch: expected at least {2 * shards} data, of which batch norm needs 2 at once, got "
            f"{train.batch}; set it higher, or --model.norm none"
        )
    if isinstance(model, Coded) and not train.init:
        model.check_batch(train.batch // shards)


def _check_kind(objective: ObjectiveConfig, model: Model) -> None:
    """Raises HvaeError for draws that are weighed against each other in a walk that visits a few of its levels, and for
    a particle filter of one that does not go step by step."""
    from hvae.distributions import Visits
    from hvae.walk import Stepwise, glimpse

    if objective.kind == "fivo" and not isinstance(model, Stepwise):
        raise HvaeError(
            "objective.kind: fivo exchanges particles between steps, and this family draws its latents of many steps "
            "at once, or has none; choose iwae, or model.family vrnn, srnn or dmm"
        )

    thinned = any(isinstance(r.p, Visits) and r.p.few for r in glimpse(model).records.values())
    if thinned and objective.kind != "elbo":
        raise HvaeError(
            f"objective.kind: {objective.kind} weighs whole walks, and a step of this family visits a few of its "
            "levels, which is right for sums alone; choose elbo"
        )


def _check_decoder(objective: ObjectiveConfig, model: Model) -> None:
    """Raises HvaeError for words dropped from, or drawn in place of, what no decoder hears in this family."""
    from hvae.models.narrator import Narrator

    for key, value, rest in (("keep", objective.keep, 1), ("own", objective.own, 0)):
        if value != rest and not isinstance(model, Narrator):
            raise HvaeError(
                f"objective.{key}: expected {rest}, since no decoder of this model hears the sequence that it tells, "
                f"got {value}; leave it out, or choose model.family vrae, or seqladder with model.decoder recurrent"
            )


def _check_sound(objective: ObjectiveConfig, model: Model) -> None:
    """Raises HvaeError for spectra of what is no sound."""
    from hvae.range import UNIT

    if objective.stft and not (model.timed and len(model.shape) == 2 and model.limits == UNIT):
        raise HvaeError(
            f"objective.stft: expected sound, got data of shape {model.shape}; leave it out, or train on data.name fsdd"
        )


def _check_commitment(objective: ObjectiveConfig, model: Model) -> None:
    """Raises HvaeError for a schedule of a commitment that nothing has."""
    from hvae.levels.quantisers import Nearest

    if objective.commitment.used and not any(isinstance(m, Nearest) and m.commitment for m in model.modules()):
        raise HvaeError(
            "objective.commitment: this model has no commitment that could grow; leave it out, or train vqvae, vqvae2 "
            "or rqvae with model.commitment above 0 and a codebook of nearest codes"
        )


def _check_layerwise(objective: ObjectiveConfig, model: Model) -> None:
    """Raises HvaeError for training from the top of a walk that infers its levels in another order, or few of them."""
    from hvae.models.bidirectional import Bidirectional
    from hvae.models.diffusion import Diffusion
    from hvae.walk import Chain

    if objective.layerwise and isinstance(model, Chain | Bidirectional | Diffusion):
        raise HvaeError(
            f"objective.layerwise: expected 0, since this family does not infer its levels from the top down, got "
            f"{objective.layerwise}; leave it out, or choose model.family ladder, lvae or vlae"
        )
