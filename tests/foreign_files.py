"""Files of others, good and bad, made for the tests."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch


class Calls:
    """A value whose pickle calls a function when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def archive(path: Path, pickled: bytes, *, more: dict[str, bytes] | None = None, packed: bool = False) -> Path:
    """A zip file as torch.save lays it out; `packed` compresses it, which torch.save never does."""
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, content in {"data.pkl": pickled, "version": b"3\n", **(more or {})}.items():
            file.writestr(f"archive/{name}", content)
    return path


def repacked(path: Path, old: bytes, new: bytes) -> Path:
    """The archive with bytes of its pickle replaced."""
    with zipfile.ZipFile(path) as source:
        contents = {name.partition("/")[2]: source.read(name) for name in source.namelist()}
    pickled = contents.pop("data.pkl")
    assert old in pickled
    return archive(path, pickled.replace(old, new), more=contents)


def claiming(numel: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """The pickle of {"w": tensor} whose storage claims `numel` floats."""

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", numel) if isinstance(obj, Storage) else None

    out = io.BytesIO()
    rebuilt = Calls(torch._utils._rebuild_tensor_v2, Storage(), 0, size, stride, False, OrderedDict())
    Pickler(out, protocol=2).dump({"w": rebuilt})
    return out.getvalue()
