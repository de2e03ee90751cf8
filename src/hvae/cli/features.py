"""hvae features: latents as a table for other models."""

from __future__ import annotations

from hvae.cli.backends import add_backend
from hvae.cli.context import add_context, contexts
from hvae.cli.parser import SEED, Parser, add_levels, whole
from hvae.cli.voice import Voice
from hvae.cli.words import level_words, split_dotted
from hvae.screen.numbers import counted, singular

ABOUT = (
    "Write the latents of images as features for other models: one row an image, in an .npz file or a "
    "Parquet table, written as they come. Posterior means by default; of latents that are maps, the mean over places, "
    "or all numbers side by side (flatten), or as they are (none). Labels are written beside them where they are known."
)
EXAMPLES = (
    "hvae features runs/digits --data test --levels z3,z2 --out features.npz",
    "hvae features runs/photos --data ~/new --pool flatten --out features.parquet",
    "hvae features runs/vdvae-imagenet64 --data ~/seen --levels z75..z45 --pool flatten --draws 1 --out latents.npz",
)
USAGE = "RUN --data X --out FILE [--levels L] [--pool mean|flatten|none] [--draws K] [-n N] [--seed S]"


def parser() -> Parser:
    command = Parser("features", ABOUT, EXAMPLES, USAGE)
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    source = "test, valid or train for the run's own data; a folder of images; an .npy, .npz or IDX file"
    command.add_argument("--data", required=True, metavar="X", help=source)
    command.add_argument("-o", "--out", required=True, metavar="FILE", help="the .npz or .parquet file to write")
    add_levels(command, "the levels, in this order [all, top first]")
    pool = "mean over the places of a map, flatten: all numbers of a level in one row, none: as the level has them"
    command.add_argument("--pool", default="mean", metavar="P", help=pool)
    draws = "0: means of the posteriors, the levels above at theirs; K: the mean of K joint draws"
    command.add_argument("--draws", type=whole(0, 10**6), default=0, metavar="K", help=draws)
    command.add_argument(
        "-n", "--number", type=whole(0), default=0, metavar="N", help="only the first N images (0: all)"
    )
    command.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the draws")
    add_backend(command)
    add_context(command)
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    from hvae.study.features import write_features

    with voice.working():
        written = write_features(
            *(args.run, args.data, args.out),
            levels=level_words(args.levels),
            pool=args.pool,
            draws=args.draws,
            number=args.number,
            seed=args.seed,
            context=contexts(args.context),
            backend=args.backend,
            overrides=dotted,
            trust=args.trust,
            progress=voice,
            tell=voice.tell,
        )
    for line in written.notes:
        voice.tell(line)
    voice.answer(written.to_dict())
    if not args.json:
        each = f"{counted(written.width, 'feature')} each ({', '.join(written.widths)})"
        voice.show(f"{counted(written.number, singular(written.noun))}, {each}, in {args.out}")
