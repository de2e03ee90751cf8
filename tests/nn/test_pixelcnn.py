"""The gated PixelCNN: the recorded case of anordertoreclaim/PixelCNN, its order, and values drawn in turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hvae.errors import HvaeError
from hvae.nn.pixelcnn import GatedPixelCNN

CASE = Path(__file__).parents[3] / "shared/parity/next/gated_pixelcnn/gated_pixelcnn.npz"


@pytest.fixture(scope="module")
def case() -> dict[str, Tensor]:
    if not CASE.is_file():
        pytest.skip("the recorded case of anordertoreclaim/PixelCNN 606ebe9a is not here")
    return {name: torch.as_tensor(array) for name, array in np.load(CASE).items()}


def theirs(name: str) -> str:
    """What the released code calls a weight of ours."""
    part, index, *rest = name.split(".")
    end, block = rest[-1] if rest else "", f"hidden_conv.{int(index) - 1}" if index != "0" else "causal_conv"
    if part == "sights":
        inner = {"rows": "v_conv", "rise": "v_fc", "down": "v_to_h", "left": "h_conv"}[rest[0]]
        return f"{block}.{inner}.{end}"
    if part == "leave":
        return f"{'out_hidden_conv' if index == '1' else 'out_conv'}.{end}"
    if part == "told":
        return "label_embedding.weight"
    if part in ("skips", "beside"):
        return f"hidden_conv.{index}." + ("label_embedding.weight" if part == "beside" else f"h_skip.{end}")
    return f"{block}.h_fc.{end}"


def recorded(case: dict[str, Tensor]) -> GatedPixelCNN:
    network = GatedPixelCNN(3, 12, width=9, layers=2, hidden=6, first=5, beside=10, strict_twice=True).double()
    weights = {}
    for name, ours in network.state_dict().items():
        w = case[f"param/{theirs(name)}"].double()
        if w.ndim == 2:  # an embedding: a linear map of which class it is
            w = w.t()[:, :, None, None]
        weights[name] = w[..., : ours.shape[-1]] if ours.ndim == 4 else w
    network.load_state_dict(weights)
    return network


def test_the_recorded_case(case: dict[str, Tensor]) -> None:
    label = F.one_hot(case["label"], 10).double()[:, :, None, None].expand(-1, -1, 6, 6)
    raw = recorded(case)(case["x"], label).unflatten(1, (4, 3))
    torch.testing.assert_close(raw, case["logits"], rtol=0, atol=1e-9)
    nats = F.cross_entropy(raw, case["x_levels"], reduction="none")
    torch.testing.assert_close(nats, case["nll_map"], rtol=0, atol=1e-9)


def small(colours: int, beside: int = 0) -> GatedPixelCNN:
    torch.manual_seed(1)
    return GatedPixelCNN(colours, 2 * colours, width=8 * colours, layers=3, beside=beside).double()


@pytest.mark.parametrize("colours", [1, 2, 3])
def test_a_value_moves_later_parameters_alone(colours: int) -> None:
    network, x = small(colours), torch.rand(1, colours, 5, 6, dtype=torch.float64)
    size, before = (5, 6, colours), network(x)
    for place in range(5 * 6 * colours):
        i, j, c = np.unravel_index(place, size)
        other = x.clone()
        other[0, c, i, j] += 1.0
        moved = (network(other) != before)[0].unflatten(0, (2, colours)).any(0).permute(1, 2, 0).flatten()
        assert not moved[: place + 1].any()
        assert place == len(moved) - 1 or bool(moved[place + 1 :].any())


@pytest.mark.parametrize("size", [(1, 3), (4, 0)])
def test_impossible_sizes_are_one_line(size: tuple[int, int]) -> None:
    with pytest.raises(HvaeError, match="widths that 2 colours divide"):
        GatedPixelCNN(2, 2, width=size[0], layers=size[1])


@pytest.mark.parametrize(("colours", "beside"), [(1, 0), (2, 3), (3, 0)])
def test_values_drawn_in_turn_are_those_of_one_pass(colours: int, beside: int) -> None:
    network = small(colours, beside)
    c = torch.randn(2, beside, 5, 6, dtype=torch.float64) if beside else None

    def choose(raw: Tensor) -> Tensor:
        return raw[:, :colours] + raw[:, colours:].exp()

    x = network.draw(torch.zeros(2, colours, 5, 6, dtype=torch.float64), lambda raw, at: choose(raw)[:, at[1]], c)
    torch.testing.assert_close(x, choose(network(x, c)))
