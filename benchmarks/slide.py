"""What `hvae score --tile` takes for generated pictures of two sizes: seconds, and the largest memory of the process.

    python benchmarks/slide.py --out FOLDER [--sides 1000,8000]

A texture with 20 spots of noise; a small ladder of patches of such a texture, 64 x 64, trained first.  The spots that
the anomaly map finds: those in whose box it exceeds its 99.9 % quantile over the whole picture.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

TILE, SPOTS, SPOT = 64, 20, 16
MODEL = (
    *("--model.family", "ladder", "--model.groups", "0,0,1,1", "--model.width", "12", "--model.latent", "2"),
    *("--model.start", "everywhere", "--model.likelihood", "logistic", "--objective.free_bits.nats", "0"),
    *("--train.steps", "400", "--train.batch", "32", "--train.accelerator", "cpu", "--data.valid", "200"),
)


def texture(side: int, seed: int) -> np.ndarray:
    """A wave under noise, (side, side) uint8."""
    rows, columns = np.arange(side)[:, None], np.arange(side)[None]
    wave = np.sin(columns / 5.0).astype(np.float32) * np.sin(rows / 6.2).astype(np.float32)
    noise = np.random.default_rng(seed).standard_normal((side, side), dtype=np.float32)
    return np.clip(128 + 60 * wave + 8 * noise, 0, 255).astype(np.uint8)


def hvae(*words: str | Path) -> tuple[float, int]:
    """Seconds of a command, and the largest memory of its process in bytes."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "hvae", *map(str, words)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"hvae {words[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began, usage.ru_maxrss * 1024


def trained(out: Path) -> Path:
    """A run of patches."""
    if (out / "run").exists():
        return out / "run"
    large, chance = texture(2000, 0), np.random.default_rng(1)
    corners = chance.integers(0, 2000 - TILE, (1400, 2))
    np.save(out / "patches.npy", np.stack([large[i : i + TILE, j : j + TILE] for i, j in corners])[:, None])
    hvae("train", "arrays", "--data.path", out / "patches.npy", "--out", out / "run", *MODEL)
    return out / "run"


def spotted(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture, and the corners of its spots, (20, 2)."""
    picture, chance = texture(side, 7), np.random.default_rng(8)
    corners = chance.integers(0, side - SPOT, (SPOTS, 2))
    for i, j in corners:
        picture[i : i + SPOT, j : j + SPOT] = chance.integers(30, 226, (SPOT, SPOT))
    return picture, corners


def measure(run: Path, out: Path, side: int) -> dict[str, float]:
    """One picture: what it took, and how many of its spots stand out."""
    picture, corners = spotted(side)
    np.save(out / f"slide-{side}.npy", picture)
    maps = out / f"maps-{side}"
    seconds, memory = hvae("score", run, "--data", out / f"slide-{side}.npy", "--tile", "-o", maps, "--normal", "500")
    anomaly = np.load(maps / "x1-anomaly.npy", mmap_mode="r")
    limit = np.quantile(anomaly[::7, ::7], 0.999)
    hits = sum(bool(anomaly[i : i + SPOT, j : j + SPOT].max() > limit) for i, j in corners)
    tiles = json.loads((maps / "scores.json").read_text())["magnifications"][0]["tiles"]
    return {"side": side, "tiles": tiles, "seconds": round(seconds, 1), "memory_mb": memory // 10**6, "spots": hits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--sides", default="1000,8000")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    run = trained(args.out)
    for side in map(int, args.sides.split(",")):
        print(json.dumps(measure(run, args.out, side)), flush=True)


if __name__ == "__main__":
    main()
