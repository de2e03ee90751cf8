"""The description inside a weights file, checked against its tensors before anything is built.

A description may ask for ten million levels, or for layers of a billion channels.  The tensors beside it cannot lie
about their sizes: a model is described first without memory (on the meta device), no further than there are tensors
for it, and is built only where every name and every shape agrees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from hvae.checkpoints.mapping import fit
from hvae.checkpoints.skeletons import SKELETON, is_skeleton
from hvae.config.columns import MOST_NAMES, MOST_WHOLES
from hvae.config.counts import least_tensors
from hvae.config.model import FlowingConfig, ModelConfig
from hvae.config.parse import plain
from hvae.errors import HvaeError
from hvae.records import JSON, Each, check
from hvae.zoo import build

MOST_VALUES = 2**26
"""Values of one datum: an image of 4,700 x 4,700 in colour."""
MOST_BITS = 16
_SIZE = 2**20
"""A size of a model is a tensor's size, a number of tensors, or at most this."""
_REGISTERED = 2
"""Parameters to a tensor: no family has more than one, but a layer may set one twice."""

SEQUENCES = {
    "kind": str,
    "step": str,
    "frames?": Each(int),
    **dict.fromkeys(("longest?", "rate?", "frame?", "lowest?"), int),
    "seconds?": float,
    **dict.fromkeys(("law?", "joint?"), str),
    **{key: [str] for key in ("symbols?", "merges?")},
    **{key: [float] for key in ("mean?", "scale?")},
    "skeleton?": (None, SKELETON),
}
"""The schema of `hvae.data.sequences.form.SequenceForm`."""
_KINDS, _LAWS = ("rolls", "text", "audio", "motion", "video"), ("", "linear", "mu")
MOST_RATE, MOST_PITCH, MOST_CAPTION = 10**6, 127, 4096
"""Samples a second, the highest pitch of MIDI, and the most tokens of a caption."""
TALLY = {
    **dict.fromkeys(("files?", "used?", "pages?", "further?", "classes?", "turned?"), int),
    **dict.fromkeys(("unused?", "duplicates?"), Each(int)),
    "bad?": [[str]],
    "noun?": str,
}
"""The schema of `hvae.data.tally.Tally`."""
PROVENANCE = {
    "name": str,
    "source": str,
    "sizes": Each(int),
    "checksums": Each(str),
    "bits": int,
    "shape": [int],
    "binarisation": str,
    "version": str,
    "transforms": [str],
    "tally?": TALLY,
    "sequences?": (None, SEQUENCES),
    "captions?": (None, SEQUENCES),
    "columns?": Each(({"names": [str]}, {"whole": [int]}, [float])),
}
"""The schema of `hvae.data.Provenance`."""
IMPORTED = {"file": str, "bytes": int, "sha256": str}
"""The schema of the origin of imported weights."""
_ALWAYS, _SINCE = ("name", "code", "data", "expected", "protocol"), ("address", "licence", "tested", "split", "note")
PUBLISHED = {**IMPORTED, **dict.fromkeys(_ALWAYS, str), **{f"{name}?": (None, str) for name in _SINCE}}
"""The schema of the origin of published weights."""
_FORM = {
    **{"config": Each(object), "shape": [int], "bits": int, "step": int, "data": Each(object)},
    **{"classes?": [str], "imported?": IMPORTED},
}


