"""hvae studio: a page that shows what each level of a trained model does, while it is moved."""

from __future__ import annotations

from hvae.cli.parser import Parser, whole
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted

ABOUT = (
    "Open a page in the browser that shows what each level of a model does: redraw or lock each level of each picture, "
    "move its temperature, mix two pictures level by level, drop in a picture of your own and see what it costs. The "
    "page is served on this machine alone, until Ctrl-C. Views of the run's own data look where training did, and "
    "download nothing; --data.root FOLDER names where they are."
)
EXAMPLES = (
    "hvae studio",
    "hvae studio runs/digits",
    "hvae studio runs/mnist-ladder runs/mnist-lvae --no-browser --port 9000",
)


def parser() -> Parser:
    command = Parser("studio", ABOUT, EXAMPLES, "[RUN ...] [--data.root FOLDER] [--port N] [--no-browser]")
    command.add_argument(
        "runs",
        metavar="RUN",
        nargs="*",
        help="a run folder, a .safetensors file, or a name of hvae models --pretrained; the first is shown [digits]",
    )
    port = "the port to listen at; the next free one where it is taken [8760]"
    command.add_argument("--port", type=whole(1, 65535), default=8760, metavar="N", help=port)
    quiet = "print the address and open no browser"
    command.add_argument("--no-browser", dest="browser", action="store_false", help=quiet)
    return command


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    from hvae.studio.serve import studio

    studio(args.runs, port=args.port, browser=args.browser, overrides=dotted, trust=args.trust, tell=voice.tell)
