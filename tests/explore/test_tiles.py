from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from toys import GREY, RGB, images

from hvae.errors import HvaeError
from hvae.explore.tiles import GAP, PLATE, faces, gallery, grid, pixels, png, tiled


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("shape", [GREY, RGB])
def test_pixels_survive(shape: tuple[int, ...]) -> None:
    x = images(shape, 6)
    sheet = decoded(png(tiled(x.unflatten(0, (2, 3)), magnify=2)))
    h, w = 2 * shape[1], 2 * shape[2]
    assert sheet.shape == (2 * (h + GAP) + GAP, 3 * (w + GAP) + GAP, 4)
    assert sheet.dtype == np.uint8
    face = sheet[GAP + h + GAP :, GAP + 2 * (w + GAP) :][:h:2, :w:2]  # row 1, column 2: image 5
    expected = (x[5] * 255).round().byte().numpy().transpose(1, 2, 0)
    assert (face[..., :3] == expected).all()
    assert (face[..., 3] == 255).all()
    assert tuple(sheet[0, 0]) == PLATE


def test_black_and_white_are_exact() -> None:
    x = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])[None]
    sheet = tiled(x)
    assert (sheet[GAP : GAP + 4, GAP : GAP + 4, :3] == 0).all()
    assert (sheet[GAP : GAP + 4, 2 * GAP + 4 : 2 * GAP + 8, :3] == 255).all()


def test_other_numbers_of_channels_lie_side_by_side() -> None:
    x = torch.stack([torch.zeros(3, 3), torch.ones(3, 3)])
    face = pixels(x)
    assert face.shape == (3, 6, 3)
    assert (face[:, :3] == 0).all() and (face[:, 3:] == 255).all()
    assert decoded(grid(x[None, None])).shape[1] > decoded(grid(x[None, None])).shape[0]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_many_images_at_once_are_each_by_itself(channels: int) -> None:
    """Against the channels of each image put together one by one."""
    x = torch.rand(5, channels, 2, 3)
    levels = (x * 255).round().byte().numpy()
    each = [np.concatenate([np.stack([c] * 3, -1) for c in one], 1) for one in levels]
    expected = levels.transpose(0, 2, 3, 1) if channels == 3 else np.stack(each)
    assert (faces(x) == expected).all() and (pixels(x[2]) == expected[2]).all()


def test_values_outside_are_cut() -> None:
    assert pixels(torch.tensor([[[-1.0, 2.0]]]))[0, :, 0].tolist() == [0, 255]


def test_labels_take_room_on_their_side_and_leave_the_images_alone() -> None:
    x = images(GREY, 6).unflatten(0, (2, 3))
    plain = decoded(grid(x))
    labelled = decoded(grid(x, rows=["one", "two"], columns=["a", "b", "c"]))
    h, w = plain.shape[:2]
    assert labelled.shape[0] > h and labelled.shape[1] > w
    assert (labelled[-h:, -w:] == plain).all()
    assert labelled[:-h, -w:, 3].max() > 0 and labelled[-h:, :-w, 3].max() > 0
    assert labelled[0, 0, 3] == 0


def test_the_same_images_give_the_same_bytes() -> None:
    x = images(RGB, 4)
    assert gallery(x, columns=2) == gallery(x.clone(), columns=2)


def test_a_gallery_is_full_rows() -> None:
    x = images(GREY, 7)
    assert gallery(x, columns=3) == grid(x[:6].unflatten(0, (2, 3)))
    assert gallery(x[:2], columns=3) == grid(x[None, :2])


def test_bad_input() -> None:
    x = images(GREY, 6).unflatten(0, (2, 3))
    with pytest.raises(HvaeError, match="expected 2 labels of rows, got 1"):
        grid(x, rows=["one"])
    with pytest.raises(HvaeError, match=r"expected images \(R, M, C, H, W\)"):
        tiled(x[0])
    with pytest.raises(HvaeError, match="diverged"):
        grid(x / 0)
    with pytest.raises(HvaeError, match=r"expected an image \(C, H, W\)"):
        pixels(torch.zeros(4))


def test_a_label_of_two_lines_keeps_both_above_its_picture() -> None:
    x = images(GREY, 2).unflatten(0, (1, 2))
    one, two = (decoded(grid(x, columns=labels)) for labels in (["z2", "z1"], ["z2\n0.5", "z1\n0.1"]))
    taller = len(two) - len(one)
    assert taller > 0 and two.shape[1] == one.shape[1]
    assert (two[-len(decoded(grid(x))) :] == decoded(grid(x))).all(), "no label reaches into a picture"
