"""Denoising learnt from noisy pictures alone, beside filters that are told the noise: PSNR by the number of draws.

    python benchmarks/denoising.py make photos64 FOLDER OUT   # OUT/noisy.npz to train on, OUT/clean.npz to measure with
    python benchmarks/denoising.py make cells OUT
    hvae train denoise --data.path OUT/noisy.npz --out RUN
    python benchmarks/denoising.py table RUN OUT -n 64        # needs scikit-image and PyWavelets
    python benchmarks/denoising.py views RUN OUT --part valid # as many draws, spread over 1, 2, 4 and 8 views

FOLDER holds `train` and `test`, folders of pictures of one size.  The noise is Gaussian, sigma 25 of 255, one draw a
picture with a seed, rounded and clipped to 8 bits as a camera does; nothing but the noisy pictures is ever trained on.
PSNR is the mean over pictures, in dB, of pictures clipped to [0, 1].
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hvae.checkpoints import load as open_run
from hvae.config.data import DataConfig
from hvae.data import load
from hvae.metrics import psnr
from hvae.study.restore import restore

SIGMA, SEED = 25 / 255, 0
DRAWS = (1, 4, 16, 64)
EACH, VIEWS = 16, 8


def main() -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    make = commands.add_parser("make")
    make.add_argument("name", choices=("photos64", "cells"))
    make.add_argument("places", nargs="+", type=Path, help="FOLDER OUT, or OUT")
    for name in ("table", "views"):
        table = commands.add_parser(name)
        table.add_argument("run")
        table.add_argument("place", type=Path)
        table.add_argument("-n", type=int, default=64, help="pictures, evenly over the split")
        table.add_argument("--part", choices=("valid", "test"), default="test")
        table.add_argument("--views", type=int, default=1, help="of table: that the draws are spread over")
        table.add_argument("--steps", type=int, default=0, help="steps of refinement before the draws")
    args = parser.parse_args()
    if args.what == "make":
        prepare(args.name, *args.places)
    else:
        clean, noisy = (
            pictures(args.run, args.place / f"{name}.npz", args.part, args.n) for name in ("clean", "noisy")
        )
        if args.what == "views":
            spread(args.run, clean, noisy, args.steps)
        else:
            compare(args.run, clean, noisy, args.views, args.steps)


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


def compare(run: str, clean: Tensor, noisy: Tensor, views: int, steps: int) -> None:
    print(f"{'':28} {'PSNR, dB':>9} {'seconds':>8}")
    show("noisy", 0.0, psnr(noisy, clean))
    for name, work in FILTERS.items():
        start = time.process_time()
        filtered = torch.stack(
            [torch.from_numpy(work(picture)).float().view(picture.shape) for picture in layouts(noisy)]
        )
        show(name, time.process_time() - start, psnr(filtered.movedim(-1, 1).clamp(0, 1), clean))
    start = time.process_time()
    work = {"task": "denoise", "draws": max(DRAWS), "views": views, "steps": steps, "number": len(noisy)}
    draws = restore(run, noisy.numpy(), **work).draws
    spent = time.process_time() - start
    for count in DRAWS:
        show(f"mean of {count} draws", spent * count / max(DRAWS), psnr(draws[:, :count].mean(1), clean))


def spread(run: str, clean: Tensor, noisy: Tensor, steps: int) -> None:
    """As many draws of one view and of more, all from the same walks, and the gain picture by picture."""
    work = {"task": "denoise", "draws": EACH * VIEWS, "views": VIEWS, "steps": steps, "number": len(noisy)}
    draws = restore(run, noisy.numpy(), **work).draws.unflatten(1, (EACH, VIEWS))  # (N, draws of a view, views, ...)
    show("noisy", 0.0, psnr(noisy, clean))
    one = psnr(draws[:, :, 0].mean(1), clean)
    show(f"{EACH} draws of 1 view", 0.0, one)
    for views, each in ((2, EACH // 2), (4, EACH // 4), (8, EACH // 8), (8, EACH)):
        several = psnr(draws[:, :each, :views].mean((1, 2)), clean)
        show(f"{each * views} draws of {views} views", 0.0, several)
        show("    gain, paired", 0.0, several - one)


def show(name: str, seconds: float, estimate: Tensor) -> None:
    print(f"{name:28} {estimate.mean():6.2f} ± {estimate.std() / len(estimate) ** 0.5:.2f} {seconds:8.1f}", flush=True)


def pictures(run: str, file: Path, part: str, n: int) -> Tensor:
    """Of a split of the run's, whose pictures of either file are the same."""
    split = getattr(load(replace(open_run(run).config.data, path=str(file))), part).fixed(0)
    return split.pictures(range(0, len(split), max(1, len(split) // n))[:n])


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
