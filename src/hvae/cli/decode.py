"""hvae decode: a file of latents to images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.encode import ABOUT_KEY
from hvae.cli.parser import SEED, Parser, split_dotted
from hvae.cli.sample import every, temperatures
from hvae.cli.voice import Voice
from hvae.errors import HvaeError
from hvae.files import making
from hvae.runs.subject import device_of
from hvae.study.places import check_place
from hvae.study.sheets import SUFFIXES, write

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.site import Pin

ABOUT = (
    "Turn latents back into images: an .npz file with one array a level, as hvae encode writes it. Levels that are not "
    "in the file are drawn from their priors. Writes a folder of PNG files, or one .png sheet, or an .npy array."
)
EXAMPLES = (
    "hvae decode runs/digits latents.npz --out decoded",
    "hvae decode runs/digits top.npz --out decoded.png --temperature 0.7",
)


def parser() -> Parser:
    made = Parser("decode", ABOUT, EXAMPLES, "RUN LATENTS --out FOLDER [-t T] [--temperature.LEVEL T] [--seed S]")
    made.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    made.add_argument("latents", metavar="LATENTS", help="an .npz file: z1, z2, ... each (N, ...), any of the levels")
    made.add_argument("-o", "--out", required=True, metavar="FOLDER", help="a new folder, or a .png or .npy file")
    temperature = "of the levels that the file does not hold; by level: --temperature.z3 0.7, or z3=0.7,z1=0.9"
    made.add_argument("-t", "--temperature", default="1.0", metavar="T", help=temperature)
    made.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the levels that are drawn")
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    temperature, path = temperatures(args.temperature, dotted), Path(args.out)
    check_place(path)
    from hvae.checkpoints import load
    from hvae.explore import decode
    from hvae.site import spelled
    from hvae.weights import digest

    with voice.working():
        values, about = opened(Path(args.latents))
        run = load(args.run)
        if about.get("weights", digest(run.model.state_dict())) != digest(run.model.state_dict()):
            voice.tell(f"{args.latents} holds latents of another model than {args.run}; expect no likeness")
        model = run.model.to(device_of(run.config))
        pictures = decode(model, values, temperature=every(temperature, model), seed=args.seed)
        keep(path, pictures)
    voice.answer({"out": str(path), "number": len(pictures), "given": list(map(spelled, values))})
    if not args.json:
        voice.show(f"{len(pictures)} images in {path}")


def opened(path: Path) -> tuple[dict[Pin, Tensor], dict[str, Any]]:
    """The latents of a file by level, and what the file says of them.  Nothing in it is ever executed."""
    import torch

    from hvae.data.formats import read_archive
    from hvae.site import read_pin

    try:
        arrays = read_archive(path)
        about = json.loads(str(arrays.pop(ABOUT_KEY, "{}")))
        values = {read_pin(name): torch.from_numpy(array).float() for name, array in arrays.items()}
    except (ValueError, TypeError, RecursionError) as fault:
        why = (str(fault) or type(fault).__name__).splitlines()[0]
        raise HvaeError(f"{path}: expected an .npz file of latents, as hvae encode writes it ({why})") from fault
    if not all(value.ndim and bool(value.isfinite().all()) for value in values.values()):
        raise HvaeError(f"{path}: expected finite arrays (N, ...) by level; it holds something else")
    return values, about if isinstance(about, dict) else {}


def keep(path: Path, pictures: Tensor) -> None:
    """One PNG a picture in a new folder, or all of them in one file."""
    if path.suffix.lower() in SUFFIXES:
        return write(path, pictures)
    from PIL import Image

    from hvae.explore.tiles import pixels

    digits = max(4, len(str(len(pictures) - 1)))
    with making(path) as temporary:
        for i, picture in enumerate(pictures):
            Image.fromarray(pixels(picture)).save(temporary / f"{i:0{digits}d}.png")