def check_description(description: JSON) -> None:
    """Raises HvaeError, naming the key, for a description with missing keys, wrong types or sizes out of bounds."""
    check(description, _FORM)
    if description["data"]:  # weights that were imported are of data that nobody has seen
        check(description["data"], PROVENANCE, "data")
    imported = description.get("imported", {})
    if any(name in imported for name in _ALWAYS):
        check(imported, PUBLISHED, "imported")
    shape, bits, step = (description[key] for key in ("shape", "bits", "step"))
    if len(shape) not in (1, 2, 3, 4) or min(shape) < 1 or math.prod(shape) > MOST_VALUES:
        forms = "(D,) or (C, H, W), or a sequence of T such steps"
        raise HvaeError(f"shape: expected {forms}, of 1 to {MOST_VALUES:,} values, got {str(shape)[:80]}")
    if not 0 <= bits <= MOST_BITS:
        raise HvaeError(f"bits: expected 1 to {MOST_BITS}, or 0 for real numbers, got {bits:.3g}")
    if step < 0:
        raise HvaeError(f"step: expected 0 or more, got {step:.3g}")
    columns = description["data"].get("columns", {})
    if columns and not (len(columns) == math.prod(shape) and all(map(_is_column, columns.values()))):
        raise HvaeError(
            f"data.columns: expected the smallest and largest number, or the names, of {math.prod(shape):,} columns"
        )
    if description["data"].get("sequences"):
        _check_sequences(description["data"]["sequences"], shape, description["config"])
    if description["data"].get("captions"):
        _check_captions(description["data"]["captions"])


def _check_captions(form: JSON) -> None:
    """Raises HvaeError for a form of captions that is none of a text, or asks for much more than captions have."""
    if form["kind"] != "text" or len(form.get("symbols", [])) < 2 or not 1 <= form.get("longest", 0) <= MOST_CAPTION:
        raise HvaeError(
            f"data.captions: expected symbols of a text of 1 to {MOST_CAPTION:,} tokens, got something else"
        )


def _is_column(record: JSON | Sequence[float]) -> bool:
    """Whether this is a range, or names of their own, of no more than a model could have."""
    if not isinstance(record, Mapping):
        return len(record) == 2 and record[0] <= record[1]
    if "names" in record:
        return 1 <= len(set(record["names"])) == len(record["names"]) <= MOST_NAMES
    low, high = (*record["whole"], 0, 0)[:2]
    return len(record["whole"]) == 2 and 1 <= high - low < MOST_WHOLES


def _check_sequences(form: JSON, shape: Sequence[int], config: JSON) -> None:
    """Raises HvaeError for a form of sequences that is not one of steps of this shape, or of this model's symbols."""
    kind, values = (
        form["kind"],
        {"rate": 0, "frame": 1, "longest": 0, "seconds": 0, "lowest": 0, "law": "", **form},
    )
    mean, scale = form.get("mean", []), form.get("scale", [])
    model = config.get("model")
    vocabulary = model.get("vocabulary") if isinstance(model, dict) else 0
    most = vocabulary if isinstance(vocabulary, int) else 0
    expected = {
        f"kind among {', '.join(_KINDS)}": kind in _KINDS,
        "law linear or mu": values["law"] in _LAWS,
        f"rate from 0 to {MOST_RATE:,}": 0 <= values["rate"] <= MOST_RATE and (values["rate"] > 0 or kind != "audio"),
        "frame as in shape": values["frame"] == (shape[-1] if kind == "audio" else 1),
        "longest and seconds of 0 or more": values["longest"] >= 0 and values["seconds"] >= 0,
        f"lowest from 0 to {MOST_PITCH}": 0 <= values["lowest"] <= MOST_PITCH,
        "no more symbols than model.vocabulary": kind != "text" or 2 <= len(form.get("symbols", [])) <= most,
        "a mean and a scale, 0 or more, of every number": len(mean) == len(scale) and min(scale, default=0) >= 0,
        "a skeleton of joints below earlier ones, with a channel for every number": is_skeleton(
            form.get("skeleton"), len(mean)
        ),
        "as many numbers that vary as shape": kind != "motion" or sum(one > 0 for one in scale) == shape[-1],
    }
    for what, holds in expected.items():
        if not holds:
            raise HvaeError(f"data.sequences: expected {what}, got something else")


