"""What a run makes of some images, beside the formats everyone has: bits, bytes and seconds in one table.

    python benchmarks/codec_report.py RUN INPUT... [-n N] [--crop] [--tile SIZE] [--workers N] [--json] [--KEY VALUE]

INPUT is what `hvae compress` takes: image files, folders, .npy arrays, or test, valid, train of the run's own data, of
which -n takes so many at random (seed 0).  --crop cuts every picture into pieces of the model's size first; --tile is
what `hvae compress --tile` is.

The ELBO is that of values drawn from q as it is, with its rates in closed form; the codec draws values that are centres
of bins, once an image, so that its net bits differ from the ELBO by chance too: the standard error is stated.  "One by
one" is each image as a file of its own format, "together" all of them below each other in as few files as may be.
WebP and PNG come with Pillow; JPEG XL and FLIF are measured where pillow_jxl, cjxl or flif are installed.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, features

from hvae.checkpoints import load
from hvae.cli.compress import _tile
from hvae.cli.words import split_dotted
from hvae.coding import Book, Codec, Picture, Settings, read
from hvae.coding.entropy.numerics import calm, noise
from hvae.coding.entropy.stack import Stack
from hvae.coding.files.pictures import split
from hvae.draw import posterior
from hvae.study.codecs import codec_of, tile_shape
from hvae.study.inputs import gathered
from hvae.study.progress import quiet
from hvae.walk import run

Squeeze = Callable[[Image.Image], bytes]
_HIGHEST = 16_000
"""Rows of one file: WebP has no more than 16,383."""


def elbo(codec: Codec, tiles: np.ndarray, draws: int) -> np.ndarray:
    """Minus the ELBO of each tile in bits, (N,), averaged over draws from q."""
    bounds = []
    with calm():
        for at in range(0, len(tiles), 16):
            x = torch.from_numpy(tiles[at : at + 16]).double() / (2**codec.bits - 1)
            bound = [run(codec.model, posterior, codec.model.evidence(x)).elbo() for _ in range(draws)]
            bounds.append(-torch.stack(bound).mean(0).numpy() / math.log(2))
    return np.concatenate(bounds)


class Chain(NamedTuple):
    """All tiles on one stack, whether it pays or not: bits of the ELBO, of the walks, net, and with what was borrowed.

    `borrowed` is how far the stack ever sank below its start: by Bit-Swap's own account, a chain costs net + borrowed.
    `squares` are those of the difference that chance makes between walk and ELBO, tile by tile.
    """

    walks: float
    net: float
    borrowed: float
    first: float
    squares: float


def chain(codec: Codec, tiles: np.ndarray, book: Book) -> Chain:
    """One tile first, then as many at a time, up to 16, as the stack can lend to without new debts."""
    coder, stack = codec.coder(book), Stack.start(noise(1 << 18))
    start, at, loan, first, walks, squares = stack.bits, 0, 0.0, 0.0, 0.0, 0.0
    while at < len(tiles):
        rows = min(16, int((stack.bits - stack.lowest) / loan)) if loan else 1
        trace = coder.encode(stack, tiles[at : at + max(1, rows)])
        weight, bound = (-t.numpy() / math.log(2) for t in (trace.log_weight(), trace.elbo()))
        walks, squares, at = walks + weight.sum(), squares + ((weight - bound) ** 2).sum(), at + len(weight)
        first = first if loan else float(stack.bits - stack.lowest)
        loan = loan or 1.2 * (start - stack.lowest)
    return Chain(walks, stack.bits - start, start - stack.lowest, first, squares)


def pillow(**options: Any) -> Squeeze:
    def squeeze(image: Image.Image) -> bytes:
        out = io.BytesIO()
        image.save(out, **options)
        return out.getvalue()

    return squeeze


def command(words: str, suffix: str) -> Squeeze:
    """An encoder on the path; {0} and {1} are its files."""

    def squeeze(image: Image.Image) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            before, after = Path(folder) / "a.png", Path(folder) / f"a.{suffix}"
            image.save(before)
            filled = [word.format(before, after) for word in words.split()]
            subprocess.run(filled, check=True, capture_output=True)
            return after.read_bytes()

    return squeeze


def rivals() -> dict[str, Squeeze]:
    """Encoders that are here, each at its most thorough."""
    sizes = {"PNG, optimised": pillow(format="PNG", optimize=True)}
    if features.check("webp"):
        sizes["WebP lossless"] = pillow(format="WEBP", lossless=True, quality=100, method=6, exact=True)
    if shutil.which("cjxl"):
        sizes["JPEG XL"] = command("cjxl -d 0 -e 9 {0} {1}", "jxl")
    elif _importable("pillow_jxl"):
        jxl = pillow(format="JXL", lossless=True, effort=9)
        sizes["JPEG XL"] = lambda image: jxl(image.convert("L") if image.mode == "1" else image)  # it knows no bits
    if shutil.which("flif"):
        sizes["FLIF"] = command("flif -e {0} {1}", "flif")
    return sizes


def _importable(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True


def as_image(levels: np.ndarray, bits: int) -> Image.Image:
    """Levels (C, H, W) as what an ordinary format keeps: one bit a pixel where that is all there is."""
    pixels = np.rint(levels * (255 / (2**bits - 1))).astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    return image.convert("1", dither=Image.Dither.NONE) if bits == 1 and image.mode == "L" else image


def strips(pictures: Iterable[Picture]) -> list[np.ndarray]:
    """Pictures of one width below each other, (C, H, W), as many as a file may have rows."""
    parts: list[list[np.ndarray]] = []
    for levels in (picture.levels for picture in pictures):
        last = parts[-1] if parts else []
        full = sum(one.shape[1] for one in last) + levels.shape[1] > _HIGHEST
        if not last or full or last[0].shape[2] != levels.shape[2]:
            parts.append([])
        parts[-1].append(levels)
    return [np.concatenate(strip, 1) for strip in parts]


def measured(squeeze: Squeeze, pictures: list[Picture], bits: int) -> dict[str, float]:
    started = time.process_time()
    alone = sum(len(squeeze(as_image(picture.levels, bits))) for picture in pictures)
    seconds = time.process_time() - started
    return {
        "one by one": alone,
        "together": sum(len(squeeze(as_image(strip, bits))) for strip in strips(pictures)),
        "seconds": seconds,
    }


def cropped(picture: Picture, shape: tuple[int, ...]) -> list[Picture]:
    """The pieces of a picture that are whole."""
    h, w = shape[1:]
    whole = picture.levels[:, : picture.levels.shape[1] // h * h, : picture.levels.shape[2] // w * w]
    return [Picture(picture.name, one, picture.mode) for one in split(whole, shape)] if whole.size else []


def chosen(pictures: list[Picture], number: int | None) -> list[Picture]:
    order = np.random.default_rng(0).permutation(len(pictures))[:number]
    return [pictures[i] for i in order]


def report(codec: Codec, pictures: list[Picture], book: Book | None, draws: int, workers: int) -> dict[str, Any]:
    """All numbers, in bits, bytes and seconds."""
    compressed = codec.compress(pictures, Settings(verify=False, workers=workers), book=book)
    started = time.perf_counter()
    back = codec.decompress(read(compressed.content), workers=workers)
    seconds = time.perf_counter() - started
    assert all(np.array_equal(a.levels, b.levels) for a, b in zip(pictures, back, strict=True)), "not lossless"
    tiles = np.concatenate([split(picture.levels, codec.shape) for picture in pictures])
    area = sum(picture.levels.shape[1] * picture.levels.shape[2] for picture in pictures) / 1e6
    return {
        "pictures": len(pictures),
        **compressed.to_dict(),
        "elbo": float(elbo(codec, tiles, draws).sum()),
        "chain": chain(codec, tiles, book or codec.calibrate(tiles[:16]))._asdict(),
        "megapixels": area,
        "encode_seconds_per_megapixel": compressed.seconds / area,
        "decode_seconds_per_megapixel": seconds / area,
        "rivals": {name: measured(squeeze, pictures, codec.bits) for name, squeeze in rivals().items()},
    }


def rows(results: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(name, bits of all pictures)."""
    c, account = results["chain"], results["account"]
    classic = f"{account['seeds']} of {account['images']} tiles kept in a classic format"
    lines = [
        ("minus the ELBO", results["elbo"]),
        ("ideal net, by the walks that coded", c["walks"]),
        (f"net on the stack (standard error {100 * math.sqrt(c['squares']) / results['elbo']:.2f} %)", c["net"]),
        ("on the stack, with what was borrowed for its start", c["net"] + c["borrowed"]),
        (f"the file ({classic})", 8.0 * results["bytes"]),
    ]
    for name, rival in results["rivals"].items():
        lines += [(f"{name}, {how}", 8.0 * rival[how]) for how in ("one by one", "together")]
    return lines


