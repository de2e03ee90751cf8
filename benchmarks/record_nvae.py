"""Record what the released code of NVAE computes at toy size: the numbers that the tests compare with.

    git clone https://github.com/NVlabs/NVAE && python benchmarks/record_nvae.py NVAE tests/fixtures

writes nvae_flow.npz (colours, a flow, residual posteriors) and nvae_binary.npz (28 x 28, no flow, neither), each with a
second file of one training step.  All weights and statistics are random, so that every path has a signal, and stored
under their published names; the likelihood's raw numbers are stored at every fourth pixel of both axes.

Shapes: `B` batch; `D` latent channels; `N` kernels of one shape, `R` rows of one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
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


def flat(prefix: str, named: Any) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value.detach().clone() for name, value in named}


def evaluated(model: Any, utils: Any, x: Tensor, noise: list[Tensor]) -> dict[str, Tensor]:
    model.eval()
    with torch.no_grad(), drawing(noise):
        logits, log_q, log_p, rates, diagonals = model(x)
    decoder = model.decoder_output(logits)
    recon = utils.reconstruction_loss(decoder, x, crop=model.crop_output)
    found = {"logits": logits[..., PARTS, PARTS], "log_q": log_q, "log_p": log_p, "recon": recon}
    found |= {f"kl/{i}": rate for i, rate in enumerate(rates)}
    found |= {f"kl_diag/{i}": rate for i, rate in enumerate(diagonals)}
    found["nelbo"] = recon + sum(rates)
    found["log_iw"] = utils.log_iw(decoder, x, log_q, log_p, crop=model.crop_output)
    return flat("eval", found.items())


def sampled(model: Any, noise: list[Tensor], t: float) -> dict[str, Tensor]:
    with torch.no_grad(), drawing(noise):
        logits = model.sample(BATCH, t)
    found = {f"sample/{t}/logits": logits[..., PARTS, PARTS]}
    if not model.crop_output:
        m = model.num_mix_output
        u, v = (torch.rand(BATCH, n, *logits.shape[2:]).clamp(1e-5, 1 - 1e-5) for n in (m, 3))
        left = iter([u, v])
        with patch.object(Tensor, "uniform_", lambda self, *_: self.copy_(next(left))):
            image = model.decoder_output(logits).sample()
        found |= {f"sample/{t}/image": image[..., PARTS, PARTS]}
        found |= {f"sample/{t}/gumbel_u": u[..., PARTS, PARTS], f"sample/{t}/logistic_u": v[..., PARTS, PARTS]}
    return found


def trained(model: Any, utils: Any, x: Tensor, noise: list[Tensor]) -> dict[str, Tensor]:
    """One pass in training mode: loss, its parts, gradients and statistics."""
    model.train()
    with drawing(noise):
        logits, _, _, rates, _ = model(x)
    recon = utils.reconstruction_loss(model.decoder_output(logits), x, crop=model.crop_output)
    alpha = utils.kl_balancer_coeff(model.num_latent_scales, model.groups_per_scale, "square")
    balanced, coefficients, values = utils.kl_balancer(rates, BETA, kl_balance=True, alpha_i=alpha)
    left: dict[str, Tensor] = {}

    def draw(self: Tensor, *_: Any) -> Tensor:
        # In pairs: u, the start, and v, which the first round replaces.
        drawn = torch.randn(self.shape)
        left[f"left/{len(left)}"] = drawn
        return self.copy_(drawn)

    with patch.object(Tensor, "normal_", draw):
        spectral = model.spectral_norm_parallel()
    norms = model.batchnorm_loss()
    loss = (recon + balanced).mean() + 0.01 * (spectral + norms)
    model.zero_grad()
    loss.backward()
    found = {"recon": recon, "balanced": balanced, "coefficients": coefficients, "values": values, "alpha": alpha}
    found |= {"spectral": spectral, "batchnorm": norms, "loss": loss, "again": model.spectral_norm_parallel()}
    starts = [left[f"left/{i}"] for i in range(0, len(left), 2)]
    found |= {f"left/{u.shape[1]}x{v}": u for u, v in zip(starts, [s[1] for s in _shapes(model)], strict=True)}
    gradients = flat("grad", ((n, p.grad) for n, p in model.named_parameters() if p.grad is not None))
    buffers = ((n, b) for n, b in model.named_buffers() if "running" in n)
    return {**flat("train", found.items()), **gradients, **flat("buffer", buffers)}


def _shapes(model: Any) -> list[tuple[int, int]]:
    """The shapes of kernels as matrices, in order of appearance."""
    return list(dict.fromkeys((len(c.weight), c.weight[0].numel()) for c in model.all_conv_layers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("official", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    modules = official_nvae.load(options.official)
    for number, (case, (dataset, config)) in enumerate(CASES.items()):
        torch.manual_seed(number)
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
        first |= evaluated(model, modules[1], x, noise)
        for t in (1.0, 0.7):
            first |= sampled(model, noise, t)
        _save(options.out / f"{case}.npz", first, vars(args))
        _save(options.out / f"{case}_train.npz", trained(model, modules[1], x, noise), {})


def _save(path: Path, tensors: dict[str, Tensor], args: dict[str, Any]) -> None:
    arrays = {name: t.numpy() for name, t in tensors.items() if not name.endswith("weight_normalized")}
    np.savez_compressed(path, args=np.array(json.dumps(args)), **arrays)
    print(path, f"{path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
