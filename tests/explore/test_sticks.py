"""Stick figures: pictures of any body, also of one that stands still."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hvae.data.sequences.form import SequenceForm
from hvae.data.sequences.skeleton import Skeleton
from hvae.explore.sticks import stick_picture
from hvae.explore.theme import DARK, LIGHT
from hvae.study.sequence_page import DRAWERS

PARENTS = (-1, 0, 1, 1)
BODIES = {
    "of one frame": np.random.default_rng(0).normal(size=(1, 4, 3)),
    "that moves": np.random.default_rng(1).normal(size=(40, 4, 3)),
    "in one point": np.zeros((12, 4, 3)),
    "that is flat": np.random.default_rng(2).normal(size=(12, 4, 3)) * (1, 0, 0),
    "that is huge": 1e6 * np.random.default_rng(3).normal(size=(12, 4, 3)),
}


@pytest.mark.parametrize("joints", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_a_body(joints: np.ndarray, theme: object) -> None:
    picture = Image.open(io.BytesIO(stick_picture(joints, PARENTS, theme)))  # type: ignore[arg-type]
    assert 100 < picture.width <= 1000 and 20 < picture.height <= 1000
    assert np.asarray(picture)[..., 3].any(), "something is drawn"


def test_a_page_shows_figures_where_a_skeleton_is_known() -> None:
    skeleton = Skeleton(names=("a", ""), parents=(-1, 0), offsets=(0.0, 0.0, 0.0, 0.0, 1.0, 0.0), channels=("zx", ""))
    form = SequenceForm(kind="motion", step="frame", mean=(0.0, 0.0), scale=(1.0, 1.0))
    x = np.random.default_rng(0).normal(size=(20, 2))
    for body, alt in ((None, "Curves of 2 numbers"), (skeleton, "Stick figures of 2 joints over 20 steps")):
        shown = SequenceForm.from_dict({**form.to_dict(), "skeleton": body.to_dict() if body else None})
        picture = DRAWERS["motion"](x, shown, 0)("Sample 1", "", "sample-1.png", "samples")
        assert alt in picture.alt and ("no skeleton came" in picture.caption) == (body is None)
