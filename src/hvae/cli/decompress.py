"""hvae decompress: the pictures of a file that hvae compress has written."""

from __future__ import annotations

from hvae.cli import lossy
from hvae.cli.compress import WORKERS
from hvae.cli.context import add_context, contexts
from hvae.cli.late import late_bar
from hvae.cli.parser import Parser, whole
from hvae.cli.voice import Voice
from hvae.screen.numbers import counted, singular
from hvae.screen.text import for_screen

ABOUT = (
    "Turn a file of hvae compress back into its pictures, as PNG (arrays as .npy), in a new folder as they lay in the"
    " one that was compressed. The model must be the one that wrote the file, to the last weight. Nothing is written "
    "unless all that is written is right: of a file without loss every block is checked, with --only those of one "
    "picture; of a file made with --quality every chunk of the levels that are shown. Such a file may be cut: it "
    "shows the levels that are there whole, and that is said (--json: levels, levels_written, complete); one without "
    "its top level shows nothing. What exists already is never replaced. Sequences become an .npz of their levels, "
    "sound a .wav each."
)
EXAMPLES = (
    "hvae decompress holiday.hvz back.png",
    "hvae decompress all.hvz pictures --run runs/photos",
    "hvae decompress all.hvz third.png --only 2",
    "hvae decompress holiday.hvz preview.png --levels 3",
)


def parser() -> Parser:
    command = Parser("decompress", ABOUT, EXAMPLES, "FILE.hvz DEST [--run RUN] [--only INDEX] [--levels K] [--json]")
    command.add_argument("file", metavar="FILE.hvz", help="what hvae compress has written")
    dest = "a file that ends in .png (.npy) for one picture (array), else a new folder; missing folders are made"
    command.add_argument("dest", metavar="DEST", help=dest)
    command.add_argument("--run", default="", metavar="RUN", help="the run it was made with [where it was then]")
    command.add_argument("--levels", type=whole(1), metavar="K", help=lossy.LEVELS)
    command.add_argument(
        "--only", type=whole(0), metavar="INDEX", help="this picture alone, from 0; others are not decoded"
    )
    command.add_argument("--workers", type=whole(0, 1024), default=0, metavar="N", help=WORKERS)
    add_context(command)
    return command


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice = Voice(args.json)
    from hvae.study.decompress import decompress

    with voice.working(), late_bar(voice, "decompressing") as progress:
        result = decompress(
            args.file,
            args.dest,
            args.run or None,
            only=args.only,
            levels=args.levels,
            workers=args.workers,
            context=contexts(args.context),
            progress=progress,
            tell=voice.tell,
        )
    voice.answer(result.to_dict())
    if not args.json:
        count = counted(result.pictures, singular(result.noun))
        voice.show(f"{count} in {for_screen(result.out)} ({result.seconds:.1f} s)")
