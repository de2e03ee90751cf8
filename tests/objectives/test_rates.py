from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hvae.errors import HvaeError
from hvae.objectives import Balance, Beta, FreeBits, WarmUp, linear, sigmoid
from hvae.objectives.loss import per_datum

# Two data, two channels, two positions; channel sums per datum: [[3, 1], [1, 0.2]].
NATS = torch.tensor([[[1.0, 2.0], [0.6, 0.4]], [[0.9, 0.1], [0.2, 0.0]]], dtype=torch.float64)


def charged(filter_: FreeBits, nats: Tensor = NATS) -> float:
    return float(per_datum(filter_({"z1": nats}, 0)["z1"]))


@pytest.mark.parametrize(
    ("per", "over", "floor", "expected"),
    [
        ("level", "batch", 2.0, 2.6),  # mean of (4, 1.2) is 2.6
        ("level", "batch", 3.0, 3.0),
        ("level", "sample", 2.0, 3.0),  # (4 + 2) / 2
        ("channel", "batch", 1.0, 3.0),  # channel means (2, 0.6) -> 2 + 1
        ("channel", "sample", 1.5, 3.75),  # (3 + 1.5, 1.5 + 1.5) -> (4.5 + 3) / 2
        ("dimension", "batch", 0.5, 0.95 + 1.05 + 0.5 + 0.5),  # means 0.95, 1.05, 0.4, 0.2
        ("dimension", "sample", 0.5, (4.1 + 2.4) / 2),  # 1 + 2 + 0.6 + 0.5 and 0.9 + 3 x 0.5
    ],
)
def test_free_bits_by_hand(per: str, over: str, floor: float, expected: float) -> None:
    assert charged(FreeBits(floor, per, over)) == pytest.approx(expected, abs=1e-12)


def test_free_bits_of_flat_latents_count_each_dimension_as_a_channel() -> None:
    flat = NATS[:, :, 0]
    assert charged(FreeBits(0.7, "channel"), flat) == charged(FreeBits(0.7, "dimension"), flat)


def test_a_latent_scored_as_one_number_is_one_group() -> None:
    nats = torch.tensor([1.0, 3.0], dtype=torch.float64)
    assert charged(FreeBits(2.5, "channel"), nats) == charged(FreeBits(2.5, "dimension"), nats) == 2.5


def gradient(filter_: FreeBits) -> Tensor:
    nats = NATS.clone().requires_grad_()
    per_datum(filter_({"z1": nats}, 0)["z1"]).backward()
    return nats.grad


def test_below_the_floor_there_is_no_gradient() -> None:
    assert torch.equal(gradient(FreeBits(2.7)), torch.zeros_like(NATS))
    assert torch.equal(gradient(FreeBits(2.5)), torch.full_like(NATS, 0.5))
    by_channel = gradient(FreeBits(1.0, "channel"))
    assert torch.equal(by_channel[:, 0], torch.full((2, 2), 0.5, dtype=torch.float64))
    assert torch.equal(by_channel[:, 1], torch.zeros(2, 2, dtype=torch.float64))
    by_sample = gradient(FreeBits(2.0, "level", "sample"))
    assert torch.equal(by_sample[1], torch.zeros(2, 2, dtype=torch.float64)) and (by_sample[0] == 0.5).all()


def test_a_level_exactly_at_its_floor_rests() -> None:
    assert torch.equal(gradient(FreeBits(float(NATS.sum() / 2))), torch.zeros_like(NATS))


def test_free_bits_by_level_leave_the_others() -> None:
    out = FreeBits({"z1": 9.0})({"z2": NATS, "z1": NATS}, 0)
    assert float(per_datum(out["z1"])) == 9.0
    assert torch.equal(out["z2"], NATS)


def test_free_bits_see_the_batch_of_all_processes() -> None:
    # This process spends 2.6, all of them together 1: under the floor, whatever this one thinks.
    assert charged(FreeBits(2.0, average=lambda t: torch.full_like(t, 1.0))) == 2.0


