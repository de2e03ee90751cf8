"""hvae pull: a run from the hub, or a copy of one that comes with hvae."""

from __future__ import annotations

from hvae.cli.parser import Parser
from hvae.cli.voice import Voice

ABOUT = (
    "Fetch a run into a folder of its own: from the Hugging Face hub, or a server that speaks as it does "
    "(HF_ENDPOINT), or a copy of a model that comes with hvae. Weights in safetensors and records in JSON are fetched "
    "and nothing else; sizes are checked before, sha256 after, and provenance.json says which commit it was."
)
EXAMPLES = (
    "hvae pull mnist-ladder --out runs/mnist-ladder",
    "hvae pull somebody/digits --revision 0123456789abcdef0123456789abcdef01234567 --out runs/theirs",
)


def parser() -> Parser:
    command = Parser("pull", ABOUT, EXAMPLES, "NAME|OWNER/NAME [--revision SHA] --out FOLDER")
    command.add_argument("name", metavar="NAME", help="one of hvae models --pretrained, or OWNER/NAME of the hub")
    revision = "a commit of the repository, which never changes; a branch or a tag [the newest commit]"
    command.add_argument("--revision", metavar="SHA", help=revision)
    command.add_argument("-o", "--out", required=True, metavar="FOLDER", help="the run folder to write")
    return command


def main(argv: list[str]) -> None:
    args = parser().parse_args(argv)
    voice = Voice(args.json)
    from hvae.study.gifts.pull import pull

    with voice.working():
        pulled = pull(args.name, args.out, revision=args.revision, trust=args.trust, tell=voice.tell)
    voice.answer(pulled.to_dict())
    if not args.json:
        whence = pulled.pulled
        voice.show(f"run folder: {pulled.folder}, from {whence['source']} at {whence['revision']}")
        voice.show(f"licence: {pulled.licence}; data: {pulled.data_licence}")
