"""The registry from distributions to their coding forms.

A law is looked up by its exact class.  A subclass may have another log_prob, so it must be registered itself;
unregistered distributions are refused.

Shapes: `B` batch; `N` all elements, (B, ...) flattened; `K` symbols, `L` of them levels of data; `...` the event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from hvae.coding.entropy.bins import Bins, EqualMass
from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.forms import Continuous, Form
from hvae.coding.entropy.mixtures import TO_UNIT, WEIGHT_BITS, integers
from hvae.coding.entropy.steady import Uncodable
from hvae.coding.entropy.symbols import Binned, Certain, Code, Counted, Cumulative, Flat, Table
from hvae.distributions import (
    Distribution,
)
from hvae.distributions.discrete import level_of
from hvae.errors import HvaeError

_SLACK = 1e-3
L = TypeVar("L", bound=Distribution)
_How = Callable[[Any], Form | None]
FORMS: dict[type[Distribution], _How] = {}
BUILT_IN: set[type[Distribution]] = set()


@dataclass(frozen=True, eq=False)
class Discrete(Form):
    """A variable of `levels` symbols, 0 .. levels - 1, one of them for each element; see `masses`.

    `data` and `latent` give its code as data (digits of a large alphabet) and as a latent; `values` maps symbols (N,)
    to the value of the variable.  Data are the values k / (levels - 1), or k `unit` where that is not 0.
    """

    levels: int
    data: Callable[[], Code]
    latent: Callable[[], Code]
    values: Callable[[Ints], Tensor]
    unit: float = 0.0

    def symbols(self, value: Tensor) -> Ints:
        """The symbols (N,) of a value of the variable as data."""
        whole = (value / self.unit).round() if self.unit else level_of(value, self.levels)
        return whole.long().reshape(-1).numpy()


@dataclass(frozen=True, eq=False)
class Listed(Form):
    """A map of codes: rows of `book` (K, D) at the places of a `size` (B, *P), coded some at a time.

    `fill` asks for them by a code for the next N, position by position, all rows of each: the indices (B, *P).
    """

    book: Tensor
    size: tuple[int, ...]
    fill: Callable[[Callable[[Cumulative], Ints]], Tensor]


def masses(probabilities: Tensor, values: Callable[[Ints], Tensor] | None = None) -> Discrete:
    """A variable with a table of probabilities, (B, K, ...), where `...` is the event.

    `values` turns symbols (N,), those of (B, ...) flattened, into the value of the variable; k / (K - 1) otherwise.
    Raises HvaeError for invalid probabilities.
    """
    p = probabilities.detach().double()
    if p.ndim < 2 or not bool((p >= 0).all() and ((p.sum(1) - 1).abs() < _SLACK).all()):
        raise HvaeError(f"expected probabilities (B, K, ...) that sum to 1 over K, got others of {tuple(p.shape)}")
    return unchecked_masses(p, values or (lambda symbols: on_grid(symbols, probabilities[:, 0], p.shape[1])))


def unchecked_masses(p: Tensor, values: Callable[[Ints], Tensor]) -> Discrete:
    """The form of symbols with probabilities (B, K, ...) that are known to be some."""
    return Discrete(
        p.shape[1],
        data=lambda: Counted(integers(p) << TO_UNIT),
        latent=lambda: _table(integers(p)),
        values=values,
    )


def _table(counts: Ints) -> Code:
    """The code of a latent with masses (N, K); of one that is certain, as that of a vector-quantised level under q."""
    certain = (counts == 1 << WEIGHT_BITS).any(1).all()
    return Certain(counts.argmax(1)) if certain else Table(counts)


def on_grid(symbols: Ints, like: Tensor, levels: int) -> Tensor:
    """Symbols (N,) as values in [0, 1], of the shape and type of `like`."""
    return torch.from_numpy(symbols).reshape(like.shape).to(like.dtype) / (levels - 1)


def register(law: type[L]) -> Callable[[Callable[[L], Form | None]], Callable[[L], Form | None]]:
    """Register a user's distribution with the codecs: decorates a function from it to its `Form`, or None if uncodable.

    Register where the law is defined, so that each process that codes knows it, and decode with the same function.
    Raises HvaeError for a class that is no distribution, and for one that the library codes itself.

    >>> from hvae.distributions import Bernoulli
    >>> class Coin(Bernoulli):
    ...     "Heads with a probability of its own."
    >>> @register(Coin)
    ... def _(law: Coin) -> Form:
    ...     p = law.mean()
    ...     return masses(torch.stack([1 - p, p], 1))
    >>> data(Coin(torch.zeros(1, 2))).size
    2
    """
    if not (isinstance(law, type) and issubclass(law, Distribution)):
        raise HvaeError(f"expected a class of distributions to register, got {law!r}")
    if law in BUILT_IN:
        raise HvaeError(f"{law.__name__} is coded by the library itself; register a subclass of it")

    def keep(how: Callable[[L], Form | None]) -> Callable[[L], Form | None]:
        FORMS[law] = how
        return how

    return keep


def form(law: Distribution | None) -> Form | None:
    """The coding form of a distribution; None if it is not registered.

    Raises HvaeError for a registered function that returns something else.
    """
    how = None if law is None else FORMS.get(type(law))
    if how is None:
        return None
    result = how(law)
    if result is not None and not isinstance(result, Form):
        raise HvaeError(f"expected the function registered for {type(law).__name__} to return a form, got {result!r}")
    return result


def continuous(law: Distribution | None) -> Continuous:
    """The form of a latent that needs bins.  Raises Uncodable for any other."""
    own = form(law)
    if not isinstance(own, Continuous):
        raise Uncodable(
            f"expected Gaussian or categorical latents, got {law!r}, whose mass in a bin has no closed form; "
            "train with Gaussians (without flows) to compress, or register the law (hvae.coding.register)"
        )
    return own


def latent(law: Distribution, bins: Bins) -> Code:
    """The code of a continuous latent over bins.  Raises Uncodable for any other."""
    own = continuous(law)
    if isinstance(bins, EqualMass) and bins.law is law:
        return Flat(len(own.parameters.loc), bins.bits)
    return Binned(own.parameters, own.standard.curve(), bins)


def symbolic(law: Distribution) -> Discrete:
    """The form of data.  Raises Uncodable for a density, and for laws of fewer bits than the data."""
    own = form(law)
    if not isinstance(own, Discrete):
        raise Uncodable(
            f"{law!r} gives no probability to each level of the data, so it codes nothing losslessly; "
            "train with --model.likelihood dmol (bernoulli for binary data), or register the law (hvae.coding.register)"
        )
    return own


def data(law: Distribution) -> Code:
    """The code of data, whose symbols are their levels.  Raises Uncodable for what `symbolic` refuses."""
    return symbolic(law).data()


def levels_of(law: Distribution) -> int:
    """How many values each datum of a codable law can take."""
    return symbolic(law).levels
