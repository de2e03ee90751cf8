"""What the tests of the studio send and get."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
from PIL import Image


def noise_png(width: int, height: int) -> bytes:
    """A picture of colours that differ from pixel to pixel."""
    out = io.BytesIO()
    Image.effect_noise((width, height), 80).convert("RGB").save(out, "PNG")
    return out.getvalue()


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """The numbers and pictures of an answer."""
    (length,) = struct.unpack("<I", content[:4])
    head = json.loads(content[4 : 4 + length])
    flat = np.frombuffer(content[4 + length :], np.uint8)
    sizes = {name: int(np.prod(one["shape"])) for name, one in head["pictures"].items()}
    table = head["pictures"].items()
    info = head["info"] | ({"warnings": head["warnings"]} if head.get("warnings") else {})
    return info, {name: flat[one["at"] :][: sizes[name]].reshape(one["shape"]) for name, one in table}