def test_balance_by_hand() -> None:
    # c = 0.5, 0.3, 0.3 (0.01 included).  z3: 1 position x 2 channels, one level; z2, z1: 4 positions x 2, two levels.
    nats = {
        "z3": torch.full((3, 2, 1, 1), 0.49 / 2, dtype=torch.float64),
        "z2": torch.full((3, 2, 2, 2), 0.29 / 8, dtype=torch.float64),
        "z1": torch.full((3, 2, 2, 2), -0.29 / 8, dtype=torch.float64),
    }
    alpha = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)  # (2 / 1, 8 / 2, 8 / 2) over their smallest
    share = torch.tensor([0.5, 0.3, 0.3], dtype=torch.float64) / alpha
    gamma = share / share.mean()
    out = Balance(WarmUp(length=10))(nats, 3)
    for g, name in zip(gamma, nats, strict=True):
        torch.testing.assert_close(out[name], g * nats[name])


def test_balance_ends_with_the_warm_up_and_has_no_gradient_of_its_own() -> None:
    nats = {name: torch.rand(3, 2, dtype=torch.float64, requires_grad=True) for name in ("z2", "z1")}
    balance = Balance(WarmUp(length={"z1": 10}))
    assert balance(nats, 10) == nats
    out = balance(nats, 9)
    out["z1"].sum().backward()
    torch.testing.assert_close(nats["z1"].grad, (out["z1"] / nats["z1"]).detach())
    assert nats["z2"].grad is None


def test_each_level_has_its_own_warm_up() -> None:
    warmup = WarmUp(start={"z2": 100}, length={"z2": 100, "z1": 50}, floor=0.01)
    assert warmup.weights(["z3", "z2", "z1"], 25) == {"z3": 1.0, "z2": 0.01, "z1": 0.5}
    assert warmup.weights(["z3", "z2", "z1"], 150) == {"z3": 1.0, "z2": 0.5, "z1": 1.0}
    assert warmup.warmed(["z3", "z2", "z1"]) == ["z2", "z1"]


def test_filters_weigh_elementwise() -> None:
    rates = {"z2": NATS, "z1": NATS}
    assert torch.equal(Beta({"z2": 3.0})(rates, 0)["z2"], 3.0 * NATS)
    assert torch.equal(Beta({"z2": 3.0})(rates, 0)["z1"], NATS)
    assert torch.equal(WarmUp(length=4)(rates, 1)["z1"], 0.25 * NATS)
    torch.testing.assert_close(WarmUp(sigmoid, length=4)(rates, 2)["z1"], 0.5 * NATS)


@pytest.mark.parametrize(
    "filter_",
    [Beta({"z9": 1.0}), WarmUp(length={"z9": 1}), WarmUp(linear, {"z9": 1}), FreeBits({"z9": 1.0})],
)
def test_unknown_levels_are_named_at_first_use(filter_: Beta | WarmUp | FreeBits) -> None:
    with pytest.raises(HvaeError, match=r"no level named 'z9'; .*Known: z2, z1"):
        filter_({"z2": NATS, "z1": NATS}, 0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 3), min_size=0, max_size=3),
    st.floats(0.0, 5.0),
    st.sampled_from(["level", "channel", "dimension"]),
    st.sampled_from(["batch", "sample"]),
)
def test_free_bits_charge_at_least_the_rate_and_the_floor(shape: list[int], floor: float, per: str, over: str) -> None:
    nats = torch.rand(4, *shape, dtype=torch.float64)
    groups = {"level": 1, "channel": shape[0] if shape else 1, "dimension": nats[0].numel()}[per]
    cost = charged(FreeBits(floor, per, over), nats)
    assert cost >= float(per_datum(nats)) - 1e-9
    assert cost >= floor * groups - 1e-9
    assert cost <= float(per_datum(nats)) + floor * groups + 1e-9
