"""hvae interpolate: pictures on the way from one image to another.

Shapes: `T` stations of the way; `P` pairs of images; `C H W` an image.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.capacity import check_memory
from hvae.cli.encode import images
from hvae.cli.parser import SEED, Parser, split_dotted, whole
from hvae.cli.sample import ACCELERATOR, at_once, every, placed, temperatures
from hvae.cli.voice import Voice
from hvae.errors import HvaeError, unknown
from hvae.files import replacing
from hvae.runs.form import SPLITS
from hvae.study.places import check_place
from hvae.study.sheets import write

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.runs.form import Brought
    from hvae.walk import Model

ABOUT = (
    "Draw the way from one image to another through the latents of a model: a PNG sheet with one row a pair (the first "
    "image and the second, the third and the fourth, ...) and the images themselves at both ends; or, with a name that "
    "ends in .npy, the stations as numbers. Levels that do not go the way follow from those above them at each station."
)
EXAMPLES = (
    "hvae interpolate runs/digits --data test --out way.png",
    "hvae interpolate runs/photos --data ~/faces --out way.png --pairs 2 --steps 12 --levels z3,z2 --path spherical",
)
USAGE = "RUN --data X --out FILE.png [--pairs N] [--steps T] [--levels L] [--path P] [-t T] [--mode] [--seed S]"
COLD = 0.0
"""Temperature of the levels that do not go the way: their most probable values, so that nothing else moves."""


def parser() -> Parser:
    made = Parser("interpolate", ABOUT, EXAMPLES, USAGE)
    made.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    source = "test, valid or train for the run's own data; a folder of images; an .npy, .npz or IDX file"
    made.add_argument("--data", required=True, metavar="X", help=source)
    made.add_argument("-o", "--out", required=True, metavar="FILE", help="where to write; .png or .npy")
    pairs = "pairs of images: evenly over a split, or the first of your own"
    made.add_argument("--pairs", type=whole(1, 10**6), default=4, metavar="N", help=pairs)
    made.add_argument(
        "--steps", type=whole(2, 10**6), default=8, metavar="T", help="stations of a way, the two ends included"
    )
    levels = "the levels that go the way, z3,z2 or z3 z2 [all of them]"
    made.add_argument("--levels", nargs="+", default=[], metavar="L", help=levels)
    path = "linear, or spherical: for latents whose prior is a standard normal, no station is nearer to 0 than the ends"
    made.add_argument("--path", default="linear", metavar="P", help=path)
    temperature = "of the levels that do not go the way; by level: --temperature.z1 0.7 [0: the most probable values]"
    made.add_argument("-t", "--temperature", default="", metavar="T", help=temperature)
    made.add_argument("--mode", action="store_true", help="the most probable latents of the ends, instead of drawing")
    made.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the draws")
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    _check(args)
    voice = Voice(args.json)
    with voice.working():
        told = drawn(args, dotted, voice)
    voice.answer(told)
    if not args.json:
        way = f"{args.path} at {', '.join(told['levels'])}"
        voice.show(f"{args.pairs} pairs, {args.steps} stations each ({way}), in {args.out}")


def _check(args: Namespace) -> None:
    from hvae.explore.latents import PATHS

    if args.path not in PATHS:
        raise unknown("path", args.path, PATHS)
    if Path(args.out).suffix not in (".png", ".npy"):
        raise HvaeError(f"--out: expected a file name that ends in .png or .npy, got {args.out}")
    check_place(Path(args.out))


def drawn(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> dict[str, Any]:
    """Walk the ways that the words of the command ask for and write them; what is told of it."""
    from hvae.checkpoints import load
    from hvae.draw import mode, posterior
    from hvae.explore import interpolate
    from hvae.explore.latents import PATHS
    from hvae.explore.sample import at_temperature

    run = load(args.run)
    _check_picture(run, args.out)
    heat = {key: value for key, value in dotted.items() if key.startswith("temperature.")}
    moved, temperature = division(run.model, args.levels, args.temperature, heat)
    rest = at_temperature(temperature, [*moved, *temperature])
    left = {key: value for key, value in dotted.items() if key not in heat}
    found = pairs(run, args.data, left, args.pairs)
    split = found.split.fixed(0)
    first, second = (split.batch(range(end, 2 * args.pairs, 2)) for end in (0, 1))  # (P, C, H, W) each
    count = args.pairs * args.steps
    check_memory(4 * count * prod(run.model.shape), f"{count:,} stations", "ask for fewer --steps or --pairs")
    model = placed(run, {key: value for key, value in left.items() if key == ACCELERATOR})
    draw, path = mode if args.mode else posterior, PATHS[args.path]
    options: dict[str, Any] = {"levels": moved, "path": path, "draw": draw, "rest": rest, "seed": args.seed}
    with voice.bar("interpolating") as tick:
        options |= {"chunk": at_once(model), "progress": tick}
        way = interpolate(model, first, second, args.steps, **options)  # (T, P, C, H, W)
    save(Path(args.out), way.cpu(), (first.x, second.x))
    for line in found.notes():
        voice.tell(line)
    told = {"file": args.out, "pairs": args.pairs, "steps": args.steps, "levels": moved, "path": args.path}
    told |= {"temperature": temperature, "mode": args.mode, "seed": args.seed}
    return told | {"brought": found.change.to_dict() if found.change else None}


def _check_picture(run: LoadedRun, out: str) -> None:
    if len(run.model.shape) != 3 and not out.endswith(".npy"):
        raise HvaeError(
            f"the data of {run.folder} are vectors {run.model.shape}, which are no pictures; "
            "give --out a file name that ends in .npy"
        )


def pairs(run: LoadedRun, source: str, dotted: Mapping[str, str], count: int) -> Brought:
    """The images of so many pairs: evenly over a split, the first of a user's files.  HvaeError if there are fewer."""
    own = source in SPLITS
    found = images(run, source, dotted, sys.maxsize if own else 2 * count, "interpolate")
    if len(found.split) < 2 * count:
        few = f"expected at least {2 * count} images for --pairs {count}, got {len(found.split)} from {source}"
        raise HvaeError(f"{few}; take fewer pairs, or other data")
    # Evenly over a split, which may be sorted by class; images of one's own are as many as one wants.
    apart = len(found.split) // (2 * count)
    return found.some(range(0, 2 * count * apart, apart)) if own else found


