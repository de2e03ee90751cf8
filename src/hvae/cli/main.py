"""The entry: `hvae COMMAND ...`.  Exit codes: 0 well, 1 a fault of ours (with its traceback), 2 a fault of the user's
or of the machine's (one line), 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from textwrap import fill

from hvae import __version__, heap, threads
from hvae.cli import streams
from hvae.cli.faults import check_current_folder, of_the_machine, show_fault, spoken_warnings
from hvae.cli.trusting import said
from hvae.cli.words import screen_width
from hvae.errors import HvaeError, unknown
from hvae.screen.text import for_screen
from hvae.trust import trusting

COMMANDS = {
    "train": "train a model on images or sequences, evaluate it, and write its report",
    "evaluate": "measure a trained model: likelihood bounds, what each level does",
    "sample": "draw pictures or sequences from a trained model",
    "encode": "write the latents of images into a file",
    "decode": "turn a file of latents back into images",
    "features": "write latents as a table of features for other models",
    "restore": "fill, denoise, enlarge or colour pictures",
    "augment": "draw labelled pictures of each class for a classifier, and measure what they do for it",
    "grow": "add levels to a trained model and train it on new data, with samples of what it was",
    "interpolate": "draw the path from one image to another through the latents",
    "compress": "compress pictures into a small file, without loss",
    "decompress": "turn a compressed file back into its pictures",
    "compare": "put the evaluations of several runs into one table and one page",
    "listen": "make a page on which people judge sounds, and evaluate their scores (MUSHRA)",
    "score": "find the images that are out-of-distribution for a trained model",
    "export": "write the decoder or encoder of a model for onnxruntime, OpenVINO or torch.export",
    "studio": "show on a page what each level does, while you move it",
    "push": "give a run to the Hugging Face hub, with a card and without your paths",
    "pull": "fetch a run from the hub, or a copy of one that comes with hvae",
    "report": "write the report of a trained model again",
    "import": "turn published weights into a run folder",
    "models": "list the families of models, the presets, the packaged models, and the published weights",
    "data": "list the known data sets and where each lies",
    "completion": "print a script that lets your shell complete commands and options",
    "inspect": "show levels, shapes, parameters, FLOPs and memory of a model",
}

_USAGE = """hvae: hierarchical and ladder variational autoencoders

usage: hvae COMMAND ...          hvae COMMAND --help explains a command

{commands}

example: two minutes on two cores, then look at runs/digits/report.html
  hvae train digits

options:
  -h, --help     this text
  -V, --version  the version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code.  A fault of ours is raised, so that its traceback is seen."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv is None:
            streams.prepare()
            streams.listen()
            sys.excepthook = show_fault
        heap.keep()
        threads.soon_asleep()
        with spoken_warnings(), trusting(*said(words)):
            code = _dispatch(words)
        # Here rather than when the process ends, where nobody could answer a full disk.
        sys.stdout.flush()
        return code
    except HvaeError as fault:
        return _refuse(words, " ".join(str(fault).split()))
    except KeyboardInterrupt as stop:
        why = " ".join(map(str, stop.args))
        print(for_screen(f"hvae: stopped{'; ' if why else ''}{why}"), file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone: that is its right.
        streams.abandon_output()
        return 0
    except (OSError, MemoryError, RuntimeError) as fault:
        line = of_the_machine(fault)
        if not line:
            raise
        return _refuse(words, line)


def _refuse(words: Sequence[str], line: str) -> int:
    print(for_screen(f"hvae: {line}"), file=sys.stderr)
    if "--json" in words:
        try:
            print(json.dumps({"error": line}), flush=True)
        except OSError:
            streams.abandon_output()
    return 2


def _dispatch(words: list[str]) -> int:
    name = words[0] if words else "--help"
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name in ("-V", "--version"):
        print(f"hvae {__version__}")
        return 0
    if name.startswith("-"):
        raise unknown("option", name, ("-h", "--help", "-V", "--version"))
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    check_current_folder()
    try:
        return int(import_module(module_of(name)).main(words[1:]) or 0)
    except SystemExit as end:
        # rich leaves in this way when its reader has gone, argparse after it has printed a help text.
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        return int(end.code or 0)


def module_of(command: str) -> str:
    """The module of a command; a word of the language cannot name a module that others import."""
    return f"hvae.cli.{command}{'_' * iskeyword(command)}"


def usage() -> str:
    """What `hvae --help` prints."""
    width, margin = screen_width(), " " * 15
    commands = (
        fill(about, width, initial_indent=f"  {name:<12} ", subsequent_indent=margin)
        for name, about in COMMANDS.items()
    )
    return _USAGE.format(commands="\n".join(commands))
