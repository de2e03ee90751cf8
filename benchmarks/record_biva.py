"""Add to the fixtures of BIVA what the authors' PyTorch release computes from their numbers in float64.

    git clone https://github.com/vlievin/biva-pytorch && python benchmarks/record_biva.py biva-pytorch tests/fixtures

The float32 numbers of biva_maps.npz and biva_vectors.npz stay as they are.  Weights and values of the latents are
widened, pixels are the levels k / 255 that the float32 ones stand for, and what comes of them is stored as double/...:
both conditionals and the one-sample KL of every latent, and the raw output; of maps every third pixel.  The release's
constants are Python's: nothing in it stays float32.

Shapes: `B` batch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

LATENTS = (3, 2, 2)
STAGES = [[[4, 5, 1], [4, 5, 2]], [[4, 3, 1], [4, 3, 1]], [[4, 3, 1], [4, 3, 2]]]
# Channels of the data, raw numbers a pixel, and the kernels of latents that are maps.
CASES: dict[str, tuple[int, int, tuple[int, ...]]] = {"biva_vectors": (1, 1, ()), "biva_maps": (3, 6, (6, 6, 3))}
DRAWN = ("z1-up", "z2-up", "z3", "z2-down", "z1-down")
SCORED = ("z3", "z2-down", "z2-up", "z1-down", "z1-up")
PARTS = slice(1, None, 3)


def build(case: str) -> Any:
    """The release's model of a case, in float64 and evaluation mode, past its start from data."""
    from biva.model import ConvNormal, DeepVae, DenseNormal
    from biva.model.stage import BivaStage

    channels, raw, kernels = CASES[case]
    kinds: list[dict[str, Any]] = [{"kernel": k, "block": ConvNormal} for k in kernels]
    kinds = kinds or [{"block": DenseNormal} for _ in LATENTS]
    latents = [{"N": n, **kind} for n, kind in zip(LATENTS, kinds, strict=True)]
    shape = (-1, channels, 12, 12)
    model = DeepVae(Stage=BivaStage, tensor_shp=shape, stages=STAGES, latents=latents, features_out=raw).double().eval()
    for name, buffer in model.named_buffers():
        if name.endswith("initialized"):
            buffer.fill_(True)
    return model


@contextmanager
def drawing(values: list[Tensor]) -> Iterator[None]:
    """Draws, one after another, come from a list."""
    left = iter(values)
    with patch.object(Normal, "rsample", lambda self: next(left)):
        yield


@contextmanager
def scoring(model: Any) -> Iterator[list[tuple[Normal, Normal, Tensor]]]:
    """What each latent is scored with, and how, as it happens: q, p and the KL."""
    sites: list[tuple[Normal, Normal, Tensor]] = []
    kind = type(model.stages[-1].stochastic)
    score = kind.loss

    def loss(layer: Any, q: dict[str, Any], p: dict[str, Any], **rest: Any) -> Any:
        scored = score(layer, q, p, **rest)
        sites.append((q["dist"], p["dist"], scored["kl"][0]))
        return scored

    with patch.object(kind, "loss", loss):
        yield sites


@torch.no_grad()
def doubled(case: str, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    model = build(case)
    weights = {name.removeprefix("param/"): value for name, value in inputs.items() if name.startswith("param/")}
    lacking, surplus = model.load_state_dict(weights, strict=False)
    assert not surplus and all(name.endswith(("initialized", "prior")) for name in lacking), (lacking, surplus)
    x = (inputs["x"].double() * 255).round() / 255
    with drawing([inputs[f"z/{name}"].double() for name in DRAWN]), scoring(model) as scored:
        outputs = {"logits": model(2 * x - 1)["x_"]}
    for name, (q, p, kl) in zip(SCORED, scored, strict=True):
        outputs |= {f"kl/{name}": kl, f"q/{name}/loc": q.loc, f"q/{name}/scale": q.scale}
        outputs |= {f"p/{name}/loc": p.loc, f"p/{name}/scale": p.scale}
    for name, value in outputs.items():
        torch.testing.assert_close(value.float(), inputs[name].expand_as(value), rtol=1e-4, atol=1e-4)
    return {f"double/{name}": value[..., PARTS, PARTS] if value.ndim > 2 else value for name, value in outputs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("official", type=Path)
    parser.add_argument("fixtures", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(options.official))
    sys.modules["biva.utils.logging"] = ModuleType("biva.utils.logging")  # draws pictures, with more packages
    for case in CASES:
        path = options.fixtures / f"{case}.npz"
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files if not name.startswith("double/")}
        outputs = doubled(case, {name: torch.from_numpy(value) for name, value in arrays.items()})
        np.savez_compressed(path, **arrays, **{name: value.contiguous().numpy() for name, value in outputs.items()})
        print(path, f"{path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
