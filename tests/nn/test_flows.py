"""Invertible networks: inverses, log-determinants, where they start, and what is refused."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.nn.flows import Flow, Inverted, zuko_maps

KINDS = ("affine", "affine-coupling", "spline", "spline-coupling")


def flow(kind: str, channels: int = 4, context: int = 3) -> Flow:
    """Far from the identity, where it starts."""
    made = Flow(zuko_maps(kind, channels, context, transforms=3, hidden=(9,), bins=4)).double()
    for weight in made.parameters():
        weight.data.mul_(3.0)
    return made


def inputs(channels: int = 4, context: int = 3, *space: int) -> tuple[Tensor, Tensor | None]:
    z = 2 * torch.randn(5, channels, *space, dtype=torch.float64)
    return z, torch.randn(5, context, *space, dtype=torch.float64) if context else None


@pytest.mark.parametrize("context", [0, 3])
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_the_log_determinant_is_that_of_the_jacobian(kind: str, channels: int, context: int) -> None:
    map_, (z, c) = flow(kind, channels, context), inputs(channels, context)
    log_det = map_(z, c)[1].sum(1)
    for row in range(len(z)):
        given = None if c is None else c[row : row + 1]
        jacobian = torch.autograd.functional.jacobian(lambda z, given=given: map_(z[None], given)[0][0], z[row])
        torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, log_det[row], rtol=0, atol=1e-10)


@pytest.mark.parametrize("space", [(), (3, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_inverse_undoes_the_map_and_knows_its_log_determinant(kind: str, space: tuple[int, ...]) -> None:
    map_, (z, c) = flow(kind), inputs(4, 3, *space)
    z[0] = 40.0  # far beyond a spline's bins
    image, log_det = map_(z, c)
    start, again = map_.inverse(image, c)
    torch.testing.assert_close(start, z, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(again, log_det, rtol=1e-9, atol=1e-9)
    back, negative = Inverted(map_)(image, c)
    assert torch.equal(back, start) and torch.equal(negative, -again)
    torch.testing.assert_close(Inverted(map_).inverse(z, c)[0], image)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_those_of_vectors_place_by_place(kind: str) -> None:
    map_, (z, c) = flow(kind), inputs(4, 3, 3, 2)
    image, log_det = map_(z, c)
    one = map_(z[:, :, 1, 0], c[:, :, 1, 0])
    torch.testing.assert_close(image[:, :, 1, 0], one[0])
    torch.testing.assert_close(log_det[:, :, 1, 0], one[1])


@pytest.mark.parametrize(("kind", "sees"), [("affine", [0, 1, 2]), ("affine-coupling", [0, 1])])
def test_what_a_channel_sees_of_the_others(kind: str, sees: list[int]) -> None:
    map_ = Flow(zuko_maps(kind, 4, 0, transforms=1, hidden=(16, 16), bins=2)).double()
    z = inputs()[0]
    jacobian = torch.autograd.functional.jacobian(lambda z: map_(z[None])[0][0], z[0])
    assert jacobian[3].nonzero().flatten().tolist() == [*sees, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_near_the_identity(kind: str) -> None:
    map_ = Flow(zuko_maps(kind, 6, 3, transforms=3, hidden=(32, 32), bins=8)).double()
    z, c = inputs(6)
    assert (map_(z, c)[0] - z).abs().max() < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_pass_both_ways(kind: str) -> None:
    map_, (z, c) = flow(kind), inputs()
    z.requires_grad_()
    assert torch.autograd.gradcheck(map_, (z, c), atol=1e-5)
    assert torch.autograd.gradcheck(map_.inverse, (z, c), atol=1e-5)


def test_autocast_changes_nothing() -> None:
    map_, (z, c) = flow("spline").float(), (t.float() for t in inputs())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = map_(z, c.bfloat16())
    assert torch.equal(half[0], map_(z, c.bfloat16().float())[0])


def test_without_storage_it_has_its_sizes() -> None:
    with torch.device("meta"):
        outline = Flow(zuko_maps("spline", 4, 3, transforms=2, hidden=(9,), bins=4))
    stored = Flow(zuko_maps("spline", 4, 3, transforms=2, hidden=(9,), bins=4))
    shapes = [{key: tuple(t.shape) for key, t in map_.state_dict().items()} for map_ in (outline, stored)]
    assert shapes[0] == shapes[1]
    assert all(t.is_meta for t in outline.state_dict().values())


def test_networks_larger_than_memory_are_refused_before_they_are_made() -> None:
    with pytest.raises(HvaeError, match=r"set model.flow.hidden or model.flow.transforms lower"):
        zuko_maps("affine", 50, 50, transforms=3, hidden=(10**6, 10**6), bins=8)


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    with pytest.raises(HvaeError, match=r"the package 'zuko' \(extra 'flows'\) is not installed; .* install '?zuko"):
        zuko_maps("affine", 4, 0, transforms=1, hidden=(4,), bins=2)
