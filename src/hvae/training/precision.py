"""Which precision a machine is fast in: `train.precision auto`, settled once, before a run begins.

bf16 has the exponents of float32 and eight bits of mantissa.  A processor without instructions for it computes it by
way of float32, six times as slow as float32 itself; one with them takes less time than in float32.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from hvae.config.train import Precision, TrainConfig
from hvae.processor import facts

INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")
"""What Linux calls them: of Intel's and AMD's processors, and of ARM's."""


def settled(config: TrainConfig) -> tuple[TrainConfig, str]:
    """The configuration with a precision that says which, and a line about it; empty where nothing was left open.

    >>> settled(TrainConfig(precision="bf16"))[1]
    ''
    """
    if config.precision != "auto":
        return config, ""
    choice, reason = _chosen(config.accelerator)
    return replace(config, precision=choice), f"train.precision auto: {choice}, for {reason}"


def _chosen(accelerator: str) -> tuple[Precision, str]:
    if accelerator in ("auto", "cuda") and torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16", "this GPU computes in it") if fast else ("32", "this GPU does not compute in bf16")
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return "32", "half precision has not been tried on this kind of device"
    own = instructions()
    if own:
        return "bf16", f"this processor has {own}"
    return "32", "this processor has no instructions for bf16, or does not say so"


def instructions() -> str:
    """The instructions for bf16 that this processor names; empty where it names none."""
    words = [*facts("flags"), *facts("Features")]
    return next((name for name in INSTRUCTIONS if name in words), "")
