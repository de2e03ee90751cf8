"""Views of a picture: each can be undone, and the first 1, 2, 4 and 8 are groups.

Shapes: `H W` a picture.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae.restoration import GROUPS, VIEWS

X = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)


def places(x: Tensor) -> tuple[int, ...]:
    return (*x.shape, *x.flatten().tolist())


def test_views_differ_can_be_undone_and_have_the_size_they_say() -> None:
    assert len({places(view(X)) for view in VIEWS}) == 8
    for view in VIEWS:
        assert torch.equal(view.back(view(X)), X) and torch.equal(view(view.back(X)), X)
        assert tuple(view(X).shape[-2:]) == view.size((4, 5))


@pytest.mark.parametrize("number", GROUPS)
def test_the_first_of_them_are_a_group(number: int) -> None:
    own = {places(view(X)) for view in VIEWS[:number]}
    assert all(places(after(before(X))) in own for before in VIEWS[:number] for after in VIEWS[:number])
    assert all(places(view.back(X)) in own for view in VIEWS[:number])
