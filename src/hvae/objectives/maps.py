r"""Penalties on the linear maps of any model: how far from orthogonal, and how steep, they are.

$$\text{orthogonal} = \sum_i \big\lVert W_i W_i^\top \odot (1 - I) \big\rVert_F^2, \qquad
  \text{spectral} = \sum_i \sigma_1(W_i)$$

Orthogonal: Brock et al. 2019, arXiv 1809.11096, eq. (3): rows are pushed apart and keep their lengths, which
initialisations of deep hierarchies choose with care.  Spectral: Yoshida and Miyato 2017, arXiv 1705.10941, eq. (5)
without its square, as in Vahdat and Kautz 2020, arXiv 2007.03898, sec. 3.2.  Neither keeps a state, so that a run that
is resumed goes on as if it had not stopped.

Shapes: `N` maps of one shape; `R` outputs of a map; `C` inputs of one output, kernel included; `S` the smaller of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from hvae.errors import HvaeError

SQUARINGS = 10
"""Of W W^T, each of which doubles the steps of the power iteration: 1,024 of them."""
APART = ("direction", "log_length")
"""Parameters of layers that keep the length of a map beside its direction."""


def maps(model: nn.Module) -> list[Tensor]:
    """The weights of all dense and convolutional layers, (R, ...) each.

    Tables of embeddings and recurrent cells are none.  Raises HvaeError for a model without any, and for one whose
    layers keep lengths apart: there a weight is not the map.
    """
    apart = next((name for name, _ in model.named_parameters() if name.rpartition(".")[2] in APART), None)
    if apart is not None:
        raise HvaeError(
            f"objective.regulariser: expected layers whose weights are their maps, got {apart}, which is normalised; "
            "leave orthogonal and spectral at 0 (of nvae, weight weighs its own spectral term)"
        )
    owners = (module for module in model.modules() if not isinstance(module, nn.Embedding))
    own = [w for module in owners for name, w in module.named_parameters(recurse=False) if name == "weight"]
    weights: list[Tensor] = list({id(w): w for w in own if w.ndim > 1 and w.requires_grad}.values())
    if not weights:
        raise HvaeError("objective.regulariser: expected a model with linear maps, got none; leave it at 0")
    return weights


def orthogonal(weights: Sequence[Tensor]) -> Tensor:
    """The sum of squared inner products of different rows, or of columns where there are fewer of them.

    >>> orthogonal([torch.tensor([[3.0, 0.0], [1.0, 1.0]])])  # 3 twice, squared
    tensor(18.)
    """
    return torch.stack([_apart(group) for group in _matrices(weights)]).sum()


def _apart(matrices: Tensor) -> Tensor:
    products = matrices @ matrices.mT  # (N, S, S)
    return (products.square().sum() - products.diagonal(dim1=1, dim2=2).square().sum()).clamp_min(0)


def spectral(weights: Sequence[Tensor]) -> Tensor:
    r"""The sum of the largest singular values, with their gradients $u v^\top$.

    >>> spectral([torch.tensor([[3.0, 0.0], [0.0, -4.0]])])
    tensor(4.)
    """
    return torch.stack([_steepest(group) for group in _matrices(weights)]).sum()


def _steepest(matrices: Tensor) -> Tensor:
    u = _first_left(matrices.detach())
    return torch.linalg.vector_norm((u[:, None] @ matrices)[:, 0], dim=1).sum()


def _first_left(matrices: Tensor) -> Tensor:
    """The left singular vector of the largest singular value, (N, S): the longest column of (W W^T)^1024."""
    power = matrices @ matrices.mT
    for _ in range(SQUARINGS):
        # Largest entry 1: its square neither overflows nor vanishes.
        power = power / power.abs().amax((1, 2), keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
        power = power @ power
    longest = power.norm(dim=1).argmax(1)  # (N,)
    columns = power[torch.arange(len(power), device=power.device), :, longest]
    return nn.functional.normalize(columns, dim=1, eps=torch.finfo(power.dtype).tiny)


def _matrices(weights: Sequence[Tensor]) -> list[Tensor]:
    """All maps of one shape together, (N, S, ...), the smaller side first."""
    groups: dict[tuple[int, ...], list[Tensor]] = {}
    for weight in weights:
        flat = weight.flatten(1)
        matrix = flat if flat.shape[0] <= flat.shape[1] else flat.mT
        groups.setdefault(tuple(matrix.shape), []).append(matrix)
    return [torch.stack(group) for group in groups.values()]


MAPS: Mapping[str, Callable[[Sequence[Tensor]], Tensor]] = {"orthogonal": orthogonal, "spectral": spectral}
"""By name, as in `objective.regulariser`."""
