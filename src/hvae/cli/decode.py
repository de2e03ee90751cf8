"""hvae decode: a file of latents to images."""

from __future__ import annotations

from hvae.cli.context import add_context, contexts
from hvae.cli.parser import SEED, Parser, add_levels
from hvae.cli.sample import temperatures
from hvae.cli.voice import Voice
from hvae.cli.words import level_words, split_dotted
from hvae.screen.numbers import counted, singular

ABOUT = (
    "Turn latents back into images or sequences: an .npz file with one array a level, as hvae encode writes it. "
    "Levels that are not in the file are drawn from their priors. Features that hold the numbers of levels side by "
    "side are latents too: a file of hvae features --pool flatten, or a table of predicted ones. Writes a folder of "
    "PNG files, or one .png sheet, or an .npy array; of a table its rows, .csv or .parquet; of sequences a file of "
    "their kind, as hvae sample does, with data that are drawn."
)
EXAMPLES = (
    "hvae decode runs/digits latents.npz --out decoded",
    "hvae decode runs/digits top.npz --out decoded.png --temperature 0.7",
    "hvae decode runs/digits predicted.npy --levels z3,z2 --out decoded",
)
USAGE = "RUN LATENTS --out FOLDER [--levels L] [-t T] [--temperature.LEVEL T] [--seed S]"


def parser() -> Parser:
    command = Parser("decode", ABOUT, EXAMPLES, USAGE)
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    command.add_argument(
        "latents", metavar="LATENTS", help="an .npz file: z1, z2, ... each (N, ...), any of the levels; or features"
    )
    add_levels(command, "what the table of an .npy file holds side by side; of other files, the levels that are taken")
    command.add_argument(
        "-o", "--out", required=True, metavar="FOLDER", help="a new folder, or a .png, .npy or .csv file"
    )
    temperature = "of the levels that the file does not hold; by level: --temperature.z3 0.7, or z3=0.7,z1=0.9"
    command.add_argument("-t", "--temperature", default="1.0", metavar="T", help=temperature)
    command.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the levels that are drawn")
    add_context(command)
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    temperature = temperatures(args.temperature, dotted)
    from hvae.study.latents import decode_file

    with voice.working():
        decoded = decode_file(
            *(args.run, args.latents, args.out),
            levels=level_words(args.levels),
            temperature=temperature,
            seed=args.seed,
            context=contexts(args.context),
            trust=args.trust,
            tell=voice.tell,
        )
    voice.answer(decoded.to_dict())
    if not args.json:
        voice.show(f"{counted(len(decoded.pictures), singular(decoded.noun))} in {decoded.out}")
