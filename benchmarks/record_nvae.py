"""Record what the released code of NVAE computes at toy size: the numbers that the tests compare with.

    git clone https://github.com/NVlabs/NVAE && python benchmarks/record_nvae.py NVAE tests/fixtures

writes nvae_flow.npz (colours, a flow, residual posteriors) and nvae_binary.npz (28 x 28, no flow, neither), each with a
second file of one training step.  All weights and statistics are random, so that every path has a signal, and stored
under their published names; the likelihood's raw numbers are stored at every fourth pixel of both axes.

What is called double/... was computed in float64 from the float32 numbers of the same files (`--double` adds it to
files that are there and leaves the others as they are).  The one number that is not merely widened is a pixel: it is
the level k / 255 that the float32 number stands for, since our likelihood counts levels.  Under a default type of
float64 nothing in the released code stays float32 but its masks, which hold zeros and ones; its constants (0.01 under
a scale, 1e-5 under a length, 1e-3 under a singular vector, 1e-5 and 1e-10 in the mass of a bin) are Python's.

Shapes: `B` batch; `D` latent channels; `N` kernels of one shape, `R` rows of one.
"""

from __future__ import annotations

import argparse
import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import official_nvae
import torch
from torch import Tensor, nn

from hvae.config.nvae import NVAEConfig

BATCH, BETA = 2, 0.5
_SIZES: dict[str, Any] = {"decoder_width": 4, "latent": 2, "encoder_cells": 1, "decoder_cells": 1}
CASES = {
    "nvae_flow": ("cifar10", NVAEConfig(**_SIZES, encoder_width=4, groups=(2, 1), mixtures=2, flows=1)),
    "nvae_binary": (
        "mnist",
        NVAEConfig(**_SIZES, encoder_width=2, groups=(1, 1), blocks=2, block_cells=1, residual=False, gates=False),
    ),
}
PARTS = slice(1, None, 4)


def randomise(model: nn.Module) -> None:
    """Weights that no layer's default makes silent, and statistics as after some training."""
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, std=0.2)
            assert m.running_mean is not None and m.running_var is not None
            nn.init.normal_(m.running_mean, std=0.3)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
        elif isinstance(m, nn.Conv2d):
            m.weight.data.mul_(1.5)


@contextmanager
def drawing(noise: list[Tensor]) -> Iterator[None]:
    """Draws of latents, one after another, come from a list of standard normal numbers."""
    left = iter(noise)

    def draw(mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        eps = next(left)
        return mean + eps * scale, eps

    with patch("distributions.sample_normal_jit", draw):
        yield


def flat(prefix: str, values: Any) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value.detach().clone() for name, value in values}


def evaluated(model: Any, utils: Any, x: Tensor, noise: list[Tensor]) -> dict[str, Tensor]:
    model.eval()
    with torch.no_grad(), drawing(noise):
        logits, log_q, log_p, rates, diagonals = model(x)
    decoder = model.decoder_output(logits)
    recon = utils.reconstruction_loss(decoder, x, crop=model.crop_output)
    outputs = {"logits": logits[..., PARTS, PARTS], "log_q": log_q, "log_p": log_p, "recon": recon}
    outputs |= {f"kl/{i}": rate for i, rate in enumerate(rates)}
    outputs |= {f"kl_diag/{i}": rate for i, rate in enumerate(diagonals)}
    outputs["nelbo"] = recon + sum(rates)
    outputs["log_iw"] = utils.log_iw(decoder, x, log_q, log_p, crop=model.crop_output)
    return outputs


def sampled(model: Any, noise: list[Tensor], t: float) -> dict[str, Tensor]:
    with torch.no_grad(), drawing(noise):
        logits = model.sample(BATCH, t)
    outputs = {f"sample/{t}/logits": logits[..., PARTS, PARTS]}
    if not model.crop_output:
        m = model.num_mix_output
        u, v = (torch.rand(BATCH, n, *logits.shape[2:]).clamp(1e-5, 1 - 1e-5) for n in (m, 3))
        left = iter([u, v])
        with patch.object(Tensor, "uniform_", lambda self, *_: self.copy_(next(left))):
            image = model.decoder_output(logits).sample()
        outputs |= {f"sample/{t}/image": image[..., PARTS, PARTS]}
        outputs |= {f"sample/{t}/gumbel_u": u[..., PARTS, PARTS], f"sample/{t}/logistic_u": v[..., PARTS, PARTS]}
    return outputs


