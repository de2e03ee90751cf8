from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from hvae.distributions import Bernoulli
from hvae.errors import HvaeError
from hvae.range import ANY, UNIT, check_values

LEVELS = torch.arange(256).view(2, 128)
WRONG: dict[str, tuple[Tensor, str]] = {
    "levels": (LEVELS.float(), r"expected values in \[0, 1\], got 0 to 255; divide them by 255"),
    "16 bits": (LEVELS.float() * 257, r"got 0 to 65535; divide them by 65535"),
    "centred": (LEVELS / 127.5 - 1, r"got -1 to 1; give \(x \+ 1\) / 2"),
    "three": (torch.tensor([0.0, 3.0]), r"got 0 to 3; scale them"),
    "overshoot": (torch.tensor([-0.02, 1.03]), r"got -0.02 to 1.03; scale or clamp"),
    "standardised": (torch.randn(100), r"scale or clamp"),
    "nan": (torch.tensor([0.5, math.nan]), r"got values that are not numbers \(NaN\)"),
    "infinite": (torch.tensor([0.5, math.inf]), r"got 0.5 to inf"),
    "half": (LEVELS.half(), r"got 0 to 255"),
    "double": (LEVELS.double(), r"got 0 to 255"),
    "uint8": (LEVELS.byte(), r"of a floating type, got uint8 0 to 255; divide them by 255"),
    "int64 bits": (torch.randint(2, (9,)), r"got int64 .*; convert them by x.float\(\)"),
    "complex": (torch.zeros(3, dtype=torch.complex64), r"of a floating type, got complex64"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_datum_is_one_line_with_the_range_and_what_came(name: str) -> None:
    x, words = WRONG[name]
    with pytest.raises(HvaeError, match=words) as fault:
        check_values(x)
    assert "\n" not in str(fault.value)


def test_arrays_of_others_are_refused_by_name() -> None:
    with pytest.raises(HvaeError, match=r"expected data as a torch.Tensor, got list"):
        check_values([0.0, 1.0])  # type: ignore[arg-type]


def test_the_values_it_keeps_out_are_those_that_a_likelihood_believes() -> None:
    three = Bernoulli(torch.full((1, 1), 4.0)).log_prob(torch.full((1, 1), 3.0))
    assert float(three) > 0, "more probable than certain"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_other_floating_types_are_converted(dtype: torch.dtype) -> None:
    x = (LEVELS / 255).to(dtype)
    found = check_values(x, UNIT, torch.float32)
    assert found.dtype == torch.float32 and torch.equal(found, x.float())
    assert check_values(x).dtype == dtype, "as it is, where nothing else is asked"


def test_booleans_are_zero_and_one() -> None:
    assert check_values(torch.tensor([True, False])).tolist() == [1.0, 0.0]


def test_data_of_the_right_type_are_not_copied() -> None:
    x = torch.rand(4, 3)
    assert check_values(x, UNIT, torch.float32) is x


def test_rounding_is_no_fault_and_gradients_pass() -> None:
    x = torch.tensor([0.0, 1 + 1e-6], requires_grad=True)
    check_values(x, UNIT, torch.float64).sum().backward()
    assert x.grad is not None


def test_other_ranges_and_none() -> None:
    x = torch.randn(50)
    assert check_values(x, ANY) is x and check_values(x * 255, None) is not None
    with pytest.raises(HvaeError, match=r"expected values in \[-1, 1\], got -3 to 0"):
        check_values(torch.tensor([-3.0, 0.0]), (-1.0, 1.0))
    for odd in (math.nan, math.inf):
        with pytest.raises(HvaeError, match="expected numbers, got"):
            check_values(torch.tensor([odd]), ANY)


def test_where_there_are_no_values_only_the_type_is_looked_at() -> None:
    with FakeTensorMode():
        assert check_values(torch.zeros(3), UNIT, torch.float64).dtype == torch.float64
        with pytest.raises(HvaeError, match="got int64; convert them"):
            check_values(torch.zeros(3, dtype=torch.long))
    assert check_values(torch.zeros(3, device="meta")).is_meta and not check_values(torch.zeros(0, 3)).numel()
    graph = torch.export.export(_Checked(), (torch.rand(3),))
    assert torch.equal(graph.module()(torch.ones(3)), torch.full((3,), 2.0))


class _Checked(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * check_values(x)


def test_every_entry_of_a_family_refuses_data_out_of_range() -> None:
    import hvae
    from hvae.config.model import LVAEConfig

    model = hvae.build(LVAEConfig(latents=(2,), widths=(8,)), shape=(1, 4, 4), bits=1).eval()
    x = torch.rand(4, 1, 4, 4)
    entries = (
        model,
        model.evidence,
        lambda data: hvae.bounds(model, [data]),
        lambda data: hvae.encode(model, data),
        lambda data: hvae.reconstruct(model, data),
        lambda data: hvae.activity(model, [data]),
    )
    for entry in entries:
        entry(x.double())
        for odd in (255 * x, 2 * x - 1, x.where(x > 0.1, torch.nan), (255 * x).to(torch.uint8)):
            with pytest.raises(HvaeError, match=r"expected values in \[0, 1\]"):
                entry(odd)
    assert model(3 * x, check=False).elbo().shape == (4,)
