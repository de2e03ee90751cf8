"""Denoising learnt from noisy pictures alone, beside filters that are told the noise: PSNR by the number of draws.

    python benchmarks/denoising.py make photos64 FOLDER OUT   # OUT/noisy.npz to train on, OUT/clean.npz to measure with
    python benchmarks/denoising.py make cells OUT
    hvae train denoise --data.path OUT/noisy.npz --out RUN
    python benchmarks/denoising.py table RUN OUT -n 64        # needs scikit-image and PyWavelets

FOLDER holds `train` and `test`, folders of pictures of one size.  The noise is Gaussian, sigma 25 of 255, one draw a
picture with a seed, rounded and clipped to 8 bits as a camera does; nothing but the noisy pictures is ever trained on.
PSNR is the mean over pictures, in dB, of pictures clipped to [0, 1].
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hvae.config.data import DataConfig
from hvae.data import load
from hvae.metrics import psnr
from hvae.study.restore import restore

SIGMA, SEED = 25 / 255, 0
DRAWS = (1, 4, 16, 64)


def main() -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    make = commands.add_parser("make")
    make.add_argument("name", choices=("photos64", "cells"))
    make.add_argument("places", nargs="+", type=Path, help="FOLDER OUT, or OUT")
    table = commands.add_parser("table")
    table.add_argument("run")
    table.add_argument("place", type=Path)
    table.add_argument("-n", type=int, default=64, help="test pictures, evenly over the split")
    table.add_argument("--steps", type=int, default=0, help="steps of refinement before the draws")
    args = parser.parse_args()
    if args.what == "make":
        prepare(args.name, *args.places)
    else:
        compare(args.run, args.place, args.n, args.steps)


def prepare(name: str, *places: Path) -> None:
    """Write the clean and the noisy pictures of both splits, (N, C, H, W) uint8."""
    *folder, out = places
    config = DataConfig(name="folder", path=str(folder[0]), valid=0) if folder else DataConfig(name=name, valid=0)
    data = load(config)
    clean = {part: getattr(data, part).levels(range(len(getattr(data, part)))).numpy() for part in ("train", "test")}
    random = np.random.default_rng(SEED)
    noisy = {part: noised(levels, random) for part, levels in clean.items()}
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "clean.npz", **clean)
    np.savez_compressed(out / "noisy.npz", **noisy)
    print({part: levels.shape for part, levels in clean.items()})


def noised(levels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(levels + 255 * SIGMA * random.standard_normal(levels.shape)), 0, 255).astype(np.uint8)


def compare(run: str, place: Path, n: int, steps: int) -> None:
    clean, noisy = (test(place / f"{name}.npz", n) for name in ("clean", "noisy"))
    print(f"{'':28} {'PSNR, dB':>9} {'seconds':>8}")
    show("noisy", 0.0, psnr(noisy, clean))
    for name, work in FILTERS.items():
        start = time.process_time()
        filtered = torch.stack(
            [torch.from_numpy(work(picture)).float().view(picture.shape) for picture in layouts(noisy)]
        )
        show(name, time.process_time() - start, psnr(filtered.movedim(-1, 1).clamp(0, 1), clean))
    start = time.process_time()
    draws = restore(run, noisy.numpy(), task="denoise", draws=max(DRAWS), steps=steps, number=n).draws
    spent = time.process_time() - start
    for count in DRAWS:
        show(f"mean of {count} draws", spent * count / max(DRAWS), psnr(draws[:, :count].mean(1), clean))


def show(name: str, seconds: float, estimate: Tensor) -> None:
    print(f"{name:28} {estimate.mean():6.2f} ± {estimate.std() / len(estimate) ** 0.5:.2f} {seconds:8.1f}", flush=True)


def test(file: Path, n: int) -> Tensor:
    levels = np.load(file)["test"]
    return torch.from_numpy(levels[:: max(1, len(levels) // n)][:n]).float() / 255


def layouts(pictures: Tensor) -> Iterator[np.ndarray]:
    """Each picture as (H, W, C)."""
    return (picture.movedim(0, -1).numpy() for picture in pictures)


def as_tensor(filtered: np.ndarray, like: np.ndarray) -> Tensor:
    """In the shape of the picture, whose one channel some filters drop."""
    return torch.from_numpy(filtered.reshape(like.shape)).float()


def nlm(picture: np.ndarray) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    # The slow mode weighs a patch by a Gaussian; with sigma told, 0.8 sigma is the strength its documentation names.
    return denoise_nl_means(
        picture, patch_size=5, patch_distance=6, h=0.8 * SIGMA, sigma=SIGMA, fast_mode=False, channel_axis=-1
    )


def nlm_fast(picture: np.ndarray) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(
        picture, patch_size=5, patch_distance=6, h=0.6 * SIGMA, sigma=SIGMA, fast_mode=True, channel_axis=-1
    )


def wavelet(picture: np.ndarray) -> np.ndarray:
    from skimage.restoration import denoise_wavelet

    return denoise_wavelet(
        picture, sigma=SIGMA, method="BayesShrink", mode="soft", convert2ycbcr=picture.shape[-1] == 3, channel_axis=-1
    )


FILTERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "non-local means": nlm,
    "non-local means, fast": nlm_fast,
    "wavelet": wavelet,
}


if __name__ == "__main__":
    main()
