"""A picture as the files of a lossy codec: bytes, PSNR and what is left of it, level by level.

Shapes: `K` depths; `C H W` a picture.
"""

from __future__ import annotations

import numpy as np
import torch

from hvae.coding import Lossy, LossyCodec, Picture, sizes
from hvae.coding.files.classic import Levels
from hvae.metrics.contribution import evenly
from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import LossyAsked
from hvae.studio.lines import command, context_words, equivalents, python
from hvae.studio.opened import Opened
from hvae.study.codecs import lossy_codec_of

MOST = 9
"""Depths that are measured."""


def lossy(opened: Opened, query: LossyAsked) -> Answer:
    """The file with the top k levels, for each k: its bytes, its PSNR, and the picture that it decodes to."""
    levels = levels_of(opened, opened.datum(query.picture, query.context).x)
    codec = _codec(opened, query)
    depths = [k for k in evenly(len(codec.levels), MOST) if k]
    files = [codec.compress([Picture("picture", levels, 0)], depth, verify=False) for depth in depths]
    pixels = np.stack([file.pictures[0].levels for file in files])  # (K, C, H, W)
    info: JSON = {
        "files": [_account(file, depth) for file, depth in zip(files, depths, strict=True)],
        "levels": list(codec.levels),
        "rivals": sizes(levels, opened.run.bits),
        "pixels": files[0].pixels,
        **_equivalents(opened, query),
    }
    top = 2**opened.run.bits - 1
    return Answer(info, {"picture": _pictures(levels[None], top), "decoded": _pictures(pixels, top)})


def levels_of(opened: Opened, x: torch.Tensor) -> Levels:
    """The integers of one picture (1, C, H, W) in [0, 1], as codecs take them: (C, H, W)."""
    levels: Levels = (x[0].double() * (2**opened.run.bits - 1)).round().to(torch.uint8).cpu().numpy()
    return levels


def _codec(opened: Opened, query: LossyAsked) -> LossyCodec:
    """The codec under a condition, made once: it holds a copy of the model."""
    key = str(sorted(query.context.items()))
    if key not in opened.codecs:
        opened.codecs.clear()
        opened.codecs[key] = lossy_codec_of(opened.run, str(opened.run.folder), query.context)
    return opened.codecs[key]


def _account(file: Lossy, depth: int) -> JSON:
    psnr = file.psnr if np.isfinite(file.psnr) else None
    return {"keep": depth, "bytes": len(file.content), "payload": sum(one.bytes for one in file.levels), "psnr": psnr}


def _pictures(levels: Levels, top: int) -> torch.Tensor:
    return torch.from_numpy(levels.astype(np.float32) / top)


def _equivalents(opened: Opened, query: LossyAsked) -> JSON:
    text = f", context={dict(query.context)!r}" if query.context else ""
    words = ["hvae", "compress", str(opened.run.folder), "PICTURE", "picture.hvz", "--quality", "all"]
    lines = [f'hvae.compress(run, "PICTURE", "picture.hvz", quality="all"{text})  # or 1, 2, ... levels from the top']
    return equivalents(
        command(*words, *context_words(query.context)),
        python(opened.run.folder, *lines),
        "PICTURE is a file of the model's size, or larger; --quality 2 keeps two levels",
    )
