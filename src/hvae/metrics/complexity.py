"""Complexity of a picture: its size in bits under a generic compressor, for comparison with its likelihood.

Shapes: `B` pictures; `C` channels; `H W` space; `D` the length of flat vectors.
"""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def png_bits(x: Tensor, bits: int) -> Tensor:
    """The size of each datum as a PNG file, in bits, (B,) float64; flat vectors are deflated without PNG headers.

    Arguments: `x`, (B, C, H, W) or (B, D) in [0, 1]; `bits` of a value.  Grey and colour pictures are one file;
    otherwise each channel is a grey file of its own.

    >>> flat, noise = torch.zeros(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    >>> bool(png_bits(flat, 8) < png_bits(noise, 8))
    True
    """
    levels = (x.detach().cpu().double() * (2**bits - 1)).round().to(torch.int32).numpy()
    return torch.tensor([8 * _size(datum, bits) for datum in levels], dtype=torch.float64)


def _size(datum: np.ndarray[Any, Any], bits: int) -> int:
    if datum.ndim != 3:
        return len(zlib.compress(datum.astype(np.uint8 if bits <= 8 else np.uint16).tobytes(), 9))
    if len(datum) == 3 and bits <= 8:
        return _file(Image.fromarray(datum.transpose(1, 2, 0).astype(np.uint8)))
    return sum(_file(_grey(plane, bits)) for plane in datum)


def _grey(plane: np.ndarray[Any, Any], bits: int) -> Image.Image:
    if bits == 1:
        return Image.fromarray(plane.astype(bool))
    return Image.fromarray(plane.astype(np.uint8 if bits <= 8 else np.uint16))


def _file(image: Image.Image) -> int:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return len(out.getvalue())
