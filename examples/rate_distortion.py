"""How good is a lossy codec, at what size?  Every number of its levels, beside JPEG and WebP on the same pictures.

    python examples/rate_distortion.py RUN PICTURES... --out FOLDER [--number 64]

RUN is trained to lose (family qresvae); PICTURES are files and folders.  Writes FOLDER/rate_distortion.json, a table,
and FOLDER/rate_distortion.png, its curves.

Bits are of whole files: one .hvz for all pictures, one JPEG or WebP for each.  Tables and headers are most of a small
JPEG, so `payload_bits_per_pixel` counts without them: for JPEG the scan alone (its tables, made to measure, for
nothing), for WebP all but 30 bytes, for .hvz the chunks.  PSNR and MS-SSIM are means over pictures; MS-SSIM of pictures
below 176 pixels has fewer than five scales, and compares only with numbers of the same size.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import hvae
from hvae.coding import LossyCodec, Picture, open_picture, opened, psnr
from hvae.explore.theme import LIGHT
from hvae.metrics import ms_ssim
from hvae.study.codecs import lossy_codec_of

JPEG = (3, 5, 8, 12, 20, 30, 40, 50, 60, 70, 80, 90)
WEBP = (0, 5, 10, 20, 35, 50, 65, 80, 90)
SUFFIXES = (".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp", ".jpg")
_WEBP_HEADER = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder of a lossy codec")
    parser.add_argument("pictures", nargs="+", help="files and folders of pictures")
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--number", type=int, default=64, help="pictures, evenly spread over all (default: 64)")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    codec = lossy_codec_of(hvae.load(args.run), args.run, {})
    files = [f for place in args.pictures for f in found(Path(place))]
    files = [files[i] for i in np.linspace(0, len(files) - 1, min(args.number, len(files))).astype(int)]
    pictures = [open_picture(file, codec.shape[0], codec.bits) for file in files]
    rows = [*by_levels(codec, pictures), *by_quality(pictures, "JPEG", JPEG), *by_quality(pictures, "WEBP", WEBP)]
    table = {"run": args.run, "pictures": len(pictures), "pixels": pixels(pictures), "rows": rows}
    (out / "rate_distortion.json").write_text(json.dumps(table, indent=2) + "\n")
    (out / "rate_distortion.png").write_bytes(drawn(rows))
    for row in rows:
        print("{codec:5} {setting:>4}  {bits_per_pixel:.3f} bits/pixel  {psnr:.2f} dB  {ms_ssim:.4f}".format(**row))


def found(place: Path) -> list[Path]:
    return sorted(f for f in place.rglob("*") if f.suffix.lower() in SUFFIXES) if place.is_dir() else [place]


def pixels(pictures: Sequence[Picture]) -> int:
    return sum(picture.levels[0].size for picture in pictures)


def by_levels(codec: LossyCodec, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """One row for each number of levels: a file of its own, decoded."""
    rows = []
    for keep in range(1, len(codec.levels) + 1):
        compressed = codec.compress(pictures, keep, verify=False)
        decoded = codec.decompress(opened(compressed.content))
        payload = sum(cost.bytes for cost in compressed.levels)
        rows.append(row("hvae", keep, pictures, decoded, len(compressed.content), payload))
    return rows


def by_quality(pictures: Sequence[Picture], kind: str, qualities: Sequence[int]) -> list[dict[str, Any]]:
    """One row for each quality of one of Pillow's formats, with its best effort and usual 4:2:0 colours."""
    rows = []
    for quality in qualities:
        files = [encoded(picture, kind, quality) for picture in pictures]
        payload = sum(len(file) - header(file, kind) for file in files)
        rows.append(row(kind, quality, pictures, [decoded(f) for f in files], sum(map(len, files)), payload))
    return rows


def encoded(picture: Picture, kind: str, quality: int) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture.levels.transpose(1, 2, 0)))
    effort = {"optimize": True} if kind == "JPEG" else {"method": 6}
    image.save(out, format=kind, quality=quality, **effort)
    return out.getvalue()


def decoded(file: bytes) -> Picture:
    with Image.open(io.BytesIO(file)) as image:
        return Picture("", np.asarray(image.convert("RGB")).transpose(2, 0, 1), 3)


def header(file: bytes, kind: str) -> int:
    """Bytes before the coded pixels."""
    if kind != "JPEG":
        return _WEBP_HEADER
    scan = file.index(b"\xff\xda")
    return scan + 2 + int.from_bytes(file[scan + 2 : scan + 4], "big")


def row(
    codec: str, setting: int, pictures: Sequence[Picture], decoded: Sequence[Picture], size: int, payload: int
) -> dict[str, Any]:
    pairs = [(p.levels, s.levels) for p, s in zip(pictures, decoded, strict=True)]
    alike = [ms_ssim(*(torch.from_numpy(side.copy())[None].double() / 255 for side in pair)) for pair in pairs]
    return {
        "codec": codec,
        "setting": setting,
        "bytes": size,
        "bits_per_pixel": 8 * size / pixels(pictures),
        "payload_bits_per_pixel": 8 * payload / pixels(pictures),
        "psnr": psnr([a for a, _ in pairs], [b for _, b in pairs], 8),
        "ms_ssim": float(torch.stack(alike).mean()),
    }


def drawn(rows: Sequence[dict[str, Any]]) -> bytes:
    """PSNR and MS-SSIM (in dB, -10 log10(1 - s)) against bits a pixel, as a PNG."""
    colours = {"hvae": LIGHT.shades(1)[0], "JPEG": LIGHT.first, "WEBP": LIGHT.second}
    with matplotlib.rc_context(LIGHT.style()):
        figure = Figure((10.2, 4.4), layout="constrained")
        psnr_axes, ssim_axes = figure.subplots(1, 2)
        for name, colour in colours.items():
            own = [r for r in rows if r["codec"] == name]
            for axes, up in ((psnr_axes, [r["psnr"] for r in own]), (ssim_axes, [similar(r["ms_ssim"]) for r in own])):
                axes.plot([r["bits_per_pixel"] for r in own], up, "o-", color=colour, label=name, markersize=4)
                axes.plot([r["payload_bits_per_pixel"] for r in own], up, ":", color=colour)
        psnr_axes.set(xlabel="bits a pixel (dotted: without headers)", ylabel="PSNR, dB", xscale="log")
        ssim_axes.set(xlabel="bits a pixel", ylabel="MS-SSIM, dB", xscale="log")
        psnr_axes.legend(frameon=False)
        out = io.BytesIO()
        FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def similar(ssim: float) -> float:
    return float(-10 * np.log10(max(1 - ssim, 1e-6)))


if __name__ == "__main__":
    main()
