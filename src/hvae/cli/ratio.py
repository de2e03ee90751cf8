"""What compression is worth: bytes in, bytes out, and their ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def weighed(sources: Sequence[str], values: int, bits: int, out: int) -> dict[str, Any]:
    """Bytes in (of the files; where an input is none, of the values at their bit depth), bytes out, and the ratio.

    >>> weighed(["test"], values=600, bits=4, out=100)
    {'bytes_in': 300, 'bytes_in_of': '600 values of 4 bits', 'bytes_out': 100, 'ratio': 3.0}
    """
    paths = [Path(source).expanduser() for source in sources]
    if all(path.exists() for path in paths):
        files = [file for path in paths for file in _files(path)]
        came, what = sum(file.stat().st_size for file in files), f"{len(files):,} file{'s' * (len(files) != 1)}"
    else:
        came, what = -(-values * bits // 8), f"{values:,} values of {bits} bits"
    return {"bytes_in": came, "bytes_in_of": what, "bytes_out": out, "ratio": came / out}


def _files(path: Path) -> list[Path]:
    from hvae.picturefiles import listed

    return [entry.path for entry in listed(path).files] if path.is_dir() else [path]


def line(weights: Mapping[str, Any]) -> str:
    """The same in words.

    >>> line({"bytes_in": 48210, "bytes_in_of": "12 files", "bytes_out": 12345, "ratio": 3.9052})
    '48,210 bytes in (12 files), 12,345 bytes out: ratio 3.91, 25.6 % of what it was'
    """
    came, out = weights["bytes_in"], weights["bytes_out"]
    share = f", {100 * out / came:.1f} % of what it was" if came else ""
    return f"{came:,} bytes in ({weights['bytes_in_of']}), {out:,} bytes out: ratio {weights['ratio']:.2f}{share}"
