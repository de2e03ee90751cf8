"""Import of published weights: a file of another code base to our configuration and weights, fully checked.

One line a family: how its file is read.  The mappings themselves are `hvae.checkpoints.vdvae` and `.nvae`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvae.checkpoints import foreign, nvae, vdvae
from hvae.checkpoints.mapping import bare, fit
from hvae.checkpoints.published import Architecture
from hvae.config.evaluate import reading
from hvae.config.model import ModelConfig
from hvae.config.vdvae import PUBLISHED, VDVAEConfig
from hvae.errors import HvaeError, unknown
from hvae.records import JSON
from hvae.zoo import build

BLOCK = 1 << 20


@dataclass(frozen=True, eq=False, kw_only=True)
class Converted:
    """A converted file of another code base.

    `config`, `shape` and `bits` define the model of `weights`; `step`, the number of training steps, 0 if unknown;
    `data`, the training set by its name in `hvae data`, "" if unknown.
    """

    config: ModelConfig
    shape: tuple[int, ...]
    bits: int
    weights: Mapping[str, Tensor]
    step: int = 0
    data: str = ""


Like = ModelConfig | None
"""The user's partial description of a model whose file is incomplete."""


def _vdvae(content: Any, path: Path, like: Like) -> Converted:
    """openai/vdvae: the weights alone, by name."""
    assert like is None or isinstance(like, VDVAEConfig)
    state = bare(foreign.tensors(content, path, "a file of openai/vdvae (a dict of tensors alone)"))
    config, shape, bits = vdvae.infer(state, like)
    # A published size has the input constants of its data: weights of that size are of those data.
    name = next((name for name, size in PUBLISHED.items() if size == config), "")
    return Converted(
        config=config,
        shape=tuple(shape),
        bits=bits,
        weights=vdvae.convert(state, config),
        data=_VDVAE_SETS.get(name, ""),
    )


_VDVAE_SETS = {"cifar10": "cifar10", "imagenet32": "imagenet32-old", "imagenet64": "imagenet64-old"}


def _nvae(content: Any, path: Path, like: Like) -> Converted:
    """NVlabs/NVAE: a whole training, of which the weights and the arguments of the command are taken."""
    if like is not None:
        raise HvaeError("a checkpoint of NVlabs/NVAE says what it is; leave the keys of model out")
    expected = "a checkpoint of NVlabs/NVAE (a dict with state_dict and args)"
    parts = content if isinstance(content, Mapping) else {}
    args = parts.get("args")
    if not isinstance(args, Mapping) or "state_dict" not in parts:
        raise HvaeError(f"{path}: expected {expected}, found {foreign.describe(content)}")
    state = bare(foreign.tensors(parts["state_dict"], path, expected))
    _check_counts(args, len(state))
    config, shape, bits = nvae.infer(state, args)
    return Converted(
        config=config,
        shape=tuple(shape),
        bits=bits,
        weights=nvae.convert(state, config),
        step=_whole(parts.get("global_step")),
        data=_NVAE_SETS.get(str(args.get("dataset")), ""),
    )


_NVAE_SETS = {
    "cifar10": "cifar10",
    "mnist": "mnist-dynamic",
    "omniglot": "omniglot-dynamic",
    "imagenet_32": "imagenet32-old",
    "imagenet_64": "imagenet64-old",
}


def _check_counts(args: Mapping[str, Any], tensors: int) -> None:
    """Raises HvaeError for counts inconsistent with the tensors: building such a model would not end."""
    for name, value in args.items():
        if str(name).startswith("num_") and isinstance(value, int) and value > tensors:
            raise HvaeError(f"the arguments say {name} = {value:,}, but there are {tensors:,} tensors; is it genuine?")


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


READERS: dict[str, Callable[[Any, Path, Like], Converted]] = {"vdvae": _vdvae, "nvae": _nvae}
"""How the file of each family is read."""


def convert(family: str, path: str | Path, like: Like = None) -> Converted:
    """The weights of a file under our names, with their model.

    `like` completes the file of an unpublished model: for vdvae the two architecture strings and input constants.

    Raises HvaeError, in one line, for an unknown family, a file that cannot be read (see `foreign.read`) or is of
    another model, and weights that do not fit the model inferred from them.
    """
    if family not in READERS:
        raise unknown("family with published weights", family, READERS)
    path = Path(path)
    converted = _named(path, lambda: READERS[family](foreign.read(path), path, like))
    # Without storage: only names, shapes and types are asked of it.
    with torch.device("meta"):
        expected = build(converted.config, shape=converted.shape, bits=converted.bits).state_dict()
    fit(converted.weights, expected, str(path))
    weights = {name: converted.weights[name].to(want.dtype) for name, want in expected.items()}
    return Converted(**{**vars(converted), "weights": weights})


def _named(path: Path, make: Callable[[], Converted]) -> Converted:
    """The result of `make`; errors are prefixed by the file's name."""
    try:
        return make()
    except HvaeError as fault:
        raise fault if str(path) in str(fault) else HvaeError(f"{path}: {fault}") from fault
    except (LookupError, TypeError, ValueError, RuntimeError) as fault:
        # Anyone's file: its arguments and shapes can be wrong in ways that no mapping foresees.
        why = f"{type(fault).__name__}: {fault}".splitlines()[0]
        raise HvaeError(f"{path} is not a genuine file of its kind, or of a variant not known here ({why})") from fault


def unlike(converted: Converted, published: Architecture) -> str:
    """How the model of a file differs from a published one, in a few words: "" where it does not.

    Two readings of the same weights are one model, and so are two ways to compute it.
    """
    settings, expected = _settings(converted.config), _settings(published.model)
    if (settings, converted.shape, converted.bits) == (expected, published.shape, published.bits):
        return ""
    with torch.device("meta"):
        parameters = sum(
            p.numel() for p in build(converted.config, shape=converted.shape, bits=converted.bits).parameters()
        )
    if parameters != published.parameters:
        return f"expected {published.parameters:,} parameters, found {parameters:,}"
    if settings == expected:
        return (
            f"expected images of {published.shape} with {published.bits} bits, "
            f"found {converted.shape} with {converted.bits}"
        )
    name = next(name for name in expected if settings.get(name) != expected[name])
    return f"expected model.{name} {expected[name]}, found {settings.get(name)}"


def _settings(config: ModelConfig) -> JSON:
    read = reading(config.family, config.likelihood, published=True)
    return {"family": config.family, **vars(config), "likelihood": read, "checkpoint": False}


def sha256(path: Path) -> str:
    """The sha256 of a file."""
    total = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(BLOCK):
            total.update(block)
    return total.hexdigest()
