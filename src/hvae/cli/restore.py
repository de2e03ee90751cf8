"""hvae restore: pictures from what is seen of them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hvae.cli.context import add_context, contexts
from hvae.cli.parser import SEED, Parser, whole
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.screen.numbers import counted

if TYPE_CHECKING:
    from hvae.study.restored import Restoration

ABOUT = (
    "Restore pictures: fill what is hidden (inpaint a region, impute missing numbers), take out noise of a known size "
    "(denoise), enlarge (superres), colour. Writes a new folder with draws from p(picture given what is seen), their "
    "mean, standard deviation and best, as numbers, and a sheet to look at. Pixels that are seen stay exactly as they "
    "are when gaps are filled."
)
EXAMPLES = (
    "hvae restore runs/digits test --task inpaint --mask 0,4,8,4 --out filled",
    "hvae restore runs/photos ~/scratched --task inpaint --mask brush.png --way gibbs --out filled",
    "hvae restore runs/photos test --task denoise --noise 25/255 --degrade --out clean",
    "hvae restore runs/photos ~/small --task superres --factor 2 --out large",
)
USAGE = "RUN IMAGES --task TASK [--mask M | --noise S | --factor K] [--draws N] [--way W] --out FOLDER"


def parser() -> Parser:
    command = Parser("restore", ABOUT, EXAMPLES, USAGE)
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    source = "a picture, a stack or a folder of them; an .npy, .npz or IDX file (floats of .npy: NaN where they are "
    source += "missing); a table; test, valid or train for the run's own data"
    command.add_argument("images", metavar="IMAGES", help=source)
    command.add_argument("--task", required=True, metavar="TASK", help="inpaint, impute, denoise, superres or colour")
    mask = "what is hidden: a box x,y,w,h; a share of the pixels such as 0.3; or a picture, white where it is hidden"
    command.add_argument("--mask", default=None, metavar="M", help=mask)
    noise = "standard deviation of the noise, of data in [0, 1]: 0.1 or 25/255; own: the run has learnt from noisy "
    noise += (
        "pictures, and its likelihood is their noise (the default where that is noise or noise-global); of superres "
    )
    noise += "and colour: how closely to meet it [0.01]"
    command.add_argument("--noise", default=None, metavar="S", help=noise)
    larger = "of superres: how many times as large"
    command.add_argument("--factor", type=whole(1, 1024), default=None, metavar="K", help=larger)
    degrade = "the images are whole: add the noise, shrink them or take their colours first, and measure against them"
    command.add_argument("--degrade", action="store_true", help=degrade)
    _add_work(command)
    command.add_argument("-o", "--out", required=True, metavar="FOLDER", help="a new folder")
    command.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of every draw")
    add_context(command)
    return command


def _add_work(command: Parser) -> None:
    way = "refine: gradient steps for each picture, for every task; gibbs, metropolis: chains that fill what is hidden"
    way += "; partial: inference that has learnt to read a part (hvae train --objective.kind matching); diffuse: of a "
    way += "diffusion, walks down from noise that keep to what is seen [refine; diffuse of a diffusion; gibbs of codes]"
    command.add_argument("--way", default=None, metavar="W", help=way)
    command.add_argument("--draws", type=whole(1, 10**6), default=8, metavar="N", help="draws of each picture")
    steps = "gradient steps of refine [50; 0 under a noise of the run's own], or after partial [0]"
    command.add_argument("--steps", type=whole(0, 10**6), default=None, metavar="T", help=steps)
    sweeps = "sweeps of a gibbs or metropolis chain, whose last state is the draw [20], and of diffuse [10]"
    command.add_argument("--sweeps", type=whole(1, 10**6), default=None, metavar="T", help=sweeps)
    command.add_argument("--pixels", action="store_true", help="draw the pixels too, instead of their means")
    views = "of denoise: views of each picture that the draws are spread over: 2 with its mirror image, 4 with both "
    views += "upside down, 8 with quarter turns too"
    command.add_argument("--views", type=whole(1, 8), default=1, metavar="V", help=views)
    command.add_argument("-n", "--number", type=whole(1), default=16, metavar="N", help="only the first N images")


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        restoration = _restored(args, dotted, voice)
    for line in restoration.target.notes:
        voice.tell(line)
    summary = restoration.to_dict()
    voice.answer({**summary, "out": args.out})
    if not args.json:
        many = counted(summary["number"], restoration.noun)
        voice.show(f"{many}, {counted(args.draws, 'draw')} each ({restoration.way}), in {args.out}")
        if psnr := restoration.errors():
            names = {"before": "before", "one": "one draw", "mean": "mean of draws", "best": "best draw"}
            values = ", ".join(f"{names[name]} {value:.2f}" for name, value in psnr.items())
            voice.show(f"PSNR in dB against the pictures as given: {values}")


def _restored(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> Restoration:
    from hvae.study.restore import restore

    return restore(
        *(args.run, args.images),
        task=args.task,
        mask=args.mask,
        noise=args.noise,
        factor=args.factor,
        way=args.way,
        draws=args.draws,
        steps=args.steps,
        sweeps=args.sweeps,
        pixels=args.pixels,
        views=args.views,
        degrade=args.degrade,
        number=args.number,
        seed=args.seed,
        out=args.out,
        context=contexts(args.context),
        overrides=dotted,
        trust=args.trust,
        progress=voice,
    )
