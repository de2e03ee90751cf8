"""Codebooks: which code is nearest, what is coded of a vector, and the gradient that passes the choice.

    k = argmin_j |z - e_j|^2                                       van den Oord et al. 2017, arXiv 1711.00937, eq. (1)

Shapes: `B` batch; `K` codes; `D` numbers of a code; `P` positions; `N` vectors, one for each position of each datum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.errors import HvaeError
from hvae.nn.begin import FromData

ENTRIES = 1 << 22
"""Distances computed at once: 16 MiB in single precision."""


def rows_of(z: Tensor) -> Tensor:
    """A map as vectors: (B, D, *P) -> (N, D)."""
    return z.movedim(1, -1).reshape(-1, z.shape[1])


def nearest(vectors: Tensor, codes: Tensor) -> Tensor:
    """The index of the code (K, D) that is nearest to each vector: (N, D) -> (N,).

    By |e|^2 - 2 z e, which is |z - e|^2 but for what all codes share: (N, K) numbers, a few million at a time, and
    never (N, K, D).

    >>> nearest(torch.tensor([[0.9], [-3.0]]), torch.tensor([[0.0], [1.0], [-1.0]]))
    tensor([1, 2])
    """
    codes = codes.to(vectors)
    squares, chunk = codes.square().sum(1), max(1, ENTRIES // len(codes))
    # Of a reduced precision the differences of squares would have no digits left.
    with torch.autocast(vectors.device.type, enabled=False):
        parts = [torch.addmm(squares, part, codes.t(), alpha=-2).argmin(1) for part in vectors.split(chunk)]
    return torch.cat(parts)


def affinities(z: Tensor, codes: Tensor) -> Tensor:
    """Minus half the squared distances to the codes (K, D), but for |z|^2 / 2, which all share.

    (B, D, *P) -> (B, K, *P).

    >>> affinities(torch.tensor([[[2.0]]]), torch.tensor([[0.0], [2.0]])).flatten()
    tensor([0., 2.])
    """
    with torch.autocast(z.device.type, enabled=False):
        inner = torch.einsum("bd...,kd->bk...", z.to(codes.dtype), codes)
    return inner - 0.5 * codes.square().sum(1).view(-1, *(1 for _ in z.shape[2:]))


def assigned(z: Tensor, codes: Tensor) -> Tensor:
    """The index of the nearest code at each position: (B, D, *P) -> (B, *P)."""
    return nearest(rows_of(z.detach()), codes.detach()).view(len(z), *z.shape[2:])


class Book(nn.Module, ABC):
    """A codebook: `codes` (K, D), and for each vector what is coded of it and the index of its code.

    `fit` is the weight of the codebook loss |sg(z) - e|^2: 0 where the codes follow in another way, or do not move.
    """

    codes: Tensor
    fit: float = 0.0

    @abstractmethod
    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder output (B, D, *P) to the point that its code stands for, (B, D, *P), and the index (B, *P)."""

    @torch.no_grad()
    def search(self, value: Tensor) -> Tensor:
        """Which codes given values are, (B, D, *P) -> (B, *P); by double precision, which tells neighbours apart."""
        return assigned(value.double(), self.codes)

    def forget(self) -> None:
        """Called before each step: what a step that was not taken has left here counts no more."""

    def follow(self) -> None:
        """Called after each step that was taken."""

    def extra_repr(self) -> str:
        return "{} codes of {}".format(*self.codes.shape)


class LentBook(Book):
    """The codebook of another level, which owns it, starts it and moves it; nothing of it is stored here.

    >>> owner = FreeBook(8, 3)
    >>> len(list(LentBook(owner).parameters())), LentBook(owner).codes is owner.codes
    (0, True)
    """

    def __init__(self, owner: Book) -> None:
        super().__init__()
        # In a tuple it is no part of this module: its codes would be stored twice.
        self._lent = (owner,)

    @property
    def codes(self) -> Tensor:  # type: ignore[override]  # of the owner, wherever they are by now
        return self._lent[0].codes

    @property
    def fit(self) -> float:  # type: ignore[override]
        return self._lent[0].fit

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        point, index = self._lent[0](z)
        return point, index


def check_enough(codes: int, data: int, positions: int) -> None:
    """Raises HvaeError for more codes than a batch has vectors for them to start at."""
    if data * positions < codes:
        raise HvaeError(
            f"model.codes: {codes:,} codes start at vectors of the first batch, which has {data * positions:,} "
            f"({data} data, {positions} positions); raise train.batch, or lower model.codes"
        )


