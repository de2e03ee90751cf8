"""hvae compress: pictures to one small file, without loss."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli import lossy
from hvae.cli.inputs import BAD, SPLITS, changes, is_split, pictures_of, split_of
from hvae.cli.parser import Parser, real, split_dotted, whole
from hvae.cli.places import check_place, enough_memory
from hvae.cli.ratio import line, weighed
from hvae.cli.voice import Voice, table
from hvae.config.bounds import Bound
from hvae.errors import HvaeError, short
from hvae.files import replacing, write_text
from hvae.records import Each, read_json
from hvae.screen.text import for_screen

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.coding import Book, Codec, Compressed, Picture, Settings

ABOUT = (
    "Compress pictures with a trained model, without loss: bits-back coding into one .hvz file, which hvae decompress "
    "turns back into the same pixels (not the same metadata). Pictures of any size are cut into tiles of the model's, "
    "or, by a ladder trained with model.start everywhere, of any size (--tile). "
    "Grey, colour, palettes and 1 bit are coded by the model, grey by a model of colour as three equal channels; "
    "opacity and the low bytes of 16 bits are kept beside it in a classic format. "
    "Where the model would cost more than PNG or WebP, those are kept instead. A run trained to lose (family qresvae) "
    "takes --quality: then the file may be cut anywhere after its top level and shows a preview, and pictures are "
    "coded whole. A picture is named by its file, and by the folders it lies in below a folder that is given; an older "
    "OUT.hvz is replaced once the new one is whole."
)
EXAMPLES = (
    "hvae compress runs/photos holiday.png holiday.hvz",
    "hvae compress runs/photos folder-of-pictures more.png all.hvz",
    "hvae compress runs/digits test digits.hvz -n 1000",
    "hvae compress runs/photos folder-of-pictures all.hvz --tile 128",
    "hvae compress runs/photos-lossy holiday.png holiday.hvz --quality all",
)
LOSSLESS = ("tile", "block", "batch", "fineness", "calibrate", "workers")
"""Options that mean something only without --quality."""
WORKERS = "processes that share the blocks, which changes no bit [as many as pay, up to the number of cores]"
BINS = "bins.json"
"""The bins of a run's latents, calibrated on its training data."""
_CHOICE = {"bits": int, "exponent?": int, "low?": float, "step?": float}
_CALIBRATION = 64


def parser() -> Parser:
    made = Parser("compress", ABOUT, EXAMPLES, "RUN INPUT... OUT.hvz [-n N] [--quality Q] [--no-verify] [--json]")
    made.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    what = "image files, folders of them, .npy arrays of integer levels, or test, valid, train for the run's own data"
    made.add_argument("paths", metavar="INPUT... OUT.hvz", nargs="+", help=what + "; and last the file to write")
    made.add_argument(
        "-n", "--number", type=whole(1), metavar="N", help="of the run's own data, the first so many [all]"
    )
    made.add_argument("--quality", metavar="Q", help=lossy.QUALITY)
    tile = "what pictures are cut into: N pixels a side, HxW, or whole, for a run of any size (model.start everywhere)"
    made.add_argument("--tile", default="", metavar="SIZE", help=tile + " [the size of the run's images]")
    made.add_argument("--no-verify", dest="verify", action="store_false", help="do not decode again: half the time")
    made.add_argument("--verify", dest="verify", action="store_true", default=True, help="decode again (the default)")
    made.add_argument("--calibrate", action="store_true", help=f"bins from the training data, kept as RUN/{BINS}")
    fineness = f"bins to a standard deviation of a latent, where RUN/{BINS} has none: finer ones borrow more bits [2]"
    made.add_argument(
        "--fineness", type=real(Bound(above=0, most=1e6, expected="a fineness above 0")), metavar="X", help=fineness
    )
    made.add_argument(
        "--block", type=whole(1, 10**6), metavar="N", help="tiles that can only be decoded together [512]"
    )
    made.add_argument("--batch", type=whole(1, 64), metavar="N", help="tiles at once, at most 64 [16]")
    made.add_argument("--workers", type=whole(0, 1024), metavar="N", help=WORKERS)
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice, out, settings = Voice(args.json), _out(args.paths), _settings(args)
    _check_use(args, dotted)
    from hvae.checkpoints import load
    from hvae.coding import sizes

    with voice.working(), enough_memory():
        run = load(args.run)
        loses, codec = lossy.wanted(run, args.quality), codec_of(run, args.run)
        sources = (pictures_of(source, run, args.number, dotted, voice) for source in args.paths[:-1])
        pictures = [picture for some in sources for picture in some]
    if notes := changes(pictures):
        voice.tell(notes)
    if loses:
        with enough_memory():
            return lossy.compress(run, args, pictures, out, voice)
    with voice.working(), enough_memory():
        codec = codec.sized(_tile(args.tile, pictures, codec.shape))
        book = _book(run, codec, args, settings.fineness, dotted)
        with voice.bar("compressing") as tick:
            made = codec.compress(pictures, settings, book=book, tick=tick)
        with replacing(out) as temporary:
            temporary.write_bytes(made.content)
        each = [{} if p.rest is not None else sizes(p.levels[: p.kind.colours or None], codec.bits) for p in pictures]
    rivals = {name: sum(one[name] for one in each) for name in ("png", "webp") if all(name in one for one in each)}
    weights = weighed(args.paths[:-1], made.dims, run.bits, len(made.content))
    found = {"file": str(out), "pictures": len(pictures), **weights, **made.to_dict(), "rivals": rivals}
    voice.answer(found)
    if not args.json:
        _show(voice, found, made)