def markdown(results: Mapping[str, Any]) -> str:
    dims, count = results["dims"], results["pictures"]
    lines = [f"| {count} pictures | bits/dim | bytes | bytes a picture | against the ELBO |", "|---|---|---|---|---|"]
    for name, bits in rows(results):
        gap = f"{100 * (bits / results['elbo'] - 1):+.2f} %"
        lines.append(f"| {name} | {bits / dims:.4f} | {bits / 8:,.0f} | {bits / 8 / count:,.1f} | {gap} |")
    lines += [
        "",
        f"Order {results['order']}; the first tile alone takes {results['chain']['first'] / 8:,.0f} bytes; "
        f"{results['encode_seconds_per_megapixel']:.1f} s a megapixel to compress (without checking), "
        f"{results['decode_seconds_per_megapixel']:.1f} s to decompress; "
        + ", ".join(f"{k} {v['seconds'] / results['megapixels']:.1f} s" for k, v in results["rivals"].items()),
    ]
    return "\n".join(lines)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run")
    words.add_argument("paths", nargs="+", metavar="INPUT")
    words.add_argument("-n", "--number", type=int)
    words.add_argument("--crop", action="store_true")
    words.add_argument("--tile", default="", help="for a run of any size: N, HxW or whole")
    words.add_argument("--draws", type=int, default=1, help="draws from q for the ELBO of each image")
    words.add_argument("--workers", type=int, default=1)
    words.add_argument("--json", action="store_true")

    words.add_argument("--calibrated", action="store_true", help="bins from the training data, not from the images")
    rest, dotted = split_dotted(sys.argv[1:])
    args = words.parse_args(rest)
    torch.manual_seed(0)
    found_run = load(args.run)
    codec = codec_of(found_run, args.run, {})
    pictures = list(gathered(args.paths, found_run, None, dotted, quiet).pictures)
    if args.crop:
        pictures = [piece for picture in pictures for piece in cropped(picture, codec.shape)]
    pictures = chosen(pictures, args.number)
    if args.tile:
        codec = codec.sized(tile_shape(_tile(args.tile), pictures, codec.shape))
    book = None
    if args.calibrated:
        train = gathered(["train"], found_run, 64, dotted, quiet).pictures
        book = codec.calibrate(np.stack([picture.levels for picture in train]))
    results = report(codec, pictures, book, args.draws, args.workers)
    print(json.dumps(results) if args.json else markdown(results))


if __name__ == "__main__":
    main()
