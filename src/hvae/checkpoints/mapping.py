"""From the weights of another code base to ours: every name and every shape is accounted for, on both sides.

A mapping of a published code base is a module with two functions:

    infer(state, ...) -> (config, shape, bits)     the model that the tensors are of, and the data it is for
    convert(state, config) -> weights              the same tensors under our names, re-ordered where ours differ

`state` is what the file holds, {their name: tensor}; `weights` must be exactly the `state_dict()` of the model that
`hvae.zoo.build(config, shape, bits)` makes, which the import checks again.  This module has what both functions need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from hvae.errors import HvaeError, unknown

SHOWN = 3
"""Most names listed in an error."""

PARALLEL = "module."


def bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state without the prefix that data-parallel training puts before every name.

    >>> import torch
    >>> list(bare({"module.a": torch.zeros(1), "module.b": torch.zeros(1)}))
    ['a', 'b']
    """
    prefix = PARALLEL if state and all(name.startswith(PARALLEL) for name in state) else ""
    return {name.removeprefix(prefix): value for name, value in state.items()}


def tensor(state: Mapping[str, Tensor], name: str, dims: int, what: str) -> Tensor:
    """The tensor of a name with the expected number of axes; `what` names the code base, as in "openai/vdvae".

    Raises HvaeError when it is not there or has other axes: the file is of another model.

    >>> import torch
    >>> tensor({"stem.weight": torch.zeros(1)}, "decoder.gain", 4, "openai/vdvae")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: expected weights of openai/vdvae, found 1 tensors without decoder.gain (stem.weight); ...
    """
    if name not in state:
        others = some(state) or "none"
        raise HvaeError(
            f"expected weights of {what}, found {len(state)} tensors without {name} ({others}); is it another model's?"
        )
    if state[name].ndim != dims:
        raise HvaeError(
            f"expected weights of {what}, where {name} has {dims} axes; found shape {tuple(state[name].shape)}"
        )
    return state[name]


def count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many modules a list holds: the names `prefix` + "0.", "1.", ... must have no gap; 0 where there is none.

    Raises HvaeError for a gap: part of the weights is missing.

    >>> import torch
    >>> count({"up.0.weight": torch.zeros(1), "up.1.weight": torch.zeros(1), "down.7": torch.zeros(1)}, "up.")
    2
    """
    heads = (name[len(prefix) :].partition(".")[0] for name in state if name.startswith(prefix))
    indices = {int(head) for head in heads if head.isdigit()}
    gaps = sorted(set(range(max(indices, default=-1) + 1)) - indices)
    if gaps:
        raise HvaeError(f"the weights hold {prefix}{max(indices)} but not {prefix}{gaps[0]}; the file is incomplete")
    return len(indices)


def compare(actual: Iterable[str], expected: Iterable[str], wrong: str) -> None:
    """Raises HvaeError, beginning with `wrong`, unless both hold the same names."""
    actual, expected = dict.fromkeys(actual), dict.fromkeys(expected)
    missing = [name for name in expected if name not in actual]
    surplus = [name for name in actual if name not in expected]
    parts = [
        f"{len(names)} {kind} ({some(names)})" for kind, names in (("missing", missing), ("unknown", surplus)) if names
    ]
    if parts:
        raise HvaeError(f"{wrong}: {', '.join(parts)}")


def shapes(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor | Sequence[int]], where: str) -> None:
    """Raises HvaeError, beginning with `where`, unless every found tensor has the expected shape."""
    sizes = {name: tuple(want.shape if isinstance(want, Tensor) else want) for name, want in expected.items()}
    odd = [name for name in sizes if tuple(weights[name].shape) != sizes[name]]
    if odd:
        first = f"{odd[0]} has shape {tuple(weights[odd[0]].shape)}, the model wants {sizes[odd[0]]}"
        more = f"; so have {len(odd) - 1} more ({some(odd[1:])})" if odd[1:] else ""
        raise HvaeError(f"{where}: {first}{more}")


def finite(weights: Mapping[str, Tensor], where: str) -> None:
    """Raises HvaeError, beginning with `where`, for the first tensor with NaN or infinity in it."""
    for name, value in weights.items():
        if not bool(value.isfinite().all()):
            raise HvaeError(f"{where}: {name} holds values that are not finite; use an earlier copy or train again")


def fit(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor | Sequence[int]], where: str) -> None:
    """Raises HvaeError, beginning with `where`, unless the weights are those of a model: names, shapes, finite values.

    `expected` is the model's `state_dict()` (a model on the meta device will do), or {name: shape}.

    >>> import torch
    >>> fit({"a": torch.zeros(2), "b": torch.zeros(1)}, {"a": (2,), "c": (1,)}, "x.pt")
    Traceback (most recent call last):
    ...
    hvae.errors.HvaeError: x.pt does not fit its model: 1 missing (c), 1 unknown (b)
    """
    compare(weights, expected, f"{where} does not fit its model")
    shapes(weights, expected, where)
    finite(weights, where)


def some(names: Iterable[str]) -> str:
    """The first few names.

    >>> some(["a", "b", "c", "d"])
    'a, b, c, ...'
    """
    listed = list(names)
    return ", ".join(listed[:SHOWN]) + (", ..." if len(listed) > SHOWN else "")


def only(value: object, choices: Sequence[object], name: str, what: str) -> None:
    """Raises HvaeError unless an argument of a published code base has a supported value."""
    if value not in choices:
        raise HvaeError(f"{what}: {unknown(name, value, map(str, choices))}; this variant is not part of hvae")