def codec_of(run: LoadedRun, place: str) -> Codec:
    """The codec that a run is; `place` is where a reader may look for it first."""
    from hvae.coding import Codec

    known = {key: run.description[key] for key in ("config", "shape", "bits")}
    return Codec(run.model, bits=run.bits, description=known, run=str(place), build=run.build)


def _out(paths: Sequence[str]) -> Path:
    out = Path(paths[-1])
    if len(paths) < 2 or out.suffix != ".hvz":
        raise HvaeError(f"expected INPUT... OUT.hvz, got {' '.join(paths)}; name the .hvz file to write last")
    if out.is_dir():
        raise HvaeError(f"{out} is a folder; name the .hvz file to write last")
    check_place(out)
    return out


def _check_use(args: Namespace, dotted: Mapping[str, str]) -> None:
    """Raises HvaeError for options that would say nothing, and names that a file cannot hold."""
    from hvae.coding.files.pictures import check_name

    check_name(args.run)
    for name in LOSSLESS if args.quality is not None else ():
        if getattr(args, name):
            raise HvaeError(f"--{name} is for compressing without loss; leave it out, or --quality")
    own = any(map(is_split, args.paths[:-1]))
    if args.number is not None and not own:
        raise HvaeError(f"-n takes the first of the run's own data, and no input is {', '.join(SPLITS)}; leave it out")
    for key in dotted:
        if key != BAD and (not key.startswith("data.") or not (own or args.calibrate)):
            raise HvaeError(
                f"--{key} says nothing here: only --data.* counts, and for the run's own data; leave it out"
            )


def _tile(asked: str, pictures: Sequence[Picture], own: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of tiles: N, HxW, or the size that all pictures have."""
    if not asked:
        return own
    sizes = {picture.levels.shape[1:] for picture in pictures}
    if asked == "whole" and len(sizes) == 1:
        return (own[0], *sizes.pop())
    if asked == "whole":
        raise HvaeError(
            f"--tile whole: expected pictures of one size, got {len(sizes)} sizes; name a size such as 64, or compress "
            "them one size a file"
        )
    sides = asked.lower().split("x")
    # Five digits: more than any picture has.
    if len(sides) > 2 or not all(re.fullmatch("0*[1-9][0-9]{0,4}", side) for side in sides):
        raise HvaeError(f"--tile: expected a size such as 64 or 48x64, or whole, got {short(asked)}")
    return (own[0], int(sides[0]), int(sides[-1]))


def _settings(args: Namespace) -> Settings:
    from hvae.coding import Settings

    known: dict[str, Any] = {
        "fineness": args.fineness,
        "block": args.block,
        "rows": args.batch,
        "workers": args.workers or 0,
    }
    return Settings(verify=args.verify, **{name: value for name, value in known.items() if value is not None})


def _book(run: LoadedRun, codec: Codec, args: Namespace, fineness: float, dotted: Mapping[str, str]) -> Book | None:
    """The bins that were calibrated for this run, if they were."""
    from hvae.coding import Book

    place = run.folder / BINS
    if args.calibrate:
        split = split_of("train", run, dotted)
        made = codec.calibrate(split.levels(range(min(_CALIBRATION, len(split)))).numpy(), fineness)
        write_text(place, json.dumps(made.to_dict(), indent=2) + "\n")
        return made
    if not place.exists():
        return None
    if args.fineness is not None:
        raise HvaeError(f"--fineness: {place} has the bins already; leave it out, or write them again with --calibrate")
    try:
        return Book.from_dict(read_json(place, Each(_CHOICE)))
    except HvaeError as fault:
        raise HvaeError(f"{place} cannot be used: {fault}; write it again with --calibrate") from fault


def _show(voice: Voice, found: Mapping[str, Any], made: Compressed) -> None:
    account, dims, total = made.account, made.dims, 8 * len(made.content)
    rows = table("", "bits a dimension", "bytes", title=f"{found['pictures']} pictures in {for_screen(found['file'])}")
    parts = {
        f"minus the ELBO, one draw an image +- {_percent(account.spread, account.elbo)}": account.elbo,
        "by the trace of the walks": account.trace,
        "on the stack, net": account.net,
    }
    for name, bits in parts.items() if made.chained and made.order != "classic" else ():
        rows.add_row(name, f"{bits / made.chained:.4f}", f"{bits / 8:,.0f}")
    rows.add_row("the file", f"{total / dims:.4f}", f"{total / 8:,.0f}")
    for name, size in found["rivals"].items():
        title = {"png": "PNG", "webp": "WebP lossless"}[name]
        rows.add_row(f"{title}, one by one", f"{8 * size / dims:.4f}", f"{size:,}")
    voice.show(rows)
    voice.show(line(found))
    voice.show(_notes(made))


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "0 %"


def _notes(made: Compressed) -> str:
    account = made.account
    checked = f", {made.check_seconds:.1f} s of them to check" if made.check_seconds else ", not checked"
    time = f"{made.seconds:.1f} s{checked}"
    if made.order == "classic" or not made.chained:
        return f"kept as PNG, WebP or zlib: the model would have cost more; {time}"
    failed = f"; {made.kept} blocks did not come back and are kept without the model" if made.kept else ""
    seeds = f"{account.seeds} of {account.images} images begin the stacks in a classic format"
    begun = f"the stacks of {made.blocks} blocks begin with {account.start / 8:,.0f} bytes in all"
    first = f"the first one holds {account.first / 8:,.0f} bytes after its first image"
    return f"order {made.order}; {seeds}; {begun}; {first}; {time}{failed}"
