"""hvae push: a run to the hub."""

from __future__ import annotations

from html import unescape

from hvae.cli.parser import Parser
from hvae.cli.voice import Voice

ABOUT = (
    "Give a run to the Hugging Face hub, or to a server that speaks as it does (HF_ENDPOINT): weights in safetensors, "
    "records in JSON, and a card with its data, command, numbers and limits. Paths, and the names of you and of your "
    "machine, are taken out first, and the files are listed before anything is sent. You need to be logged in (hf auth "
    "login); the repository is made where it is missing."
)
EXAMPLES = (
    "hvae push runs/digits me/digits --licence cc-by-4.0 --dry-run",
    "hvae push runs/digits me/digits --licence cc-by-4.0 --half",
)


def parser() -> Parser:
    command = Parser("push", ABOUT, EXAMPLES, "RUN OWNER/NAME [--licence L] [--half] [--dry-run]")
    command.add_argument("run", metavar="RUN", help="a run folder, or a .safetensors file")
    command.add_argument("repository", metavar="OWNER/NAME", help="the repository of the hub")
    licence = "of the weights, an identifier of the hub: apache-2.0, cc-by-4.0, cc-by-sa-3.0; think of that of the data"
    command.add_argument("--licence", default="", metavar="L", help=licence)
    command.add_argument("--half", action="store_true", help="weights in float16: half the bytes")
    command.add_argument("--dry-run", action="store_true", help="list the files and the card; send nothing")
    return command


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice = Voice(args.json)
    from hvae.study.gifts.gift import README
    from hvae.study.gifts.push import push

    with voice.working():
        pushed = push(
            *(args.run, args.repository),
            licence=args.licence,
            half=args.half,
            dry_run=args.dry_run,
            trust=args.trust,
            tell=voice.tell,
        )
    voice.answer(pushed.to_dict())
    if args.json:
        return
    if args.dry_run:
        # Marks that a page would obey are spelt out in the card; to a screen they are no more than marks.
        voice.show(f"{unescape(pushed.given.files()[README].decode())}\nnothing was sent; leave --dry-run out to push")
    else:
        voice.show(f"pushed: {pushed.address}")