def chosen_vectors(z: Tensor, count: int) -> Tensor:
    """So many random ones of the vectors of a map: (B, D, *P) -> (count, D).  Raises HvaeError for too few of them."""
    vectors = rows_of(z.detach())
    check_enough(count, len(z), len(vectors) // len(z))
    return vectors[torch.randperm(len(vectors), device=z.device)[:count]]


def anywhere(codes: Tensor) -> Tensor:
    """Codes as they are: all of space is theirs."""
    return codes


def on_sphere(codes: Tensor) -> Tensor:
    """Codes (K, D) of length 1, for vectors that are compared by their direction alone."""
    return F.normalize(codes, dim=1)


class FreeBook(Book):
    """Codes that are weights, normal at the start, and follow the gradients of whatever they are used in.

    `place` brings them back, after each step, to where codes may be.
    """

    def __init__(self, size: int, dims: int, *, place: Callable[[Tensor], Tensor] = anywhere) -> None:
        super().__init__()
        self.place = place
        self.codes = nn.Parameter(place(torch.randn(size, dims)))

    @torch.no_grad()
    def follow(self) -> None:
        if self.training:  # a frozen book stays as it is, to the last bit
            self.codes.copy_(self.place(self.codes))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z, assigned(z, self.codes)


class LearnedBook(FreeBook, FromData):
    """The same with the codebook loss (eq. 3 of the paper), and a start at vectors of the first batch."""

    fit = 1.0

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        self.codes.copy_(chosen_vectors(x, len(self.codes)))


class LatticeBook(Book):
    r"""Finite scalar quantisation: each of D numbers is bounded and rounded to one of its L_d levels; K = prod L_d.

    $$b = \tfrac{1}{2}(L - 1)(1 + \epsilon) \tanh(z + s) - o, \qquad e = \mathrm{round}(b) / \lfloor L / 2 \rfloor$$

    with o = 1/2 for an even L (else 0) and s such that z = 0 gives b = 0.  Mentzer et al. 2023, arXiv 2309.15505,
    sec. 3.1, whose first number is the fastest of the index.  The codes do not move: no loss, and none dies.

    >>> book = LatticeBook((3, 2))
    >>> book.codes
    tensor([[-1., -1.],
            [ 0., -1.],
            [ 1., -1.],
            [-1.,  0.],
            [ 0.,  0.],
            [ 1.,  0.]])
    >>> book(torch.zeros(1, 2, 1))[1]
    tensor([[4]])
    """

    levels: Tensor

    def __init__(self, levels: Sequence[int], eps: float = 1e-3) -> None:
        super().__init__()
        sizes = torch.tensor(tuple(levels))
        self.eps = eps
        self.register_buffer("levels", sizes, persistent=False)
        self.register_buffer("basis", torch.cumprod(torch.cat([sizes.new_ones(1), sizes[:-1]]), 0), persistent=False)
        digits = torch.arange(prod(levels))[:, None] // self.basis % sizes
        half = sizes // 2
        self.register_buffer("codes", (digits - half) / half, persistent=False)

    basis: Tensor

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        column = (1, -1, *(1 for _ in z.shape[2:]))
        levels, basis = self.levels.view(column), self.basis.view(column)
        half, reach, offset = levels // 2, (levels - 1) * (1 + self.eps) / 2, 0.5 * (levels % 2 == 0)
        bounded = (z + torch.atanh(offset / reach)).tanh() * reach - offset
        index = ((bounded.detach().round().long() + half) * basis).sum(1)
        return bounded / half, index


def straight_through(z: Tensor, code: Tensor) -> Tensor:
    """The code, with the gradient of z as it is: van den Oord et al. 2017, sec. 3.2."""
    # A difference that is exactly zero: the value is the code to the last bit.
    return code.detach() + (z - z.detach())


def rotated(z: Tensor, code: Tensor, eps: float = 1e-6) -> Tensor:
    r"""The code, with the gradient of z turned and stretched as z would have to be to become it.

    $$\frac{\lVert e \rVert}{\lVert z \rVert} R\, z, \qquad R = I - 2 r r^T + 2 \hat e \hat z^T, \quad
      r = \frac{\hat z + \hat e}{\lVert \hat z + \hat e \rVert}$$

    Fifty et al. 2024, arXiv 2410.06424, sec. 4, all but z constant.  Both (B, D, *P).
    """
    here, there = z.detach(), code.detach()
    length, goal = here.norm(dim=1, keepdim=True), there.norm(dim=1, keepdim=True)
    a, b = here / length.clamp(min=eps), there / goal.clamp(min=eps)
    r = F.normalize(a + b, dim=1, eps=eps)
    turned = z - 2 * r * (r * z).sum(1, keepdim=True) + 2 * b * (a * z).sum(1, keepdim=True)
    return straight_through(goal / length.clamp(min=eps) * turned, code)


class UnitLength(nn.Module):
    """Vectors (B, D, *P) to their directions: codes are then found by cosine."""

    def forward(self, z: Tensor) -> Tensor:
        return F.normalize(z, dim=1)
