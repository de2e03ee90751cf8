"""The inverse autoregressive flow: its Jacobian by autograd, its order, its inverse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae.nn.autoregressive import AutoregressiveNet, InverseAutoregressive

D, C, H, W = 2, 4, 3, 2


def flow(layers: int = 2) -> InverseAutoregressive:
    torch.manual_seed(2)
    made = InverseAutoregressive(AutoregressiveNet(D, C, layers)).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)  # far from the identity
    return made


def inputs() -> tuple[Tensor, Tensor]:
    return torch.randn(1, D, H, W, dtype=torch.float64), torch.randn(1, C, H, W, dtype=torch.float64)


def jacobian(made: InverseAutoregressive, z: Tensor, context: Tensor) -> Tensor:
    """d z' / d z, rows and columns in the flow's order: last pixel first, channels forward."""
    j = torch.autograd.functional.jacobian(lambda z: made(z, context)[0], z).reshape(D, H * W, D, H * W)
    return j.flip(1, 3).permute(1, 0, 3, 2).reshape(D * H * W, D * H * W)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_log_determinant_is_that_of_the_jacobian(layers: int) -> None:
    made, (z, context) = flow(layers), inputs()
    j = jacobian(made, z, context)
    torch.testing.assert_close(made(z, context)[1].sum(), torch.linalg.slogdet(j)[1])
    assert torch.equal(j, j.tril())
    # Each element of the log-determinant is the diagonal's own, so that rates may be read element by element.
    diagonal = made(z, context)[1].flatten(2).flip(2).transpose(1, 2).flatten()
    torch.testing.assert_close(diagonal, j.diagonal().log())


def test_all_earlier_elements_that_a_kernel_reaches_count() -> None:
    j = jacobian(flow(), *inputs())
    assert (j != 0).sum() == sum(range(D * H * W + 1))


def test_the_inverse_finds_where_a_value_came_from() -> None:
    made, (z, context) = flow(), inputs()
    value, log_det = made(z, context)
    start, same = made.inverse(value, context)
    torch.testing.assert_close(start, z)
    torch.testing.assert_close(same, log_det)


def test_the_context_reaches_every_element() -> None:
    made, (z, context) = flow(), inputs()
    context.requires_grad_()
    moved = torch.autograd.grad(made(z, context)[0][0, 0, 0, 0], context)[0]
    assert moved.abs().max() > 0