def division(
    model: Model, words: Sequence[str], plain: str, heat: dict[str, str]
) -> tuple[list[str], dict[str, float]]:
    """The levels that go the way, and the temperature of each of the others; both top first.

    Raises HvaeError for a level that the model does not have, and for a temperature that nothing would be drawn at.
    """
    from hvae.explore.frame import check_levels, levels

    known = levels(model)
    wanted = [name for word in words for name in word.split(",")] or known
    asked = {"": COLD, **temperatures(plain or str(COLD), heat)}
    check_levels([*wanted, *filter(None, asked)], known)
    for name in filter(None, asked):
        if name in wanted:
            raise HvaeError(f"--temperature.{name}: {name} goes the way and is not drawn; leave it out of --levels")
    temperature = {name: t for name, t in every(asked, model).items() if name not in wanted}
    if plain and not temperature:
        raise HvaeError("--temperature: all levels go the way and none is drawn; name fewer with --levels")
    return [name for name in known if name in wanted], temperature


def save(path: Path, way: Tensor, ends: tuple[Tensor, Tensor]) -> None:
    """The ways (T, P, C, H, W) as a sheet with the images (P, C, H, W) at both ends, or as numbers without them."""
    from hvae.explore.tiles import stations

    if path.suffix == ".npy":
        return write(path, way)
    content = stations(way, ends=ends)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
