"""hvae encode: images to a file of latents."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.parser import SEED, Parser, split_dotted, whole
from hvae.cli.sample import ACCELERATOR, placed
from hvae.cli.voice import Voice
from hvae.errors import HvaeError
from hvae.files import replacing
from hvae.runs.form import PICTURES, SPLITS, Brought, bring, files, own
from hvae.study.places import check_place

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.site import Pin

ABOUT = (
    "Write the latents of images into an .npz file, one array a level, which hvae decode turns back into images. The "
    "images are a split of the run's own data, or a folder or file of yours, brought to the size and bits of the model."
)
EXAMPLES = (
    "hvae encode runs/digits --data test --out latents.npz",
    "hvae encode runs/photos --data ~/new --out latents.npz --mode",
)
ABOUT_KEY = "about"
"""The one array of the file that is no level: a text that says whose latents these are."""


def parser() -> Parser:
    made = Parser("encode", ABOUT, EXAMPLES, "RUN --data X --out FILE.npz [-n N] [--mode] [--seed S]")
    made.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    source = "test, valid or train for the run's own data; a folder of images; an .npy, .npz or IDX file"
    made.add_argument("--data", required=True, metavar="X", help=source)
    made.add_argument("-o", "--out", required=True, metavar="FILE", help="the .npz file to write")
    made.add_argument("-n", "--number", type=whole(1), default=100, metavar="N", help="the first so many images")
    made.add_argument("--mode", action="store_true", help="the most probable latents, instead of drawing them")
    made.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the draws")
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    path = Path(args.out)
    if path.suffix != ".npz":
        raise HvaeError(f"--out: expected a file name that ends in .npz, got {path}")
    check_place(path)
    with voice.working():
        values, found = latents(args, dotted)
    from hvae.site import spelled

    for line in found.notes():
        voice.tell(line)
    told = {"file": str(path), "number": len(next(iter(values.values()))), "levels": list(map(spelled, values))}
    told |= {"brought": found.change.to_dict() if found.change else None}
    voice.answer(told)
    if not args.json:
        count = f"{told['number']} images at {len(values)} levels"
        voice.show(f"{count} in {path}; back with: hvae decode {args.run} {path} --out FOLDER")


def latents(args: Namespace, dotted: Mapping[str, str]) -> tuple[dict[Pin, Tensor], Brought]:
    """The latents that the words of the command ask for, also written to their file, and the images."""
    from hvae.checkpoints import load
    from hvae.draw import mode, posterior
    from hvae.explore import encode
    from hvae.weights import digest

    run = load(args.run)
    found = images(run, args.data, dotted, args.number)
    split = found.split.fixed(0)
    model = placed(run, {key: value for key, value in dotted.items() if key == ACCELERATOR})
    values = encode(model, split.batch(range(len(split))), draw=mode if args.mode else posterior, seed=args.seed)
    about = {"weights": digest(model.state_dict()), "images": args.data, "mode": args.mode, "seed": args.seed}
    save(Path(args.out), values, about)
    return values, found


def images(run: LoadedRun, source: str, dotted: Mapping[str, str], number: int, command: str = "encode") -> Brought:
    """A split of the run's data, or the user's images, in the form of the model; the first `number` of them.

    Raises HvaeError, in the name of the `command`, for a dotted key that has nothing to do with reading them.
    """
    from hvae.data import load

    for key in dotted:
        if not (source in SPLITS and key.startswith("data.")) and key not in (ACCELERATOR, *PICTURES):
            raise HvaeError(f"--{key} is not for {command}; with --data test the place can be told by --data.root")
    if source in SPLITS:
        data = load(run.config.override(dotted).data)
        found = own(run, data, data, source)
    else:
        asked = run.config.override({key: value for key, value in dotted.items() if key in PICTURES})
        found = bring(replace(run, config=asked), files(replace(run, config=asked), source))
    return found.some(range(min(number, len(found.split))))


def save(path: Path, values: Mapping[Pin, Tensor], about: Mapping[str, Any]) -> None:
    """One array a level, or a step of one, and a text about them."""
    import numpy as np

    from hvae.site import spelled

    arrays: dict[str, Any] = {spelled(pin): value.float().cpu().numpy() for pin, value in values.items()}
    with replacing(path) as temporary, open(temporary, "wb") as f:
        np.savez(f, **arrays, **{ABOUT_KEY: np.array(json.dumps(dict(about)))})  # type: ignore[arg-type]
