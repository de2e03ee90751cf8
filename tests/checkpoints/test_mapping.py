"""What every mapping of published weights is made of: faults are told in one line that names the first few."""

from __future__ import annotations

import pytest
import torch

from hvae.checkpoints.mapping import bare, compare, count, fit, only, some, tensor
from hvae.errors import HvaeError

STATE = {f"up.{i}.weight": torch.ones(2, 3) for i in range(5)} | {"gain": torch.ones(1, 4, 1, 1)}


def test_the_parallel_prefix_goes_only_where_all_have_it() -> None:
    assert list(bare({f"module.{name}": value for name, value in STATE.items()})) == list(STATE)
    mixed = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert list(bare(mixed)) == ["module.a", "b"]
    assert bare({}) == {}


def test_a_tensor_by_name_and_axes() -> None:
    assert tensor(STATE, "gain", 4, "x") is STATE["gain"]
    with pytest.raises(
        HvaeError, match=r"expected weights of x, found 6 tensors without bias \(up.0.weight, .*, \.\.\."
    ):
        tensor(STATE, "bias", 1, "x")
    with pytest.raises(HvaeError, match=r"where gain has 2 axes; found shape \(1, 4, 1, 1\)"):
        tensor(STATE, "gain", 2, "x")


def test_modules_of_a_list_are_counted_without_gaps() -> None:
    assert count(STATE, "up.") == 5 and count(STATE, "down.") == 0
    with pytest.raises(HvaeError, match=r"hold up.4 but not up.2; the file is incomplete"):
        count({name: value for name, value in STATE.items() if "2" not in name}, "up.")


def test_missing_and_surplus_are_told_together() -> None:
    with pytest.raises(HvaeError, match=r"^wrong: 1 missing \(b\), 2 unknown \(c, d\)$"):
        compare(["a", "c", "d"], ["a", "b"], "wrong")
    compare(["a", "b"], ["b", "a"], "wrong")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"gain": torch.ones(4)}, r"gain has shape \(4,\), the model wants \(1, 4, 1, 1\)$"),
        (
            {f"up.{i}.weight": torch.ones(3, 2) for i in range(5)},
            r"up.0.weight has shape \(3, 2\), .*; so have 4 more \(up.1.weight, up.2.weight, up.3.weight, \.\.\.\)",
        ),
        ({"gain": torch.full((1, 4, 1, 1), torch.inf)}, "gain holds values that are not finite"),
        ({"new": torch.ones(1)}, r"does not fit its model: 1 unknown \(new\)"),
    ],
)
def test_fitting(change: dict[str, torch.Tensor], line: str) -> None:
    fit(STATE, STATE, "x.pt")
    fit(STATE, {name: value.to("meta") for name, value in STATE.items()}, "x.pt")
    fit(STATE, {name: tuple(value.shape) for name, value in STATE.items()}, "x.pt")
    with pytest.raises(HvaeError, match=f"^x.pt.*{line}") as caught:
        fit({**STATE, **change}, STATE, "x.pt")
    assert "\n" not in str(caught.value)


def test_whole_numbers_are_finite() -> None:
    fit({"n": torch.tensor(3)}, {"n": ()}, "x.pt")


def test_only_known_variants() -> None:
    only("res", ["res", "conv"], "cell", "x")
    with pytest.raises(HvaeError, match="x: no cell named 'ress'; did you mean 'res'.*not part of hvae"):
        only("ress", ["res", "conv"], "cell", "x")


def test_some() -> None:
    assert some([]) == "" and some("ab") == "a, b"
