r"""Spectral regularisation: the sum of the largest singular values of all kernels.

Shapes: `N` kernels of one shape; `R` output channels; `C` inputs of one, k x k x channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.nn.lengths import Factors, along, scale

BLOCK = 1 << 16
"""Numbers of kernels that are iterated together on a processor, where large ones are quicker one by one (121 of 256 x
2304, four rounds on one core: 113 ms together, 53 one by one)."""
ITERATIONS = 4
# From random vectors; after that they follow the weights, which move little in a step.
FIRST = 10 * ITERATIONS

Size = tuple[int, int]


class Spectral(nn.Module):
    r"""$\sum_i \sigma_1(W_i)$, each largest singular value by power iteration.

    $$v \leftarrow \frac{W^\top u}{\lVert W^\top u \rVert}, \quad u \leftarrow \frac{W v}{\lVert W v \rVert}, \quad
      \sigma_1 \approx u^\top W v$$

    Yoshida and Miyato 2017, arXiv 1705.10941; for VAEs Vahdat and Kautz 2020, arXiv 2007.03898, sec. 3.2: without a
    bound on how steep the networks are, the KL of a deep hierarchy has none.  Small kernels of one shape are one batch.
    The vectors u are buffers (v follows from u), so that a run that is resumed goes on as if it had not stopped.  In
    evaluation mode nothing is stored.

    Argument: `sizes`, R x C of each kernel in the order in which `forward` will get them.
    """

    rounds: Tensor

    def __init__(self, sizes: Sequence[Size]) -> None:
        super().__init__()
        self.counts = Counter(sizes)
        for (r, c), n in self.counts.items():
            self.register_buffer(f"left_{r}x{c}", F.normalize(torch.randn(n, r)))  # (N, R)
        self.register_buffer("rounds", torch.zeros((), dtype=torch.int64))
        # A number of its own, since asking a device for `rounds` in every step would make it wait.
        self._begun = False
        self.register_load_state_dict_post_hook(Spectral._ask_again)

    @staticmethod
    def _ask_again(module: nn.Module, keys: object) -> None:
        assert isinstance(module, Spectral)
        module._begun = False

    def forward(self, kernels: Sequence[Factors]) -> Tensor:
        """The sum of all largest singular values; `kernels` are (R, ...) each, in the order of `sizes`."""
        groups: dict[Size, list[Factors]] = {size: [] for size in self.counts}
        for kernel in kernels:
            groups[len(kernel.direction), kernel.direction[0].numel()].append(kernel)
        iterations = self._iterations()
        sums = [part for size, group in groups.items() for part in self._parts(group, iterations, size)]
        return torch.stack(sums).sum()

    def _iterations(self) -> int:
        first = not self._begun and int(self.rounds) == 0
        if self.training:
            self.rounds += 1
            self._begun = True
        return FIRST if first else ITERATIONS

    def _parts(self, group: Sequence[Factors], iterations: int, size: Size) -> Iterator[Tensor]:
        """The sums of blocks of the kernels of one shape, of which all or none are given lengths."""
        left, start = self.get_buffer(f"left_{size[0]}x{size[1]}"), 0
        count = max(1, BLOCK // (size[0] * size[1])) if left.device.type == "cpu" else len(group)
        for _, alike in groupby(group, lambda kernel: kernel.log_length is None):
            kernels = list(alike)
            for at in range(0, len(kernels), count):
                block = kernels[at : at + count]
                yield self._sum(block, iterations, left[start : start + len(block)])
                start += len(block)

    def _sum(self, kernels: Sequence[Factors], iterations: int, left: Tensor) -> Tensor:
        # In bf16 the vectors would never settle.
        with torch.autocast(left.device.type, enabled=False):
            matrices = _stacked([kernel.direction.flatten(1) for kernel in kernels])
            log_lengths = [kernel.log_length.flatten() for kernel in kernels if kernel.log_length is not None]
            total, u = steepness(matrices, _stacked(log_lengths) if log_lengths else None, left, iterations)
            if self.training:
                # A kernel of zeros has no direction: it begins again from the one before, since none follows from zero.
                left.copy_(torch.where(u.any(1, keepdim=True), u, left))
            return total

    def extra_repr(self) -> str:
        return f"{self.counts.total()} kernels of {len(self.counts)} shapes"


def _stacked(some: Sequence[Tensor]) -> Tensor:
    """Along a new first dimension; of a single one without a copy."""
    return torch.stack(tuple(some)) if len(some) > 1 else some[0][None]


def steepness(matrices: Tensor, log_lengths: Tensor | None, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """The sum of the largest singular values of matrices (N, R, C), whose rows are given lengths (N, R) or are as they
    are, and their left singular vectors (N, R), by iteration from u.

    >>> total, u = steepness(torch.diag(torch.tensor([3.0, 1.0]))[None], None, torch.ones(1, 2), 20)
    >>> total, u.round()
    (tensor(3.), tensor([[1., 0.]]))
    """
    still = matrices.detach()
    if log_lengths is None:
        u, v = singular_vectors(still, torch.ones_like(u), u, iterations)
        plain: Tensor = _Steepness.apply(matrices, u, v)
        return plain, u
    lengths = torch.linalg.vector_norm(still, dim=2)
    u, v = singular_vectors(still, scale(lengths, log_lengths.detach()), u, iterations)
    total: Tensor = _GivenSteepness.apply(matrices, log_lengths, lengths, u, v)
    return total, u


@torch.no_grad()
def singular_vectors(matrices: Tensor, scales: Tensor, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """The first left and right singular vectors, (N, R) and (N, C), of matrices (N, R, C) whose rows are multiplied by
    scales (N, R), beginning with u.

    >>> u, v = singular_vectors(torch.eye(2)[None], torch.tensor([[3.0, 1.0]]), torch.full((1, 2), 0.5), 20)
    >>> u.round(), v.round()
    (tensor([[1., 0.]]), tensor([[1., 0.]]))
    """
    scales, left, right = scales.unsqueeze(1), u.unsqueeze(1), u.new_empty(0)  # as rows, (N, 1, R) and (N, 1, C)
    for _ in range(iterations):
        right = _unit(torch.bmm(scales * left, matrices))
        left = _unit(scales * torch.bmm(matrices, right.mT).mT)
    return left.squeeze(1), right.squeeze(1)


def _through(matrices: Tensor, v: Tensor) -> Tensor:
    return (matrices @ v[:, :, None])[:, :, 0]  # (N, R)


class _Steepness(torch.autograd.Function):
    r"""$\sum_n u_n^\top V_n v_n$ for given vectors, whose slope $u v^\top$ is written once."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, u: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(u, v)
        return (u * _through(matrices, v)).sum()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        u, v = ctx.saved_tensors
        return (g * u)[:, :, None] * v[:, None], None, None


class _GivenSteepness(torch.autograd.Function):
    r"""$\sum_n (s_n \odot u_n)^\top V_n v_n$, where s gives the rows of V their lengths."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, log_lengths: Tensor, lengths: Tensor, u: Tensor, v: Tensor) -> Tensor:
        images = u * _through(matrices, v)
        ctx.save_for_backward(matrices, log_lengths, lengths, u, v, images)
        return (scale(lengths, log_lengths) * images).sum()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        matrices, log_lengths, lengths, u, v, images = ctx.saved_tensors
        if torch.is_grad_enabled():  # of gradients there are gradients where these are functions of the inputs again
            lengths, images = torch.linalg.vector_norm(matrices, dim=2), u * _through(matrices, v)
        slopes = g * scale(lengths, log_lengths)
        on_lengths = slopes * images
        on_matrices = (slopes * u)[:, :, None] * v[:, None]
        on_matrices.addcmul_(matrices, along(lengths, on_lengths)[:, :, None])
        return on_matrices, on_lengths, None, None, None


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp_min(1e-3)
