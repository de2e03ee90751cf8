from __future__ import annotations

import pytest
import torch

from hvae.data.factors import FactorData
from hvae.data.shapes import shapes
from hvae.errors import HvaeError


@pytest.fixture(scope="module")
def found() -> FactorData:
    return shapes(size=32, scales=3, orientations=4, positions=4)


def images(found: FactorData, **values: int) -> torch.Tensor:
    """The pictures (n, S, S) whose factors have these values, in order."""
    chosen = torch.ones(len(found), dtype=torch.bool)
    for name, value in values.items():
        chosen &= found.factors[:, found.names.index(name)] == value
    return found.images.pictures(chosen.nonzero().flatten())[:, 0]


def test_every_combination_once_and_no_two_pictures_alike(found: FactorData) -> None:
    assert found.sizes == (3, 3, 4, 4, 4) and len(found) == 576
    assert len(found.factors.unique(dim=0)) == 576
    assert len(images(found).flatten(1).unique(dim=0)) == 576


def test_shapes_stay_inside_and_have_edges_of_grey(found: FactorData) -> None:
    x = images(found)
    assert x.amin() == 0 and x.amax() == 1
    border = torch.cat([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], 1)
    assert border.max() == 0
    assert 0 < ((x > 0) & (x < 1)).double().mean() < 0.1


def test_each_factor_does_what_its_name_says(found: FactorData) -> None:
    columns, rows = torch.arange(32.0), torch.arange(32.0)
    for shape in range(3):
        x = images(found, shape=shape, orientation=0)
        mass = x.sum((1, 2))
        across, down = ((x.sum(1) * columns).sum(1) / mass, (x.sum(2) * rows).sum(1) / mass)
        place = found.factors[(found.factors[:, 0] == shape) & (found.factors[:, 2] == 0)]
        for values, centre in ((place[:, 3], across), (place[:, 4], down)):
            means = torch.stack([centre[values == v].mean() for v in range(4)])
            torch.testing.assert_close(means.diff(), torch.full((3,), 32 * 0.44 / 3), atol=0.1, rtol=0)
            assert max(centre[values == v].std() for v in range(4)) < 0.3
        areas = torch.stack([mass[place[:, 1] == s].mean() for s in range(3)])
        # Radii of 1 : 1.5 : 2.
        torch.testing.assert_close(areas / areas[0], torch.tensor([1.0, 2.25, 4.0]), rtol=0.12, atol=0)


def test_turning_keeps_the_area(found: FactorData) -> None:
    areas = torch.stack([images(found, scale=2, orientation=o).sum((1, 2)) for o in range(4)])
    torch.testing.assert_close(areas, areas[0].expand_as(areas), rtol=0.08, atol=0)


def test_one_value_of_a_factor_is_its_middle() -> None:
    x = shapes(size=16, scales=1, orientations=1, positions=1).images.pictures([0, 1])[:, 0]
    torch.testing.assert_close(x, x.flip(2))
    torch.testing.assert_close(x, x.flip(1))


def test_faults_are_one_line() -> None:
    with pytest.raises(HvaeError, match="1 value or more of each factor"):
        shapes(positions=0)
