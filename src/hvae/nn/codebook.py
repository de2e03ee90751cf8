r"""Codebooks: which code is nearest, and how the codes follow what is coded.

    k = argmin_j |z - e_j|^2                                       van den Oord et al. 2017, arXiv 1711.00937, eq. (1)
    N_k <- g N_k + (1 - g) n_k,  m_k <- g m_k + (1 - g) sum of the z of code k                    appendix A.1, g = 0.99
    e_k = m_k / N_k

Both averages start at zero, so that m_k / N_k is a weighted mean of vectors of code k from the first step on: the
factor 1 / (1 - g^t) that would debias either of them cancels.  A code that stands for too few vectors is dead, and
begins anew at a vector of the batch.  The codes move after a step that was taken, never in a forward pass.

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
GONE = 1e-12
"""A mean count below which a code keeps its place: its sums have no digits left."""


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


def _assigned(z: Tensor, codes: Tensor) -> Tensor:
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
        return _assigned(value.double(), self.codes)

    def forget(self) -> None:
        """Called before each step: what a step that was not taken has left here counts no more."""

    def follow(self) -> None:
        """Called after each step that was taken."""

    def extra_repr(self) -> str:
        return "{} codes of {}".format(*self.codes.shape)


def chosen_vectors(z: Tensor, count: int) -> Tensor:
    """So many random ones of the vectors of a map: (B, D, *P) -> (count, D).  Raises HvaeError for too few of them."""
    vectors = rows_of(z.detach())
    if len(vectors) < count:
        raise HvaeError(
            f"model.codes: {count:,} codes start at vectors of the first batch, which has {len(vectors):,} "
            f"({len(z)} data, {len(vectors) // len(z)} positions); raise train.batch, or lower model.codes"
        )
    return vectors[torch.randperm(len(vectors), device=z.device)[:count]]


def anywhere(codes: Tensor) -> Tensor:
    """Codes as they are: all of space is theirs."""
    return codes


def on_sphere(codes: Tensor) -> Tensor:
    """Codes (K, D) of length 1, for vectors that are compared by their direction alone."""
    return F.normalize(codes, dim=1)


class LearnedBook(Book, FromData):
    """Codes that are weights: the gradient of the codebook loss moves them (eq. 3 of the paper).

    `place` brings them back, after each step, to where codes may be.
    """

    fit = 1.0

    def __init__(self, size: int, dims: int, *, place: Callable[[Tensor], Tensor] = anywhere) -> None:
        super().__init__()
        self.place = place
        self.codes = nn.Parameter(place(torch.randn(size, dims)))

    @torch.no_grad()
    def follow(self) -> None:
        if self.training:  # a frozen book stays as it is, to the last bit
            self.codes.copy_(self.place(self.codes))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z, _assigned(z, self.codes)

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        self.codes.copy_(chosen_vectors(x, len(self.codes)))


Renew = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(mean sums (K, D), mean counts (K,), codes (K, D)) -> codes (K, D)."""


def means(total: Tensor, count: Tensor, codes: Tensor) -> Tensor:
    """Sums over counts; a code that no vector has had for long stays where it is."""
    seen = (count > GONE)[:, None]
    return torch.where(seen, total / count.clamp(min=GONE)[:, None], codes)


def unit_means(total: Tensor, count: Tensor, codes: Tensor) -> Tensor:
    """The same of length 1."""
    return on_sphere(means(total, count, codes))


def smoothed(total: Tensor, count: Tensor, codes: Tensor, eps: float = 1e-5) -> Tensor:
    r"""Sums over counts with Laplace smoothing, as released codes have it.

    $$\tilde N_k = \frac{N_k + \epsilon}{\sum_j N_j + K \epsilon} \sum_j N_j$$

    With counts that start at 0 and sums that start at the codes, a code without a vector is multiplied with about
    1 / eps in the first step.
    """
    mass = count.sum()
    return total / ((count + eps) / (mass + len(count) * eps) * mass)[:, None]


