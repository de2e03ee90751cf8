"""hvae grow: a trained model that learns new data without losing the old."""

from __future__ import annotations

from hvae.cli.evaluation.shown import summary
from hvae.cli.parser import SEED, Parser, real, whole
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.config.bounds import Bound
from hvae.screen.numbers import counted
from hvae.screen.text import for_screen

ABOUT = (
    "Add levels on top of a trained ladder, lvae or vlae, or below a ladder at the next finer scale, and train it on "
    "new data into a new run folder. An added level has no effect at first: the old data keep their bound to the last "
    "bit until it fades in. Beside the new "
    "data it is trained on as many samples of the old run, so that it does not forget. hvae evaluate OUT --on OLD NEW "
    "measures what was forgotten."
)
EXAMPLES = (
    "hvae grow runs/digits-0-4 --data digits-5-9.npz --out runs/digits-0-9",
    "hvae grow runs/photos --data NEW --levels 2 --freeze --out runs/more --train.steps 2000",
    "hvae grow runs/photos --data NEW --if-novel --out runs/more",
    "hvae grow runs/coarse --data SAME --below 2 --out runs/finer",
)
USAGE = (
    "RUN --data NEW --out FOLDER [--levels L] [--below N] [--latent D] [--freeze] [--replays N] [--if-novel] "
    "[--KEY VALUE ...]"
)


def parser() -> Parser:
    command = Parser("grow", ABOUT, EXAMPLES, USAGE)
    command.add_argument("run", metavar="RUN", help="a run folder")
    command.add_argument("--data", required=True, metavar="NEW", help="a known set, a folder, or an array file")
    command.add_argument("-o", "--out", required=True, metavar="FOLDER", help="the new run folder")
    levels = "levels to add on top; 0: none, which is fine-tuning [1, or 0 with --below]"
    command.add_argument("--levels", type=whole(0, 100), metavar="L", help=levels)
    below = "levels to add below the lowest one, at the next finer scale (ladder and pixelvae) [0]"
    command.add_argument("--below", type=whole(0, 100), default=0, metavar="N", help=below)
    latent = "latent dimensions, or channels, of each [8]"
    command.add_argument("--latent", type=whole(1, 10**4), default=8, metavar="D", help=latent)
    command.add_argument("--freeze", action="store_true", help="train the added levels alone")
    replays = "samples of the old run to train on beside the new data [as many as those]; 0: none"
    command.add_argument("--replays", type=whole(0, 10**7), metavar="N", help=replays)
    novel = "grow only where most new data are beyond the range of the run's validation data"
    command.add_argument("--if-novel", action="store_true", help=novel)
    quantile = "of -log p of validation data, where that range ends [0.95]"
    command.add_argument(
        "--quantile",
        type=real(Bound(above=0, below=1, expected="a quantile between 0 and 1")),
        default=0.95,
        metavar="Q",
        help=quantile,
    )
    command.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the samples")
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        from hvae.study.grow import grow

        growth = grow(
            *(args.run, args.data, args.out),
            levels=args.levels,
            below=args.below,
            latent=args.latent,
            freeze=args.freeze,
            replays=args.replays,
            if_novel=args.if_novel,
            quantile=args.quantile,
            seed=args.seed,
            overrides=dotted,
            trust=args.trust,
            progress=voice,
            tell=voice.tell,
        )
    voice.answer(growth.to_dict())
    if args.json:
        return
    if growth.run is None:
        return voice.show("nothing was grown")
    if growth.run.evaluation:
        voice.show(summary(growth.run.evaluation))
    new = f"{', '.join(growth.added)} added, " if growth.added else ""
    voice.show(f"{new}{counted(growth.replayed, 'sample')} of the old run replayed; run folder: {for_screen(args.out)}")
