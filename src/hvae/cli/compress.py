"""hvae compress: pictures to one small file, without loss."""

from __future__ import annotations

import re
from argparse import Namespace
from typing import TYPE_CHECKING

from hvae.cli import intime, lossless, lossy
from hvae.cli.context import add_context, contexts
from hvae.cli.late import late_bar
from hvae.cli.parser import Parser, real, whole
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.config.bounds import Bound
from hvae.errors import HvaeError, short
from hvae.screen.numbers import counted, singular
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.coding import Settings
    from hvae.study.codecs import Tile
    from hvae.study.compress import Compression

ABOUT = (
    "Compress pictures or sequences with a trained model, without loss: bits-back coding into one .hvz file, which "
    "hvae decompress turns back into the same pixels (not the same metadata). Pictures of any size are cut into tiles "
    "of the model's, or, by a ladder trained with model.start everywhere, of any size (--tile). Grey, colour, "
    "palettes and 1 bit are coded by the model, grey by a model of colour as three equal channels; opacity and the "
    "low bytes of 16 bits are kept beside it in a classic format. Colour for a model of grey is refused: with "
    "--data.channels 1 it becomes grey first, and comes back so (--data.bits likewise). Where the model would cost "
    "more than PNG or WebP, those are kept instead. A lossy run (qresvae, vqvae, vqvae2, rqvae) takes --quality: then "
    "the file may be cut anywhere after its top level and shows a preview, and pictures are coded whole. A picture is "
    "named by its file, and by its folders below one that is given; an older OUT.hvz is replaced by a whole new one. "
    "Sequences are coded in the order of time: piano rolls and films as .npz, .npy or .mat, sound as .wav of the bits "
    "of the run, or the run's own data."
)
EXAMPLES = (
    "hvae compress runs/photos holiday.png holiday.hvz",
    "hvae compress runs/photos folder-of-pictures more.png all.hvz",
    "hvae compress runs/digits test digits.hvz -n 1000",
    "hvae compress runs/photos folder-of-pictures all.hvz --tile 128",
    "hvae compress runs/photos-lossy holiday.png holiday.hvz --quality all",
    "hvae compress runs/speech ~/recordings all.hvz",
)
LOSSLESS = ("block", "batch", "workers")
"""Options of blocks, which a lossy file has none of."""
WORKERS = "processes that share the blocks, which changes no bit [as many as pay, up to the number of cores]"
BINS = "bins.json"


def parser() -> Parser:
    command = Parser("compress", ABOUT, EXAMPLES, "RUN INPUT... OUT.hvz [-n N] [--quality Q] [--no-verify] [--json]")
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    what = "images, arrays (.npy, .npz, IDX) of whole numbers, folders of them, or test, valid, train of the run's data"
    command.add_argument("paths", metavar="INPUT... OUT.hvz", nargs="+", help=what + "; and last the file to write")
    command.add_argument(
        "-n", "--number", type=whole(1), metavar="N", help="only the first N of the run's own data [all]"
    )
    command.add_argument("--quality", metavar="Q", help=lossy.QUALITY)
    tile = "what pictures are cut into: N pixels a side, HxW, or whole, for a run of any size (model.start everywhere)"
    command.add_argument("--tile", default="", metavar="SIZE", help=tile + " [the size of the run's images]")
    command.add_argument("--no-verify", dest="verify", action="store_false", help="do not compare: half the time")
    compare = "decode the file and compare (the default)"
    command.add_argument("--verify", dest="verify", action="store_true", default=True, help=compare)
    command.add_argument(
        "--calibrate", action="store_true", help=f"take bins from the training data; saved as RUN/{BINS}"
    )
    fineness = f"bins to a standard deviation of a latent, where RUN/{BINS} has none: finer ones borrow more bits [2]"
    command.add_argument(
        "--fineness", type=real(Bound(above=0, most=1e6, expected="a fineness above 0")), metavar="X", help=fineness
    )
    command.add_argument(
        "--block", type=whole(1, 10**6), metavar="N", help="tiles that can only be decoded together [512]"
    )
    command.add_argument("--batch", type=whole(1, 64), metavar="N", help="tiles at once, at most 64 [16]")
    command.add_argument("--workers", type=whole(0, 1024), metavar="N", help=WORKERS)
    add_context(command)
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice, settings, tile = Voice(args.json), _settings(args), _tile(args.tile)
    _check_use(args)
    from hvae.study.compress import compress

    with voice.working(), late_bar(voice, "compressing") as progress:
        result = compress(
            args.run,
            args.paths[:-1],
            args.paths[-1],
            number=args.number,
            quality=lossy.quality_of(args.quality),
            tile=tile,
            fineness=args.fineness,
            calibrate=args.calibrate,
            settings=settings,
            context=contexts(args.context),
            data=dotted,
            progress=progress,
            tell=voice.tell,
        )
    voice.answer(result.to_dict())
    if not args.json:
        _show(voice, result)


def _check_use(args: Namespace) -> None:
    """Raises HvaeError for words that name no file to write, and for options that say nothing beside --quality."""
    if len(args.paths) < 2 or not args.paths[-1].endswith(".hvz"):
        raise HvaeError(f"expected INPUT... OUT.hvz, got {' '.join(args.paths)}; name the .hvz file to write last")
    for name in LOSSLESS if args.quality is not None else ():
        if getattr(args, name):
            raise HvaeError(f"--{name} is for compressing without loss; leave it out, or --quality")


def _tile(text: str) -> Tile | None:
    """N, HxW or whole."""
    if not text or text == "whole":
        return "whole" if text else None
    sides = text.lower().split("x")
    # Five digits: more than any picture has.
    if len(sides) > 2 or not all(re.fullmatch("0*[1-9][0-9]{0,4}", side) for side in sides):
        raise HvaeError(f"--tile: expected a size such as 64 or 48x64, or whole, got {short(text)}")
    return int(sides[0]), int(sides[-1])


def _settings(args: Namespace) -> Settings:
    from hvae.coding import Settings

    options = {"fineness": args.fineness, "block": args.block, "rows": args.batch, "workers": args.workers or 0}
    return Settings(verify=args.verify, **{name: value for name, value in options.items() if value is not None})


def _show(voice: Voice, result: Compression) -> None:
    """Where the bytes went, and how many there were before."""
    from hvae.coding import CompressedSeries, Lossy, LossySeries

    title = f"{counted(result.pictures, singular(result.noun))} in {for_screen(result.file)}"
    if isinstance(result.result, Lossy | LossySeries):
        lossy.show(voice, result.result, title)
    elif isinstance(result.result, CompressedSeries):
        intime.show(voice, result.result, result, title)
    else:
        lossless.show(voice, result.result, result, title)
    share = f", {100 / result.ratio:.1f} % of what it was" if result.bytes_in else ""
    sizes = f"{result.bytes_in:,} bytes in ({result.bytes_in_of}), {result.bytes_out:,} bytes out: ratio"
    voice.show(f"{sizes} {result.ratio:.2f}{share}")
