"""hvae sample: pictures from a trained model.

Pictures are drawn as many at once as an evaluation would walk, 64 at most.  The rows are part of what a seed
determines, and so is the kind of device: both follow from the model and the configuration, never from what is free.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.capacity import check_memory
from hvae.cli.parser import SEED, Parser, split_dotted, whole
from hvae.cli.voice import Voice
from hvae.config.parse import typed
from hvae.errors import HvaeError, unknown
from hvae.runs.subject import device_of, safe_rows
from hvae.study.places import check_place
from hvae.study.sheets import ENLARGE, check_suffix, times, write

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.walk import Model

ABOUT = (
    "Draw pictures from a trained model and write them side by side into a PNG or JPEG file (or, with a name that ends "
    "in .npy, as numbers); one alone keeps its own pixels. A temperature below 1 gives cleaner pictures that are more "
    "alike; each level can have its own."
)
EXAMPLES = (
    "hvae sample runs/digits",
    "hvae sample runs/digits -n 64 --temperature 0.8 --temperature.z1 0.5",
    "hvae sample runs/nvae --temperature 0.6 --recalibrate 500",
    "hvae sample runs/photos -n 1 --out one.jpg --enlarge 4 --train.accelerator cpu",
)
ACCELERATOR = "train.accelerator"


def parser() -> Parser:
    made = Parser("sample", ABOUT, EXAMPLES, "RUN [-n N] [-t T] [--temperature.LEVEL T] [-o FILE] [--seed S]")
    made.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    made.add_argument("-n", "--number", type=whole(1), default=16, metavar="N", help="how many pictures")
    temperature = "of every level's prior; by level: --temperature.z3 0.7, or z3=0.7,z1=0.9"
    made.add_argument("-t", "--temperature", default="1.0", metavar="T", help=temperature)
    made.add_argument(
        "-o", "--out", default="", metavar="FILE", help="where to write; .png, .jpg or .npy [RUN/samples.png]"
    )
    made.add_argument("--enlarge", default="auto", metavar="auto|N", help=ENLARGE)
    again = "the same pictures again, on the same kind of device [drawn anew, and told]"
    made.add_argument("--seed", type=SEED, metavar="S", help=again)
    statistics = "fit the statistics of batch norm to N batches of such samples first (NVAE: 500); nothing is saved"
    made.add_argument("--recalibrate", type=whole(0, 10**6), default=0, metavar="N", help=statistics)
    made.add_argument("--pixels", action="store_true", help="draw the pixels too, instead of showing their mean")
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    where = {key: dotted.pop(key) for key in list(dotted) if key == ACCELERATOR}
    temperature = temperatures(args.temperature, dotted)
    import torch

    from hvae.checkpoints import load
    from hvae.explore import recalibrate, sample, sample_pixels

    run = load(args.run)
    seed = args.seed if args.seed is not None else torch.seed() % 2**32
    draw = sample_pixels if args.pixels else sample
    path = Path(args.out or run.folder / "samples.png")
    check_suffix(path)
    check_place(path)
    check_memory(4 * args.number * prod(run.model.shape), f"drawing {args.number:,} pictures", "draw fewer with -n")
    times(args.enlarge, args.number, run.model.shape)  # refused now rather than when all is drawn
    with voice.working():
        model, by_level = placed(run, where), every(temperature, run.model)
        if args.recalibrate:
            model = recalibrate(model, temperature=by_level, iterations=args.recalibrate, seed=seed)
        rows = at_once(model)
        write(path, draw(model, args.number, temperature=by_level, seed=seed, chunk=rows), args.enlarge)
    told = {"file": str(path), "number": args.number, "temperature": temperature, "seed": seed, "rows": rows}
    voice.answer({**told, "recalibrate": args.recalibrate})
    if not args.json:
        voice.show(f"{args.number} pictures in {path} (seed {seed})")


def placed(run: LoadedRun, where: dict[str, str]) -> Model:
    """The model on the device of the run, or on that of `--train.accelerator`."""
    device = device_of(run.config.override(where))
    try:
        return run.model.to(device)
    except (RuntimeError, AssertionError) as fault:
        raise HvaeError(f"no {device} device here; add --{ACCELERATOR} cpu") from fault


def at_once(model: Model) -> int:
    """Pictures drawn at once, 64 at most: as many as an evaluation, which also holds the features, walks at once."""
    import torch

    from hvae.explore.frame import CHUNK

    return min(CHUNK, safe_rows(model, torch.zeros(1, *model.shape)))


def temperatures(plain: str, dotted: dict[str, str]) -> dict[str, float]:
    """By level, with "" for all others: `0.8`, `z3=0.7,z1=0.9`, and options such as `--temperature.z3 0.7`."""
    found = typed(float | dict[str, float], plain, "--temperature")
    by_level = dict(found) if isinstance(found, dict) else {"": found}
    for key, value in dotted.items():
        head, _, level = key.partition(".")
        if head != "temperature":
            raise unknown("option", f"--{head}", ["--temperature"])
        by_level[level] = typed(float, value, f"--{key}")
    return by_level


def every(temperature: dict[str, float], model: Any) -> dict[str, float]:
    """One temperature a level, top first; names that the model does not have are kept for `sample` to refuse."""
    from hvae.walk import names

    rest = temperature.get("", 1.0)
    return {**dict.fromkeys(names(model), rest), **{name: t for name, t in temperature.items() if name}}
