"""hvae import: published weights to a run folder that every other command takes."""

from __future__ import annotations

from pathlib import Path

from hvae.cli.parser import Parser
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.screen.text import for_screen
from hvae.study.places import check_place

ABOUT = (
    "Turn weights that others have published into a run folder, which hvae evaluate, sample, encode and report take. "
    "Give the family and a file, or the name of a published model (hvae models --published), which is downloaded into "
    "the cache. Every name and shape of the weights is checked; nothing in a file is ever executed. A vdvae file does "
    "not say its architecture: for one that was not published give --model.encoder, decoder, shift and scale."
)
EXAMPLES = (
    "hvae import vdvae-cifar10-seed1",
    "hvae import vdvae imagenet32-iter-1700000-model-ema.th --out runs/vdvae-imagenet32",
    "hvae import nvae checkpoint.pt --data.name cifar10",
    "hvae import vdvae mine-model-ema.th --model.encoder 32x4,32d2,16x2 --model.decoder 16x2,32m16,32x3",
    "hvae import nvae-celeba64 checkpoint.pt --data.path ~/celeba",
)


def parser() -> Parser:
    result = Parser("import", ABOUT, EXAMPLES, "FAMILY FILE | NAME [FILE] [--out FOLDER] [--data.KEY VALUE ...]")
    result.add_argument("what", metavar="FAMILY|NAME", help="vdvae, nvae, or a name from hvae models --published")
    result.add_argument("file", nargs="?", metavar="FILE", help="the file of a family, or one fetched by hand for NAME")
    result.add_argument("-o", "--out", default="", metavar="FOLDER", help="the run folder to write [runs/NAME]")
    return result


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    from hvae.study.importing import check_keys, source_of, written

    with voice.working():
        source = source_of(args.what, args.file)
        folder = Path(args.out or Path("runs") / source.name)
        check_place(folder)
        check_keys(dotted, folder)
        summary = written(source, folder, dotted, voice.tell)
    voice.answer(summary)
    if not args.json:
        voice.show(f"run folder: {for_screen(folder)}; measure it with: hvae evaluate {for_screen(folder)}")