def check_weights(
    weights: Mapping[str, Tensor], config: ModelConfig, shape: Sequence[int], bits: int, where: str
) -> None:
    """Raises HvaeError, beginning with `where`, unless the weights are those of the model that is described.

    Time and memory are bounded by those of the model that the weights belong to.
    """
    _check_sizes(config, sum(t.numel() for t in weights.values()))
    with torch.device("meta"), _Unfilled(), at_most(config, _REGISTERED * (len(weights) + 1), "there are tensors"):
        expected = build(config, shape=shape, bits=bits).state_dict()
    fit(weights, expected, where)
    for name, value in expected.items():
        if weights[name].is_floating_point() != value.is_floating_point():
            raise HvaeError(f"{where}: expected {value.dtype} in {name}, found {weights[name].dtype}")


def _check_sizes(config: ModelConfig, numbers: int) -> None:
    """Raises HvaeError for a size that no model of so many numbers can have."""
    values = dict(_each(plain(config)))
    for name, value in values.items():
        for size in value if isinstance(value, list) else [value]:
            if isinstance(size, int) and size > max(numbers, _SIZE):
                raise HvaeError(f"model.{name}: got {size:.3g}, but all tensors together hold {numbers:,} numbers")
    if isinstance(config, FlowingConfig):
        # The networks of flows are built with their memory: which weights they have is computed.
        least = config.flow.least_weights(min(values.get("latents") or [values.get("latent", 1)]))
        if least > numbers:
            raise HvaeError(f"model.flow: got {least:.3g} weights, but all tensors together hold {numbers:,} numbers")


def _each(values: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a configuration, those of its sections by their dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _each(value, f"{where}{name}.")
        else:
            yield where + name, value


class _Unfilled(TorchFunctionMode):
    """On the meta device: initialisation is skipped, and arithmetic computes shapes alone.

    The device could do both, but imports a compiler for it first, which takes seconds.  What is built on another device
    meanwhile, since its sizes are computed from numbers, is left as it is.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name: str = getattr(func, "__name__", "")
        if _elsewhere(args, kwargs or {}):
            return func(*args, **(kwargs or {}))
        if name in _SAME or (name.endswith("_") and not name.endswith("__")):
            return args[0] if args else kwargs["tensor"]
        if name in ("randn", "rand") or (name == "arange" and len(args) == 1):
            return torch.empty(*args)
        if name == "linalg_vector_norm" and kwargs["keepdim"]:
            return torch.empty([1 if i in kwargs["dim"] else n for i, n in enumerate(args[0].shape)])
        if name == "repeat" and args[0].ndim == len(args) - 1:
            return torch.empty([n * times for n, times in zip(args[0].shape, args[1:], strict=True)])
        if name == "cat":
            return _joined(*args)
        if name.strip("_") in _ELEMENTWISE:
            return torch.empty(np.broadcast_shapes(*(a.shape for a in args if isinstance(a, Tensor))))
        return func(*args, **(kwargs or {}))


def _elsewhere(args: Any, kwargs: Any) -> bool:
    """Whether a call makes or changes what is stored on a device that was named."""
    if kwargs.get("device") is not None:
        return torch.device(kwargs["device"]).type != "meta"
    first = args[0][0] if args and isinstance(args[0], list | tuple) and args[0] else (args or [None])[0]
    return isinstance(first, Tensor) and not first.is_meta


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    shape = list(tensors[0].shape)
    shape[dim] = sum(t.shape[dim] for t in tensors)
    return torch.empty(shape)


_SAME = ("clone", "flip", "normalize", "log", "exp", "sqrt", "square", "neg")
_ELEMENTWISE = ("mul", "rmul", "add", "radd", "sub", "rsub", "div", "truediv", "floordiv", "lt", "le", "gt", "ge")


@contextmanager
def at_most(config: ModelConfig, parameters: int, reason: str) -> Iterator[None]:
    """Stop building a model that has more parameter tensors than `parameters`: HvaeError with the reason.

    Building does not begin where the counts of the configuration exceed that.
    """
    too_deep = HvaeError(f"the configuration asks for many more layers than {reason}")
    if least_tensors(config) > parameters:
        raise too_deep
    count = 0

    def counted(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        nonlocal count
        count += 1
        if count > parameters:
            raise too_deep

    handle = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()
