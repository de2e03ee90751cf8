"""Masks as people write them: a box, a brush, a share at random, or numbers that are missing.

Shapes: `N` pictures; `C H W` a picture; `...` a datum.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.errors import HvaeError, short
from hvae.files import expanded
from hvae.screen.numbers import share

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from torch import Tensor

    Mask = str | Path | Tensor | np.ndarray[Any, Any]
    """A text (`box`, share, or the name of a picture), or bool that broadcasts to (N, ...): true is hidden."""

EXPECTED = "x,y,w,h (a box), a share between 0 and 1, or a grey picture of the same size, white where it is hidden"
HALF = 0.5
"""The grey, of black 0 and white 1, above which a brush hides."""
SIXTEEN = 65535
"""The white of a picture of 16 bits."""


def hidden(mask: Mask, number: int, shape: Sequence[int], seed: int, noun: str = "picture") -> Tensor:
    """What a mask hides of so many data, (N, *shape) bool; a share hides other pixels of each; `noun`, what one is.

    Raises HvaeError for a mask of another size, and for one that hides nothing or everything.
    """
    import torch

    pattern = _read(str(mask), number, shape, seed) if isinstance(mask, str | Path) else torch.as_tensor(mask)
    try:
        whole = pattern.bool().expand(number, *shape)
    except RuntimeError:
        got = f"{tuple(pattern.shape)}"
        raise HvaeError(f"--mask: expected bool that broadcasts to {(number, *shape)}, got {got}") from None
    return checked(whole, noun=noun)


def checked(hidden: Tensor, mask: str = "--mask", noun: str = "picture") -> Tensor:
    """What is hidden, (N, ...).  Raises HvaeError, which names the mask, where that is nothing, or all of a datum."""
    if not bool(hidden.any()):
        raise HvaeError(f"{mask} hides nothing: there is nothing to restore; name values that are missing")
    every = hidden.flatten(1).all(1)
    if bool(every.any()):
        one = f" of {noun} {int(every.nonzero()[0]) + 1} of {len(every)}" * (not bool(every.all()))
        raise HvaeError(f"{mask} hides everything{one}: nothing is seen to restore it from; use hvae sample")
    return hidden


def advice(noun: str) -> str:
    """How a person says what is hidden of data of this noun.

    >>> advice("row")
    'give --mask, a share such as 0.3; or a table with empty cells'
    """
    if noun == "picture":
        return (
            "give --mask x,y,w,h (a box), a share such as 0.3, or a picture that is white where it is hidden; or an "
            "array with NaN where numbers are missing"
        )
    gaps = "a table with empty cells" if noun == "row" else "an array with NaN where numbers are missing"
    return f"give --mask, a share such as 0.3; or {gaps}"


def _read(text: str, number: int, shape: Sequence[int], seed: int) -> Tensor:
    numbers = _numbers(text)
    if len(numbers) == 4:
        return _box(numbers, shape)
    if len(numbers) == 1:
        return _share(numbers[0], number, shape, seed)
    if not numbers and expanded(text).is_file():
        return _brush(expanded(text), shape)
    nowhere = "" if numbers else ", where no file is"
    raise HvaeError(f"--mask: expected {EXPECTED}, got {short(text)}{nowhere}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        return []


def _box(numbers: Sequence[float], shape: Sequence[int]) -> Tensor:
    import torch

    if len(shape) != 3:
        raise HvaeError(f"--mask: a box is for pictures (C, H, W), got data of shape {tuple(shape)}; give a share")
    x, y, w, h = (int(number) if number.is_integer() else -1 for number in numbers)
    if not (0 <= x < x + w <= shape[2] and 0 <= y < y + h <= shape[1]):
        raise HvaeError(
            f"--mask: expected a box x,y,w,h of whole pixels within {shape[2]} x {shape[1]}, got "
            f"{','.join(f'{number:g}' for number in numbers)}"
        )
    pattern = torch.zeros(shape[1:], dtype=torch.bool)
    pattern[y : y + h, x : x + w] = True
    return pattern


def _share(share: float, number: int, shape: Sequence[int], seed: int) -> Tensor:
    """Of each datum exactly this share of its pixels (all channels) or numbers, to the nearest one."""
    import torch

    from hvae.seeds import noise_seed

    if not 0 < share < 1:
        raise HvaeError(f"--mask: expected a share above 0 and below 1, got {share:g}")
    places = tuple(shape[1:]) if len(shape) == 3 else tuple(shape)
    random = torch.Generator().manual_seed(noise_seed(seed))
    order = torch.rand(number, int(torch.Size(places).numel()), generator=random).argsort(1).argsort(1)
    pattern = (order < round(share * order.shape[1])).view(number, *places)
    return pattern[:, None] if len(shape) == 3 else pattern


def _brush(path: Path, shape: Sequence[int]) -> Tensor:
    import torch

    from hvae.picturefiles import opened, upright

    if len(shape) != 3:
        raise HvaeError(f"--mask: a brush is for pictures (C, H, W), got data of shape {tuple(shape)}; give a share")
    with opened(path) as image:
        grey = _grey(upright(image))
    if grey.shape != tuple(shape[1:]):
        got, expected = (f"{wide} x {high}" for high, wide in (grey.shape, shape[1:]))
        raise HvaeError(f"--mask: expected a picture of {expected}, the size of the model's, got {path} of {got}")
    if not (grey > HALF).any():
        raise HvaeError(
            f"--mask hides nothing: expected white in {path} where it is to be filled, got nothing lighter than "
            f"{share(float(grey.max()))} of white; paint in white"
        )
    return torch.from_numpy(grey > HALF)


def _grey(image: Image) -> np.ndarray[tuple[int, ...], Any]:
    """A brush from black 0 to white 1, (H, W); what is transparent has not been painted.  Raises ValueError for floats.

    Pillow clips levels of 16 bits to 255 where it is asked for grey.
    """
    import numpy as np
    from PIL import Image

    if image.mode == "F":
        raise ValueError("it holds floats; save it with 8 bits a pixel")
    if image.mode.startswith("I"):
        return np.asarray(image) / SIXTEEN
    if "A" in image.mode or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    return np.asarray(image.convert("L")) / 255
