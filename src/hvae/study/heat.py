"""Heat maps as a picture: each image beside the maps of its levels.

Shapes: `N` images; `L` maps; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.files import replacing
from hvae.screen.numbers import number

if TYPE_CHECKING:
    from torch import Tensor

HOTTEST = 6.0
"""Standard deviations at the hot end of the colours; the cold end is 0: what is more usual than usual is no news."""
MOST = 8


def draw(path: Path, x: Tensor, maps: Mapping[str, Tensor], places: Sequence[int]) -> Path:
    """Write a PNG: a row an image (N, C, H, W), a column a map {name: (N, H, W)}, at most 8 of them.

    Of more levels some are left out evenly; the map of the data is always there.
    """
    import torch

    from hvae.explore.tiles import grid

    names = evenly(list(maps), MOST)
    faces = [_coloured(x), *(painted(maps[name]) for name in names)]
    picture = grid(torch.stack(faces, 1), rows=[str(place) for place in places], columns=["", *names])
    with replacing(path) as temporary:
        temporary.write_bytes(picture)
    return path


def draw_rates(path: Path, mean: Mapping[str, Tensor], shape: Sequence[int]) -> Path:
    """Write a PNG of where each level spends its nats: {name: (h, w)} side by side, enlarged to `shape` (C, H, W).

    Each map has its own scale, from 0 to its largest place, which stands above it in nats.
    """
    import torch
    import torch.nn.functional as F

    from hvae.explore.tiles import grid

    names = evenly(list(mean), 2 * MOST)
    whole = [F.interpolate(mean[name][None, None].clamp_min(0), size=tuple(shape[1:]))[0] for name in names]
    faces = [painted(HOTTEST * one / one.max().clamp_min(1e-12)) for one in whole]
    # Two lines: side by side, name and number are wider than a map, and run into the next.
    picture = grid(torch.stack(faces, 1), columns=[f"{name}\n{number(float(mean[name].max()))}" for name in names])
    with replacing(path) as temporary:
        temporary.write_bytes(picture)
    return path


def evenly(names: Sequence[str], most: int) -> list[str]:
    """At most so many names, the first and the last among them.

    >>> evenly(["z5", "z4", "z3", "z2", "z1"], 3)
    ['z5', 'z3', 'z1']
    """
    if len(names) <= most:
        return list(names)
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]


def _coloured(x: Tensor) -> Tensor:
    """Grey as RGB; of other numbers of channels the mean."""
    return x.cpu() if x.shape[1] == 3 else x.cpu().mean(1, keepdim=True).expand(-1, 3, -1, -1)


def painted(heat: Tensor) -> Tensor:
    """(N, H, W) in standard deviations as RGB, (N, 3, H, W): black at 0, bright at `HOTTEST`."""
    import matplotlib
    import torch

    colours = matplotlib.colormaps["inferno"]((heat / HOTTEST).clamp(0, 1).numpy())  # (N, H, W, 4)
    return torch.as_tensor(colours[..., :3]).permute(0, 3, 1, 2).float()
