"""Models without Python: decoders and encoders as plain functions of tensors, for files that other runtimes read.

Noise and temperatures come in from outside, so that a program has no random numbers of its own and gives the same
values wherever it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hvae.lazy import lazy

if TYPE_CHECKING:
    from hvae.deploy.backend import Backend
    from hvae.deploy.noise import Noise
    from hvae.deploy.programs import Decoder, Encoder

__all__ = ["Backend", "Decoder", "Encoder", "Noise"]

_load = lazy(__name__, {"backend": ("Backend",), "noise": ("Noise",), "programs": ("Decoder", "Encoder")})


def __getattr__(name: str) -> Any:
    return _load(name)