def trained(
    model: Any, utils: Any, x: Tensor, noise: list[Tensor], start: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """One pass in training mode: loss and its parts; gradients and statistics stay with the model.

    `start` fills a vector that begins a power iteration.  They come in pairs: u, and v, which the first round replaces.
    """
    model.train()
    with drawing(noise):
        logits, _, _, rates, _ = model(x)
    recon = utils.reconstruction_loss(model.decoder_output(logits), x, crop=model.crop_output)
    alpha = utils.kl_balancer_coeff(model.num_latent_scales, model.groups_per_scale, "square")
    balanced, coefficients, values = utils.kl_balancer(rates, BETA, kl_balance=True, alpha_i=alpha)
    with patch.object(Tensor, "normal_", lambda self, *_: start(self)):
        spectral = model.spectral_norm_parallel()
    norms = model.batchnorm_loss()
    loss = (recon + balanced).mean() + 0.01 * (spectral + norms)
    model.zero_grad()
    loss.backward()
    outputs = {"recon": recon, "balanced": balanced, "coefficients": coefficients, "values": values, "alpha": alpha}
    return outputs | {"spectral": spectral, "batchnorm": norms, "loss": loss, "again": model.spectral_norm_parallel()}


def step(model: Any, utils: Any, x: Tensor, noise: list[Tensor]) -> dict[str, Tensor]:
    """A training pass from random starts of the power iteration, which are kept: also its gradients and statistics."""
    left: list[Tensor] = []

    def start(vectors: Tensor) -> Tensor:
        left.append(torch.randn(vectors.shape))
        return vectors.copy_(left[-1])

    outputs = trained(model, utils, x, noise, start)
    outputs |= {f"left/{u.shape[1]}x{columns}": u for u, (_, columns) in zip(left[::2], _shapes(model), strict=True)}
    buffers = ((n, b) for n, b in model.named_buffers() if "running" in n)
    return {**flat("train", outputs.items()), **flat("grad", gradients(model).items()), **flat("buffer", buffers)}


def gradients(model: Any) -> dict[str, Tensor]:
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def _shapes(model: Any) -> list[tuple[int, int]]:
    """The shapes of kernels as matrices, in order of appearance."""
    return list(dict.fromkeys((len(c.weight), c.weight[0].numel()) for c in model.all_conv_layers))


@contextmanager
def wide() -> Iterator[None]:
    """What is built and drawn is float64."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def doubled(modules: Any, first: Path, second: Path) -> None:
    """Adds to the two files of a case what the released code computes from their numbers in float64."""
    arrays, passed = _load(first), _load(second)
    with wide():
        model = official_nvae.build(modules, Namespace(**json.loads(str(arrays["args"]))))
        lacking, _ = model.load_state_dict({n: torch.from_numpy(v) for n, v in _below(arrays, "param/")}, strict=False)
        assert all(name.endswith("weight_normalized") for name in lacking), lacking  # second names of others
        noise = [torch.from_numpy(v).double() for _, v in _below(arrays, "noise/")]
        x = (torch.from_numpy(arrays["x"]).double() * 255).round() / 255
        outputs = evaluated(model, modules[1], x, noise)
        outputs["logits"] = outputs["logits"][..., ::2, ::2]
        outputs = flat("double/eval", outputs.items())
        for t in (1.0, 0.7):
            with torch.no_grad(), drawing(noise):
                outputs[f"double/sample/{t}/logits"] = model.sample(BATCH, t)[..., PARTS, PARTS][..., ::2, ::2]
        vectors = iter([v for _, u in _below(passed, "train/left/") for v in (torch.from_numpy(u), None)])

        def start(like: Tensor) -> Tensor:
            stored = next(vectors)
            return like if stored is None else like.copy_(stored)

        ran = trained(model, modules[1], x, noise, start)
        ran["norms"] = torch.stack([g.norm() for g in gradients(model).values()])
    _add(first, arrays, outputs)
    _add(second, passed, flat("double/train", ran.items()))


def recorded(modules: Any, case: str, out: Path) -> None:
    """Writes the two files of a case: its weights, what was drawn, and what came of it in float32."""
    dataset, config = CASES[case]
    torch.manual_seed(list(CASES).index(case))
    args = official_nvae.arguments(config, dataset, 8)
    model = official_nvae.build(modules, args)
    randomise(model)
    x = torch.randint(256, (BATCH, 3, 32, 32)) / 255
    if dataset == "mnist":
        x = nn.functional.pad((x[:, :1, 2:30, 2:30] > 0.7).float(), (2, 2, 2, 2))
    sides = [32 // 2**config.blocks // 2**scale for scale, n in enumerate(config.groups) for _ in range(n)]
    noise = [torch.randn(BATCH, config.latent, side, side) for side in reversed(sides)]
    first = {**flat("param", model.state_dict().items()), "x": x}
    first |= {f"noise/{i}": n for i, n in enumerate(noise)}
    first |= flat("eval", evaluated(model, modules[1], x, noise).items())
    for t in (1.0, 0.7):
        first |= sampled(model, noise, t)
    _save(out / f"{case}.npz", first, vars(args))
    _save(out / f"{case}_train.npz", step(model, modules[1], x, noise), {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("official", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--double", action="store_true", help="only what is in float64, to the files that are there")
    options = parser.parse_args()
    modules = official_nvae.load(options.official)
    for case in CASES:
        if not options.double:
            recorded(modules, case, options.out)
        doubled(modules, options.out / f"{case}.npz", options.out / f"{case}_train.npz")


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def _below(arrays: dict[str, np.ndarray], prefix: str) -> list[tuple[str, np.ndarray]]:
    return [(name.removeprefix(prefix), value) for name, value in arrays.items() if name.startswith(prefix)]


def _add(path: Path, arrays: dict[str, np.ndarray], tensors: dict[str, Tensor]) -> None:
    """The arrays of a file as they were, and what is new."""
    narrow = [name for name, t in tensors.items() if t.dtype != torch.float64]
    assert not narrow, narrow
    before = {name: value for name, value in arrays.items() if name not in tensors}
    np.savez_compressed(path, **before, **{name: t.numpy() for name, t in tensors.items()})
    print(path, f"{path.stat().st_size / 1e3:.0f} kB")


def _save(path: Path, tensors: dict[str, Tensor], args: dict[str, Any]) -> None:
    arrays = {name: t.numpy() for name, t in tensors.items() if not name.endswith("weight_normalized")}
    np.savez_compressed(path, args=np.array(json.dumps(args)), **arrays)


if __name__ == "__main__":
    main()
