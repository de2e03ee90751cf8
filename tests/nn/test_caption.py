"""The code of a caption: what follows its end changes nothing, every token before it does, and unknown is zero."""

from __future__ import annotations

import pytest
import torch

from hvae.errors import HvaeError
from hvae.nn.caption import CaptionCode


@pytest.fixture
def code() -> CaptionCode:
    torch.manual_seed(0)
    return CaptionCode(9, 6, 8, layers=2, heads=2).double()


def test_nothing_beyond_the_end_is_read(code: CaptionCode) -> None:
    short = torch.tensor([[3, 4, 0, 0, 0, 0]])
    whole = code(short)
    with torch.no_grad():
        code.place[3:] = 7.0
    assert torch.equal(code(short), whole)


def test_every_token_and_its_place_say_something(code: CaptionCode) -> None:
    captions = torch.tensor([[3, 4, 5, 0, 0, 0], [4, 3, 5, 0, 0, 0], [3, 4, 6, 0, 0, 0], [3, 4, 5, 5, 5, 5]])
    apart = torch.cdist(code(captions), code(captions)) + torch.eye(4)
    assert float(apart.detach().min()) > 1e-3


def test_an_unknown_caption_is_zero_and_its_row_alone(code: CaptionCode) -> None:
    both = code(torch.tensor([[3, 4, 0, 0, 0, 0], [-1] * 6]))
    assert torch.equal(both[1], torch.zeros(8).double()) and bool((both[0] != 0).all())
    torch.testing.assert_close(both[:1], code(torch.tensor([[3, 4, 0, 0, 0, 0]])))
    code(torch.full((2, 6), -1)).sum().backward()
    assert all(not p.grad.abs().sum() for p in code.parameters() if p.grad is not None)


def test_heads_divide_the_width() -> None:
    with pytest.raises(HvaeError, match="a multiple of model.condition.heads, 3, got 8"):
        CaptionCode(9, 6, 8, layers=1, heads=3)
