r"""Two images mixed level by level: some levels of one, some of the other, some between, and the rest drawn anew.

$$z_l = (1 - s_l)\, z_l^a + s_l\, z_l^b$$

for each level with a share s; 0 is that of a, 1 that of b.  A level is mixed by its values, or by its offsets
$\epsilon_l = (z_l - \mu_p) / \sigma_p$, which move along with the prior under the levels above.

Shapes: `N` pairs; `...` a latent's own shape; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from hvae.datum import Datum
from hvae.draw import Draw, given, prior
from hvae.errors import HvaeError
from hvae.explore import frame
from hvae.explore.frame import Holding, Reading, check_levels, context_of, levels, mean_picture, of_levels
from hvae.explore.latents import linear
from hvae.explore.resample import at_offsets, offsets
from hvae.site import Pin, as_key
from hvae.walk import Model, still


class Hold(NamedTuple):
    """What of an image is mixed, and the draw that sets it again."""

    read: Callable[[Model, Tensor | Datum], dict[Pin, Tensor]]
    put: Holding


HOLDS = {"values": Hold(frame.encode, given), "offsets": Hold(offsets, at_offsets)}
"""By name; offsets ask for priors that have a location and a scale."""


def mix(
    model: Model,
    a: Tensor | Datum,
    b: Tensor | Datum,
    shares: Mapping[str, float],
    *,
    hold: Hold = HOLDS["values"],
    otherwise: Draw = prior(),
    seed: int | None = None,
    read: Reading = mean_picture,
) -> Tensor:
    """Pictures that take each named level from `a`, from `b`, or from between; `otherwise` draws the other levels.

    Arguments: `a` and `b`, (N, C, H, W) in [0, 1], or a Datum each, where the context of `a` is used for the picture;
    `shares` of b by level, also below 0 or above 1; `hold`, one of `HOLDS`; `seed` of the latents, one noise for both;
    `read`, what of a walk is a picture.
    Returns (N, C, H, W) in [0, 1].  Raises HvaeError for an unknown level and for unequal numbers of images.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> import torch
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> mix(model, torch.zeros(3, 1, 4, 4), torch.ones(3, 1, 4, 4), {"z2": 1.0, "z1": 0.5}, seed=0).shape
    torch.Size([3, 1, 4, 4])
    """
    if len(a) != len(b):
        raise HvaeError(f"expected as many images on both sides, got {len(a)} and {len(b)}")
    check_levels(list(shares), levels(model))
    ours, theirs = (_read(model, x, hold, list(shares), seed) for x in (a, b))
    with still(model, seed):
        mixed = {pin: linear(value, theirs[pin], shares[as_key(pin)[0]]) for pin, value in ours.items()}
        return frame.decode(
            model, mixed, len(a), context=context_of(model, a), otherwise=otherwise, hold=hold.put, read=read
        )


def _read(model: Model, x: Tensor | Datum, hold: Hold, names: list[str], seed: int | None) -> dict[Pin, Tensor]:
    """What is mixed of some images, of the named levels."""
    with still(model, seed):
        return of_levels(names, hold.read(model, x))
