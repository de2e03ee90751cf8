"""Faults that strangers, disks and networks bring, many of each kind: counts what the commands make of them.

    python benchmarks/faults.py                      all parts
    python benchmarks/faults.py side-files --count 120

A fault is survived when the command answers with exit code 0, or with exit code 2 and one line, within its time and
memory; a bad command line must be refused, and leave nothing behind.  Prints one line a part, and what was not
survived; the exit code is 1 if anything was not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "coding"))

import faults_codec
import faults_commands
import faults_data
import faults_training
from damage import damaged, damages
from faults_outcome import Outcome, command

SIDE_FILES: dict[str, tuple[str, ...]] = {
    "evaluation.json": ("report", "compare"),
    "provenance.json": ("report",),
    "metrics.csv": ("report", "resume"),
    "last.ckpt": ("resume",),
    "model.safetensors": ("sample", "evaluate"),
    "config.yaml": ("resume",),
}


def side_files(count: int, work: Path) -> Iterator[tuple[str, Outcome]]:
    """A run folder with one damaged file, read by the commands that read it."""
    run, copy = work / "run", work / "copy"
    tiny = ("--model.family", "lvae", "--model.latents", "4,2", "--model.widths", "16,16", "--train.steps", 6)
    tiny += ("--objective.free_bits.nats", 0, "--objective.warmup.length", 0)
    begun = command("train", "digits", "--out", run, *tiny, "--evaluate.measures", "likelihood", "--evaluate.limit", 20)
    assert begun.kind == "done", begun
    words: dict[str, tuple[object, ...]] = {
        "report": ("report", copy),
        "compare": ("compare", copy, run, "--out", work / "page.html"),
        "resume": ("train", copy, "--resume", "--train.steps", 7),
        "sample": ("sample", copy, "-n", 2, "--out", work / "new.png"),
        "evaluate": ("evaluate", copy, "--evaluate.measures", "likelihood", "--evaluate.limit", 20),
    }
    verbs = [(name, verb) for name, several in SIDE_FILES.items() for verb in several]
    for name, verb in verbs:
        some = list(damages(run / name, count // len(verbs), seed=len(verb)))
        for what, damage in some[:: -(-len(some) * len(verbs) // count)]:
            damaged(run, name, damage, copy)
            (work / "new.png").unlink(missing_ok=True)
            yield f"{verb} with {name}: {what}", command(*words[verb])


def data(count: int, work: Path) -> Iterator[tuple[str, Outcome]]:
    """Hostile folders and files of data, trained on."""
    return faults_data.faults(count, work, command)


def training(part: faults_training.Part) -> Callable[[int, Path], Iterator[tuple[str, Outcome]]]:
    """A part whose faults say themselves what went wrong, if anything."""

    def outcomes(count: int, work: Path) -> Iterator[tuple[str, Outcome]]:
        for what, fault in part(count, work):
            yield what, Outcome("lost", fault) if fault else Outcome("done")

    return outcomes


PARTS: dict[str, tuple[Callable[[int, Path], Iterator[tuple[str, Outcome]]], int]] = {
    "side-files": (side_files, 120),
    "codec": (faults_codec.faults, 2_000),
    "commands": (faults_commands.faults, 200),
    "data": (data, len(faults_data.FOLDERS) + len(faults_data.FILES)),
    **{name: (training(part), usual) for name, (part, usual) in faults_training.PARTS.items()},
}
"""Each part, and how many faults it brings by itself."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"among {', '.join(PARTS)} [all]")
    parser.add_argument("--count", type=int, default=0, help="faults of each part, about")
    args = parser.parse_args()
    lost = 0
    for name in args.parts or PARTS:
        part, usual = PARTS[name]
        kinds, began = Counter[str](), time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            for what, outcome in part(args.count or usual, Path(work)):
                kinds[outcome.kind] += 1
                if not outcome.survived:
                    lost += 1
                    print(f"  {what}: {outcome.kind} {outcome.what}", flush=True)
        seconds = f"{time.monotonic() - began:,.0f} s"
        counts = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        print(f"{name}: {sum(kinds.values())} faults in {seconds}; {counts}", flush=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
