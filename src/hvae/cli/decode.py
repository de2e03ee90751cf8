"""hvae decode: a file of latents to images."""

from __future__ import annotations

from hvae.cli.context import add_context, contexts
from hvae.cli.parser import SEED, Parser, split_dotted
from hvae.cli.sample import temperatures
from hvae.cli.voice import Voice

ABOUT = (
    "Turn latents back into images: an .npz file with one array a level, as hvae encode writes it. Levels that are not "
    "in the file are drawn from their priors. Writes a folder of PNG files, or one .png sheet, or an .npy array."
)
EXAMPLES = (
    "hvae decode runs/digits latents.npz --out decoded",
    "hvae decode runs/digits top.npz --out decoded.png --temperature 0.7",
)


def parser() -> Parser:
    command = Parser("decode", ABOUT, EXAMPLES, "RUN LATENTS --out FOLDER [-t T] [--temperature.LEVEL T] [--seed S]")
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    command.add_argument(
        "latents", metavar="LATENTS", help="an .npz file: z1, z2, ... each (N, ...), any of the levels"
    )
    command.add_argument("-o", "--out", required=True, metavar="FOLDER", help="a new folder, or a .png or .npy file")
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
            temperature=temperature,
            seed=args.seed,
            context=contexts(args.context),
            trust=args.trust,
            tell=voice.tell,
        )
    voice.answer(decoded.to_dict())
    if not args.json:
        voice.show(f"{len(decoded.pictures)} images in {decoded.out}")
