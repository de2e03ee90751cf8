"""Training some parts of a model while the rest stays as it is, and starting from the weights of another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from torch import Tensor, nn

from hvae.errors import HvaeError, unknown
from hvae.files import expanded
from hvae.pretrained import find
from hvae.weights import load_weights

_SHOWN = 6


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that a pattern fits: whole, by `*` and `?`, or by the part of a model that they belong to.

    A part is named from the model on (levels.z2), or by its own name alone (prior: that of every level) where the model
    itself has no such part.

    Raises HvaeError for a pattern that fits none, with the nearest name.

    >>> matching(["levels.z2.prior.weight", "levels.z1.prior.weight", "head.bias"], ["levels.z2", "*.bias"])
    ['levels.z2.prior.weight', 'head.bias']
    """
    whole = _from_the_model_on(names, patterns)
    return [name for name in names if any(_fits(name, pattern) for pattern in whole)]


def _from_the_model_on(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The patterns, those that name a part by its own name alone with what may come before it."""
    return [_whole(names, pattern) for pattern in patterns]


def _whole(names: Sequence[str], pattern: str) -> str:
    for whole in (pattern, f"*.{pattern}"):
        if any(_fits(name, whole) for name in names):
            return whole
    parts = _parts(names)
    own = dict.fromkeys(part.rpartition(".")[2] for part in parts)
    choices = dict.fromkeys([*names, *parts, *(name for name in own if not name.isdecimal())])
    raise unknown("parameter", pattern, choices, "hvae inspect RUN --parameters")


def selected(model: nn.Module, patterns: Sequence[str]) -> frozenset[str]:
    """The names of the parameters that are trained under some patterns, of which those that fit none say nothing."""
    names = [name for name, _ in model.named_parameters()]
    return frozenset(name for name in names if not patterns or any(_fits(name, pattern) for pattern in patterns))


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")


def _parts(names: Sequence[str]) -> list[str]:
    """Every part of a model that has a parameter, by its dotted name."""
    return list(dict.fromkeys(name[:at] for name in names for at in range(len(name)) if name[at] == "."))


class Parts:
    """The parts of a model that are trained: those of the patterns, all of it where there are none.

    Other parameters have no gradient, and modules without any trained parameter stay in evaluation mode, so that their
    batch norms keep their statistics: after training they are the same to the last bit.  Raises HvaeError for a
    pattern that fits no parameter.

    >>> layers = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    >>> Parts(layers, ["0.bias"]).train()
    >>> [name for name, w in layers.named_parameters() if w.requires_grad], layers[0].training, layers[1].training
    (['0.bias'], True, False)
    """

    def __init__(self, model: nn.Module, patterns: Sequence[str]) -> None:
        self.model, self.frozen = model, list[nn.Module]()
        if not patterns:
            return
        names = [name for name, _ in model.named_parameters()]
        free, whole = set(matching(names, patterns)), _from_the_model_on(names, patterns)
        for name, weight in model.named_parameters():
            weight.requires_grad_(name in free and weight.requires_grad)
        self.frozen = [module for name, module in model.named_modules() if _is_frozen(name, module, whole)]

    def train(self) -> None:
        """Training mode for what is trained, evaluation mode for the rest."""
        self.model.train()
        for module in self.frozen:
            module.eval()


def _is_frozen(name: str, module: nn.Module, patterns: Sequence[str]) -> bool:
    weights = list(module.parameters())
    holds_state = bool(weights) or any(True for _ in module.buffers())
    return holds_state and not any(w.requires_grad for w in weights) and not any(_fits(name, p) for p in patterns)


def weights_for(model: nn.Module, run: str | Path) -> dict[str, Tensor]:
    """The weights of a run folder, a weight file or a packaged model that a model may begin with.

    Raises HvaeError when none is there, when no name fits, and for a tensor of another shape.
    """
    path = find(expanded(run)).weights
    weights, own = load_weights(path)[0], model.state_dict()
    shared = [name for name in own if name in weights]
    if not shared:
        raise HvaeError(f"train.init: no tensor of {path} has a name of this model; expected a run of a like model")
    _check_shapes(path, {name: own[name] for name in shared}, weights)
    return weights


def begin_from(model: nn.Module, run: str | Path) -> str:
    """Give a model the weights of a run folder (or of a weight file) where their names fit; what was done, in words.

    Tensors whose names only one of the two has are left as they are, and named.  Raises HvaeError as `weights_for`.
    """
    weights, own = weights_for(model, run), model.state_dict()
    shared = [name for name in own if name in weights]
    model.load_state_dict({name: weights[name] for name in shared}, strict=False)
    rest = _named("start anew", [name for name in own if name not in weights])
    rest += _named("of it left out", [name for name in weights if name not in own])
    return f"{len(shared)} of {len(own)} tensors begin as in {run}{rest}"


def _check_shapes(path: Path, own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    odd = [
        f"{name} {tuple(weights[name].shape)} for {tuple(t.shape)}"
        for name, t in own.items()
        if weights[name].shape != t.shape
    ]
    if odd:
        raise HvaeError(f"train.init: tensors of {path} have other shapes than this model's: {_some(odd)}")


def _named(what: str, names: Sequence[str]) -> str:
    return f"; {what}: {_some(names)}" if names else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
