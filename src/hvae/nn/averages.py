"""Codebooks that follow what they code: each code is a running mean of the vectors it stands for.

    N_k <- g N_k + (1 - g) n_k,  m_k <- g m_k + (1 - g) sum of the z of code k        van den Oord et al. 2017,
    e_k = m_k / N_k                                                            arXiv 1711.00937, appendix A.1, g = 0.99

Both averages start at zero, so that m_k / N_k is a weighted mean of vectors of code k from the first step on: the
factor 1 / (1 - g^t) that would debias either of them cancels.  A code that stands for too few vectors is dead, and
begins anew at a vector of the batch.  The codes move after a step that was taken, never in a forward pass.

Shapes: `K` codes; `D` numbers of a code; `P` positions; `N` vectors, one for each position of each datum.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hvae.nn.begin import FromData
from hvae.nn.codebook import Book, assigned, chosen_vectors, on_sphere, rows_of

GONE = 1e-12
"""A mean count below which a code keeps its place: its sums have no digits left."""
Renew = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(mean sums (K, D), mean counts (K,), codes (K, D)) -> codes (K, D)."""


def means(total: Tensor, count: Tensor, codes: Tensor) -> Tensor:
    """Sums over counts; a code that no vector has had for long stays where it is."""
    is_used = (count > GONE)[:, None]
    return torch.where(is_used, total / count.clamp(min=GONE)[:, None], codes)


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
        index = assigned(z, self.codes)
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
