"""hvae encode: images to a file of latents."""

from __future__ import annotations

from hvae.cli.context import add_context, contexts
from hvae.cli.parser import SEED, Parser, whole
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.screen.numbers import counted, singular

ABOUT = (
    "Write the latents of images or sequences into an .npz file, one array a level, which hvae decode turns back. The"
    " data are a split of the run's own data, or a folder or file of yours, brought to the size and bits of the "
    "model. Of sequences an array holds the ticks of all, one after another, NAME_len how many each has, and steps "
    "their lengths."
)
EXAMPLES = (
    "hvae encode runs/digits --data test --out latents.npz",
    "hvae encode runs/photos --data ~/new --out latents.npz --mode",
)


def parser() -> Parser:
    command = Parser("encode", ABOUT, EXAMPLES, "RUN --data X --out FILE.npz [-n N] [--mode] [--seed S]")
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    source = "test, valid or train for the run's own data; a folder of images; an .npy, .npz or IDX file; "
    source += "hub:OWNER/NAME, a data set of the Hugging Face hub"
    command.add_argument("--data", required=True, metavar="X", help=source)
    command.add_argument("-o", "--out", required=True, metavar="FILE", help="the .npz file to write")
    command.add_argument("-n", "--number", type=whole(1), default=100, metavar="N", help="only the first N")
    command.add_argument("--mode", action="store_true", help="the modes of the posteriors, instead of samples")
    command.add_argument("--seed", type=SEED, default=0, metavar="S", help="seed of the draws")
    add_context(command)
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    from hvae.study.latents import encode_images

    with voice.working():
        encoded = encode_images(
            *(args.run, args.data, args.out),
            number=args.number,
            mode=args.mode,
            seed=args.seed,
            context=contexts(args.context),
            overrides=dotted,
            trust=args.trust,
        )
    for line in encoded.notes:
        voice.tell(line)
    summary = encoded.to_dict()
    voice.answer(summary)
    if not args.json:
        count = f"{counted(summary['number'], singular(encoded.noun))} at {counted(len(encoded.values), 'level')}"
        voice.show(f"{count} in {encoded.file}; back with: hvae decode {args.run} {encoded.file} --out PLACE")
