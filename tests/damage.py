"""Files as they should not be: cut, flipped, of other types, huge, deep, forged; the same for the same seed."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

from hvae.weights import DIGEST, save_weights

Damage = Callable[[Path], None]
"""What makes a good file a bad one, in its place."""

DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]
VALUES: dict[str, Any] = {
    **{"null": None, "true": True, "text": "x", "nothing": "", "list": [], "object": {}, "half": 0.5},
    **{"minus": -1, "zero": 0, "huge": 10**9, "endless": 10**400, "infinite": float("inf"), "nan": float("nan")},
    **{"up": "../../../../x", "surrogate": "\ud800", "long": "a" * 100_000, "many": [1] * 5000, "deep": DEEP},
}


def places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value of nested dicts and lists; of a long list, to the first few."""
    items = tree.items() if isinstance(tree, dict) else list(enumerate(tree))[:3] if isinstance(tree, list) else ()
    for key, value in items:
        yield (*at, key)
        yield from places(value, (*at, key))


def changed(tree: Any, at: tuple[Any, ...], value: Any) -> Any:
    """The tree with one value replaced, or gone where the value is `places` itself."""
    copy = deepcopy(tree)
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    if value is places:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return copy


def forged(tree: Any, rng: random.Random, count: int, values: dict[str, Any] = VALUES) -> Iterator[tuple[str, Any]]:
    """`count` trees with one value of another kind, and what was done to each."""
    everywhere, kinds = list(places(tree)), {**values, "gone": places}
    for _ in range(count):
        at, kind = rng.choice(everywhere), rng.choice(list(kinds))
        yield f"{'.'.join(map(str, at))} {kind}", changed(tree, at, kinds[kind])


def bytewise(content: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """What disks, networks and editors do."""
    flipped = bytearray(content)
    flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    yield "empty", b""
    yield "one byte", content[:1]
    yield "half", content[: len(content) // 2]
    yield "all but the end", content[:-2]
    yield "twice", content * 2
    yield "a flipped bit", bytes(flipped)
    yield "zeros", bytes(len(content))
    yield "noise", rng.randbytes(len(content))
    yield "a web page", b"<!doctype html><html>not found</html>"
    yield "another text", "\ufeff§ 1\r\n".encode("utf-16")


def _writes(content: bytes) -> Damage:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    import os

    path.unlink()
    os.mkfifo(path)


def damages(path: Path, count: int, seed: int = 0) -> Iterator[tuple[str, Damage]]:
    """Ways to damage a good file: all those of its bytes, and `count` of what it says."""
    rng = random.Random(f"{path.name} {seed}")
    for name, content in bytewise(path.read_bytes(), rng):
        yield name, _writes(content)
    yield "a folder", a_folder
    yield "a pipe", a_pipe
    yield from INSIDE[path.suffix](path, rng, count)


def _json(path: Path, rng: random.Random, count: int) -> Iterator[tuple[str, Damage]]:
    for name, tree in forged(json.loads(path.read_text()), rng, count):
        yield name, _writes(json.dumps(tree).encode())


def _yaml(path: Path, rng: random.Random, count: int) -> Iterator[tuple[str, Damage]]:
    values = {name: value for name, value in VALUES.items() if name not in ("surrogate", "deep")}
    for name, tree in forged(yaml.safe_load(path.read_text()), rng, count, values):
        yield name, _writes(yaml.safe_dump(tree).encode())


CELLS = ("", "x", "nan", "-inf", "-1", "1e999", "1,2", '"', "\0", "9" * 400)


def _csv(path: Path, rng: random.Random, count: int) -> Iterator[tuple[str, Damage]]:
    for _ in range(count):
        lines = [line.split(",") for line in path.read_text().splitlines()]
        row, cell = rng.randrange(len(lines)), rng.choice(CELLS)
        column = rng.randrange(len(lines[row]))
        lines[row][column] = cell
        text = "\n".join(",".join(line) for line in lines) + "\n"
        yield f"cell {row}, {column}: {cell[:10]!r}", _writes(text.encode())


def _safetensors(path: Path, rng: random.Random, count: int) -> Iterator[tuple[str, Damage]]:
    """Forged descriptions, with the digest of what they say and without any."""
    with safe_open(str(path), framework="pt") as f:
        description = json.loads(f.metadata()["hvae"])
        tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
    description.pop(DIGEST)
    for number, (name, tree) in enumerate(forged(description, rng, count)):
        if number % 4:
            yield name, lambda path, tree=tree: save_weights(path, tensors, tree)
        else:
            text = {"hvae": json.dumps(tree)}
            yield f"{name}, no digest", lambda path, text=text: save_file(tensors, path, metadata=text)


TENSORS: dict[str, Any] = {
    **{name: VALUES[name] for name in ("null", "true", "text", "list", "object", "minus", "huge", "endless", "nan")},
    **{"a number": torch.zeros(()), "another shape": torch.zeros(2, 3), "no tensor": torch.zeros(0)},
    "10^12 of one": torch.zeros(1).expand(10**6, 10**6),
}


def _ckpt(path: Path, rng: random.Random, count: int) -> Iterator[tuple[str, Damage]]:
    content = torch.load(path, weights_only=True)
    for name, tree in forged(content, rng, count, TENSORS):
        file = io.BytesIO()
        torch.save(tree, file)
        yield name, _writes(file.getvalue())


INSIDE: dict[str, Callable[[Path, random.Random, int], Iterator[tuple[str, Damage]]]] = {
    ".json": _json,
    ".yaml": _yaml,
    ".csv": _csv,
    ".safetensors": _safetensors,
    ".ckpt": _ckpt,
}


def damaged(folder: Path, name: str, damage: Damage, place: Path) -> Path:
    """A copy of a run folder, at `place`, with one file damaged."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    damage(place / name)
    return place
