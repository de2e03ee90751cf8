"""The page of a listening test: one file with its sounds, its script and no way to anywhere.

Shapes: `N` samples.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hvae.files import write_text
from hvae.reporting.write import fill

Array = np.ndarray


def write_listening(
    path: str | Path, test: str, rate: int, seed: int, trials: Mapping[str, Mapping[str, Array]]
) -> Path:
    """Write the page; whole or not at all.

    Arguments: `test`, the fingerprint that its tables bear; `rate`, samples a second; `seed` of what it was made by;
    `trials`, {item: {condition: (N,) int16}}, "reference" among the conditions.

    >>> import tempfile
    >>> write_listening(Path(tempfile.mkdtemp()) / "l.html", "0" * 16, 8000, 0, {}).name
    'l.html'
    """
    sounds = [
        {"item": item, "sounds": [{"condition": c, "samples": _text(s)} for c, s in some.items()]}
        for item, some in trials.items()
    ]
    # Within a script a browser looks for nothing but its end and comments, which all begin with this sign.
    content = json.dumps({"test": test, "rate": rate, "seed": seed, "trials": sounds}).replace("<", "\\u003c")
    here = Path(__file__).parent
    script, more = ((here / f"listening.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    write_text(path, fill("listening.html.j2", test=content, script=script, more=more))
    return Path(path)


def _text(samples: Array) -> str:
    return base64.b64encode(samples.astype("<i2").tobytes()).decode("ascii")
