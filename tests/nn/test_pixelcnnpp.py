"""PixelCNN++: the recorded cases of pclucas14/pixel-cnn-pp, its order, and pixels drawn in turn."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from recorded import Arrays, recorded
from torch import Tensor

from hvae.distributions.logistic import Bins, Mass, log_mass
from hvae.errors import HvaeError
from hvae.levels.logisticheads import MixtureHead
from hvae.nn.pixelcnnpp import PixelCNNpp
from hvae.nn.places import Twofold
from hvae.nn.weightnorm import Normed

CASES = Path(__file__).parents[3] / "shared/parity/next"
SIZES = {"pixelcnnpp_rgb": (3, 30, 6), "pixelcnnpp_grey": (1, 6, 7)}
"""Colours, parameters, width."""


def theirs(name: str) -> str:
    """What the released code calls a layer of ours: its scales on the way down are counted from the coarsest."""
    one = {"above": "u_init.conv", "enter.above": "ul_init.0.conv", "enter.left": "ul_init.1.conv"}
    if name in one or name == "leave":
        return one.get(name, "nin_out.lin_a")
    stream, part, scale, *rest = name.split(".")
    stream = {"rows": "u_stream", "left": "ul_stream"}[stream]
    if part == "shrink":
        return f"downsize_{stream}.{scale}.conv"
    if part == "grow":
        return f"upsize_{stream}.{1 - int(scale)}.deconv"
    index = int(scale) if part == "up" else 2 - int(scale)
    layer = {"first": "conv_input.conv", "second": "conv_out.conv", "heard": "nin_skip.lin_a"}[rest[1]]
    return f"{part}_layers.{index}.{stream}.{rest[0]}.{layer}"


def fill(network: PixelCNNpp, case: Arrays) -> PixelCNNpp:
    for name, layer in network.named_modules():
        if not isinstance(layer, Normed):
            continue
        v, g = (case[f"param/{theirs(name)}.weight_{part}"] for part in "vg")
        if isinstance(layer, Twofold):  # theirs has a length for each input channel
            v = (v * g / torch.linalg.vector_norm(v, dim=(1, 2, 3), keepdim=True)).transpose(0, 1)
            g = torch.linalg.vector_norm(v, dim=(1, 2, 3), keepdim=True)
        layer.direction.copy_(v.reshape(layer.direction.shape))
        layer.gain.copy_(g.reshape(layer.gain.shape))
        layer.bias.copy_(case[f"param/{theirs(name)}.bias"])
    return network


def case_of(name: str) -> Arrays:
    path = CASES / name / f"{name}.npz"
    if not path.is_file():
        pytest.skip("the recorded cases of pclucas14/pixel-cnn-pp 7cb4436f are not here")
    return recorded(path)


@pytest.mark.parametrize("name", SIZES)
@torch.no_grad()
def test_the_recorded_parameters(name: str) -> None:
    case, (colours, parameters, width) = case_of(name), SIZES[name]
    network = fill(PixelCNNpp(colours, parameters, width=width, blocks=1).double(), case)
    torch.testing.assert_close(network((case["x"] + 1) / 2), case["logits"], rtol=0, atol=1e-9)


def small(colours: int, beside: int = 0) -> PixelCNNpp:
    torch.manual_seed(1)
    return PixelCNNpp(colours, 2, width=4, blocks=1, scales=3, beside=beside).double()


@pytest.mark.parametrize("size", [(5, 6), (4, 7)])
def test_a_pixel_moves_the_parameters_of_all_later_ones_and_no_other(size: tuple[int, int]) -> None:
    network, x = small(2), torch.rand(1, 2, *size, dtype=torch.float64)
    before = network(x)
    for place in range(size[0] * size[1]):
        other = x.clone()
        other.flatten(2)[:, :, place] += 1.0
        moved = (network(other) != before)[0].any(0).flatten()
        assert not moved[: place + 1].any()
        assert bool(moved[place + 1 :].any()) or place == len(moved) - 1


@pytest.mark.parametrize("size", [(8, 8), (5, 6), (7, 3), (1, 1)])
@pytest.mark.parametrize("beside", [0, 3])
@torch.no_grad()
def test_drawing_in_turn_computes_what_one_pass_does(size: tuple[int, int], beside: int) -> None:
    network = small(2, beside)
    c = torch.randn(3, beside, *size, dtype=torch.float64) if beside else None
    seen: list[Tensor] = []

    def choose(raw: Tensor, at: object) -> Tensor:
        seen.append(raw)
        return torch.rand(3, 2, 1, 1, dtype=torch.float64)

    x = network.draw(torch.zeros(3, 2, *size, dtype=torch.float64), choose, c)
    assert len(seen) == size[0] * size[1], "each pixel runs once"
    assert x.min() > 0 and x.max() < 1
    raw = torch.cat(seen, 3).view(3, 2, *size)
    torch.testing.assert_close(raw, network(x, c), atol=1e-12, rtol=0)


def test_a_size_of_nothing_is_one_line() -> None:
    with pytest.raises(HvaeError, match="expected at least 1 block, scale and channel, got 0, 3 and 4"):
        PixelCNNpp(1, 1, width=4, blocks=0)


def arranged(logits: Tensor, colours: int) -> Tensor:
    """The published order of a pixel's numbers in ours: the component is the slower index."""
    kinds = 3 if colours > 1 else 2
    m = logits.shape[1] // (1 + kinds * colours)
    weights, rest = logits.split([m, logits.shape[1] - m], 1)
    loc, scale, *coefficients = rest.unflatten(1, (colours, kinds, m)).unbind(2)
    parts = [loc, scale, *coefficients]  # (B, C, M, H, W) each
    return torch.cat([weights, *(t.transpose(1, 2).flatten(1, 2) for t in parts)], 1)


def released(loc: Tensor, log_scale: Tensor, where: Bins, levels: int) -> Tensor:
    """Its mass of a bin: bins of less than 1e-5 get the density at their centre times their width."""
    inverse, y = torch.exp(-log_scale), where.centre - loc
    high, low, middle = inverse * (y + 1 / 255), inverse * (y - 1 / 255), inverse * y
    inner = high.sigmoid() - low.sigmoid()
    thin = middle - log_scale - 2 * F.softplus(middle) - math.log(127.5)
    inside = torch.where(inner > 1e-5, inner.clamp(min=1e-12).log(), thin)
    first, last = where.has_low == 0, where.has_high == 0
    return torch.where(first, F.logsigmoid(high), torch.where(last, F.logsigmoid(-low), inside))


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(("which", "mass"), [("", released), ("wide_", released), ("", log_mass)])
@torch.no_grad()
def test_the_recorded_likelihood(name: str, which: str, mass: Mass) -> None:
    """By its masses to the last bit, and by ours, which sum to one, where no bin is thin."""
    case, (colours, parameters, _) = case_of(name), SIZES[name]
    mixtures = parameters // (10 if colours > 1 else 3)
    head = MixtureHead((colours, 8, 8), 256, mixtures=mixtures, start=0.0, spread=0.0, mass=mass).double()
    law = head(arranged(case[f"{which}logits"], colours))
    nats = -law.log_prob(case["x_uint8"].double() / 255).flatten(1).sum(1)
    torch.testing.assert_close(nats, case[f"{which}nll_nats_per_image"], rtol=0, atol=1e-9)