class AveragedBook(Book):
    """Codes that are running means of the vectors they stand for.

    Arguments: `size` K and `dims` D; `decay` of the means; `renew`, how sums and counts become codes; `count` and
    `anchored`, what both start from: a count for each code, and for sums 0 or the codes themselves.

    `AveragedBook(K, D, renew=smoothed, anchored=1.0)` are the buffers of rosinality/vq-vae-2-pytorch, with `count=1.0`
    those of lucidrains/vector-quantize-pytorch.
    """

    count: Tensor
    total: Tensor
    steps: Tensor

    def __init__(
        self,
        size: int,
        dims: int,
        *,
        decay: float = 0.99,
        renew: Renew = means,
        count: float = 0.0,
        anchored: float = 0.0,
    ) -> None:
        super().__init__()
        self.decay, self.renew = decay, renew
        self.register_buffer("codes", torch.randn(size, dims))
        self.register_buffer("count", torch.full((size,), count))
        self.register_buffer("total", anchored * self.codes)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.pending: list[tuple[Tensor, Tensor]] = []

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        index = _assigned(z, self.codes)
        if self.training:
            self.pending.append((rows_of(z.detach()), index.flatten()))
        return z, index

    def forget(self) -> None:
        self.pending.clear()

    @torch.no_grad()
    def follow(self) -> None:
        if not self.pending:
            return
        vectors, index = (torch.cat(parts) for parts in zip(*self.pending, strict=True))
        self.pending.clear()
        self._average(vectors.to(self.codes), index)
        self.codes.copy_(self.renew(self.total, self.count, self.codes))
        self.settle(vectors.to(self.codes))

    def _average(self, vectors: Tensor, index: Tensor) -> None:
        counts = torch.bincount(index, minlength=len(self.codes)).to(self.count)
        sums = torch.zeros_like(self.total).index_add_(0, index, vectors)
        self.count.lerp_(_over_processes(counts), 1 - self.decay)
        self.total.lerp_(_over_processes(sums), 1 - self.decay)
        self.steps += 1

    def settle(self, vectors: Tensor) -> None:
        """Called with the vectors (N, D) of the step once the codes have moved."""

    def dead(self, share: float) -> Tensor:
        """Which codes have stood for less than this share of the vectors that a code stands for on average, (K,)."""
        return self.count < share * self.count.mean()

    def perplexity(self) -> Tensor:
        """How many codes the running counts are worth, between 1 and K; 1 before the first step."""
        return perplexity(self.count)


class LivingBook(AveragedBook, FromData):
    """An `AveragedBook` that starts at vectors of the first batch, and whose dead codes begin anew.

    `expiry` is the share of the mean count below which a code is dead (0: never).  It is looked at once the running
    counts have a memory, after 1 / (1 - decay) steps.  A code that begins anew at a random vector of the batch gets the
    mean count and the sum that belongs to it, so that it stays there until vectors of its own have moved it, or it has
    gone without them for as long as the counts remember.
    """

    def __init__(
        self, size: int, dims: int, *, decay: float = 0.99, renew: Renew = means, expiry: float = 0.05
    ) -> None:
        super().__init__(size, dims, decay=decay, renew=renew)
        self.expiry = expiry

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        self.codes.copy_(chosen_vectors(x, len(self.codes)))

    def settle(self, vectors: Tensor) -> None:
        if self.expiry and int(self.steps) >= round(1 / (1 - self.decay)):
            self._revive(self.dead(self.expiry), vectors)

    def _revive(self, dead: Tensor, vectors: Tensor) -> None:
        mean = self.count.mean()
        picks = torch.randint(len(vectors), (len(dead),), device=vectors.device)
        # One choice for all codes and not one a dead code: the same random numbers are used however many are dead.
        fresh, those = _of_first_process(vectors[picks]), dead[:, None]
        self.codes.copy_(torch.where(those, fresh, self.codes))
        self.total.copy_(torch.where(those, fresh * mean, self.total))
        self.count.copy_(torch.where(dead, mean, self.count))


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


def perplexity(count: Tensor) -> Tensor:
    r"""$\exp(-\sum_k p_k \log p_k)$ of counts (K,) or their means: 1 if one code is all that occurs, K if all do alike.

    >>> perplexity(torch.tensor([3.0, 3.0, 0.0])), perplexity(torch.zeros(4))
    (tensor(2.), tensor(1.))
    """
    share = count / count.sum().clamp(min=torch.finfo(count.dtype).tiny)
    return torch.special.entr(share).sum().exp()


def _over_processes(t: Tensor) -> Tensor:
    """The mean over processes that train together."""
    if _alone():
        return t
    torch.distributed.all_reduce(t)
    return t / torch.distributed.get_world_size()


def _of_first_process(t: Tensor) -> Tensor:
    if not _alone():
        torch.distributed.broadcast(t, 0)
    return t


def _alone() -> bool:
    together = torch.distributed
    return not (together.is_available() and together.is_initialized() and together.get_world_size() > 1)
