"""Weights at rest: safetensors with a JSON description inside, so that a file says what it is.

Loading reads tensors and text; it never executes anything from the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hvae.errors import HvaeError
from hvae.files import replacing


def save_weights(path: str | Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write tensors and their description (anything JSON can hold), whole or not at all."""
    # Contiguous copies on the CPU: safetensors refuses views that share storage.
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    # As bytes, since the library's own writer hides a full disk's error and makes a file that only its owner can read.
    content = save(plain, metadata={"hvae": json.dumps(dict(description))})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file and its description.  Raises HvaeError if it is missing, damaged or not ours."""
    path = Path(path)
    if not path.is_file():
        raise HvaeError(f"no weights at {path}; train first, or give a run folder that holds model.safetensors")
    try:
        with safe_open(str(path), framework="pt") as f:
            description = json.loads((f.metadata() or {})["hvae"])
            return {name: f.get_tensor(name) for name in f.keys()}, description  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as fault:
        raise HvaeError(f"{path} is damaged or not an hvae weight file ({fault}); restore it or train again") from fault
