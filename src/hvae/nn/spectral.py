r"""Spectral regularisation: the sum of the largest singular values of all kernels.

Shapes: `N` kernels of one shape; `R` output channels; `C` inputs of one, k x k x channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ITERATIONS = 4
# From random vectors; after that they follow the weights, which move little in a step.
FIRST = 10 * ITERATIONS

Size = tuple[int, int]


class Spectral(nn.Module):
    r"""$\sum_i \sigma_1(W_i)$, each largest singular value by power iteration.

    $$v \leftarrow \frac{W^\top u}{\lVert W^\top u \rVert}, \quad u \leftarrow \frac{W v}{\lVert W v \rVert}, \quad
      \sigma_1 \approx u^\top W v$$

    Yoshida and Miyato 2017, arXiv 1705.10941; for VAEs Vahdat and Kautz 2020, arXiv 2007.03898, sec. 3.2: without a
    bound on how steep the networks are, the KL of a deep hierarchy has none.  Kernels of equal shape are one batch.
    The vectors u are buffers (v follows from u), so that a run that is resumed goes on as if it had not stopped.  In
    evaluation mode nothing is stored.

    Argument: `sizes`, R x C of each kernel in the order in which `forward` will get them.
    """

    rounds: Tensor

    def __init__(self, sizes: Sequence[Size]) -> None:
        super().__init__()
        self.counts = Counter(sizes)
        for (r, c), n in self.counts.items():
            self.register_buffer(f"left_{r}x{c}", _unit(torch.randn(n, r)))  # (N, R)
        self.register_buffer("rounds", torch.zeros((), dtype=torch.int64))
        # A number of its own, since asking a device for `rounds` in every step would make it wait.
        self._begun = False
        self.register_load_state_dict_post_hook(Spectral._ask_again)

    @staticmethod
    def _ask_again(module: nn.Module, keys: object) -> None:
        assert isinstance(module, Spectral)
        module._begun = False

    def forward(self, kernels: Sequence[Tensor]) -> Tensor:
        """The sum of all largest singular values; `kernels` are (R, ...) each, in the order of `sizes`."""
        matrices: dict[Size, list[Tensor]] = {size: [] for size in self.counts}
        for kernel in kernels:
            matrix = kernel.flatten(1)  # (R, C)
            matrices[len(matrix), matrix.shape[1]].append(matrix)
        iterations = self._iterations()
        sums = [self._sum(torch.stack(group), iterations, size) for size, group in matrices.items()]
        return torch.stack(sums).sum()

    def _iterations(self) -> int:
        first = not self._begun and int(self.rounds) == 0
        if self.training:
            self.rounds += 1
            self._begun = True
        return FIRST if first else ITERATIONS

    def _sum(self, matrices: Tensor, iterations: int, size: Size) -> Tensor:
        """Of the kernels of one shape, (N, R, C)."""
        left = self.get_buffer(f"left_{size[0]}x{size[1]}")
        # In bf16 the vectors would never settle.
        with torch.autocast(matrices.device.type, enabled=False):
            u, v = singular_vectors(matrices.detach(), left, iterations)
            if self.training:
                left.copy_(u)
            return torch.einsum("nr,nrc,nc->", u, matrices, v)

    def extra_repr(self) -> str:
        return f"{self.counts.total()} kernels of {len(self.counts)} shapes"


@torch.no_grad()
def singular_vectors(matrices: Tensor, u: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """The first left and right singular vectors, (N, R) and (N, C), of matrices (N, R, C), beginning with u.

    >>> u, v = singular_vectors(torch.tensor([[[3.0, 0.0], [0.0, 1.0]]]), torch.full((1, 2), 0.5), 20)
    >>> u.round(), v.round()
    (tensor([[1., 0.]]), tensor([[1., 0.]]))
    """
    v = u.new_empty(0)
    for _ in range(iterations):
        v = _unit((u[:, None] @ matrices)[:, 0])
        u = _unit((matrices @ v[:, :, None])[:, :, 0])
    return u, v


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors, dim=1, eps=1e-3)
