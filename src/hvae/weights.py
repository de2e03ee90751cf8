"""Weights files: safetensors with a JSON description inside.

The description carries a sha256 of itself and of every tensor, so that a flipped bit is found when the file is read.
Loading reads tensors and text; it never executes anything from the file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from hvae.errors import HvaeError
from hvae.files import open_regular, replacing
from hvae.records import JSON, MOST_BYTES, parsed

DIGEST = "sha256"


def save_weights(path: str | Path, tensors: Mapping[str, Tensor], description: Mapping[str, object]) -> None:
    """Write tensors and their description (anything JSON can hold), whole or not at all."""
    # As bytes, since the library's own writer hides a full disk's error and makes a file that only its owner can read.
    content = weights_bytes(tensors, description)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def weights_bytes(tensors: Mapping[str, Tensor], description: Mapping[str, object]) -> bytes:
    """The content of a weights file: tensors, their description, and a digest of both."""
    # Contiguous copies on the CPU: safetensors refuses views that share storage.
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    # As it will be read: the digest is of that.  One of another file, passed on with its description, is not kept.
    stored = json.loads(json.dumps({key: value for key, value in description.items() if key != DIGEST}))
    return bytes(save(plain, metadata={"hvae": json.dumps({**stored, DIGEST: digest(plain, stored)})}))


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same with float32 numbers rounded to float16, half the bytes; loading casts them back.

    Raises HvaeError for a number beyond the range of float16, which ends at 65,504.

    >>> halved({"w": torch.tensor([0.1])})["w"].float().item()
    0.0999755859375
    """
    half = {name: t.half() if t.dtype == torch.float32 else t for name, t in tensors.items()}
    for name, t in half.items():
        if t.dtype == torch.float16 and (t.isinf() & tensors[name].isfinite()).any():
            raise HvaeError(f"{name} holds numbers beyond 65,504, which float16 has not; leave --half out")
    return half


@dataclass(frozen=True, eq=False)
class Stored:
    """The content of a weights file; `verified`: a checksum of all of it was present and correct."""

    tensors: dict[str, Tensor]
    description: JSON
    verified: bool


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], JSON]:
    """The tensors of a file and its description; see `read_weights`."""
    stored = read_weights(path)
    return stored.tensors, stored.description


def read_weights(path: str | Path) -> Stored:
    """The tensors of a file and its description.  Files of before the digest are read, and are not verified.

    Raises HvaeError if it is missing, damaged, not ours, or not what was written.
    """
    path = Path(path)
    if not path.is_file():
        is_resumable = path.with_name("last.ckpt").is_file()
        again = f"hvae train {path.parent} --resume writes them anew from its last.ckpt"
        first = "train first, or give a run folder that holds model.safetensors"
        raise HvaeError(f"no weights at {path}; {again if is_resumable else first}")
    with open_regular(path):  # of holes alone, a file of a few blocks would be mapped and summed up as terabytes
        pass
    try:
        with safe_open(str(path), framework="pt") as f:
            description = _description((f.metadata() or {})["hvae"])
            tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
    except Exception as fault:  # a damaged file can make the reader fail in any way
        why = " ".join(str(fault).split())[:200]
        raise HvaeError(f"{path} is damaged or not an hvae weight file ({why}); restore it or train again") from fault
    written = description.pop(DIGEST, None)
    if written is not None and written != (computed := digest(tensors, description)):
        raise HvaeError(
            f"{path} is damaged: expected sha256 {str(written)[:12]}... of its content, found {computed[:12]}...; "
            "a bit has flipped: restore it from a copy"
        )
    return Stored(tensors, description, verified=written is not None)


def _description(text: str) -> JSON:
    if len(text) > MOST_BYTES:
        raise ValueError(f"a description of {len(text):,} letters")
    return parsed(text)


def digest(tensors: Mapping[str, Tensor], description: Mapping[str, object] | None = None) -> str:
    """The sha256 of a description and of the name, type, shape and bytes of every tensor, in the order of the names.

    >>> digest({"w": torch.zeros(2)})[:12], digest({"w": torch.zeros(2, 1)})[:12]
    ('1687210d4ce2', '344f0fb7c4c9')
    """
    total = hashlib.sha256(json.dumps(description or {}).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        # Seen as bytes, so that types which numpy does not know (bfloat16) are read as they lie.
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
