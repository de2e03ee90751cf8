"""Faults that strangers, disks and networks bring, many of each kind: counts what the commands make of them.

    python benchmarks/faults.py                      all parts
    python benchmarks/faults.py side-files --count 120

A fault is survived when the command answers with exit code 0, or with exit code 2 and one line, within its time and
memory.  Prints one line a part, and what was not survived; the exit code is 1 if anything was not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import faults_data
import faults_training
from damage import damaged, damages

SECONDS, BYTES = 300, 8 * 2**30
"""What one command may take, start of Python included: of address space, which torch alone takes gigabytes of."""
HVAE = (sys.executable, "-c", "import sys; from hvae.cli.main import main; sys.exit(main())")


@dataclass(frozen=True)
class Outcome:
    """What became of one fault: "done", "refused", or what went wrong, with what it was."""

    kind: str
    what: str = ""

    @property
    def survived(self) -> bool:
        return self.kind in ("done", "refused")


def command(*words: object) -> Outcome:
    """Run one command of hvae in a process of its own, within its bounds."""
    try:
        ended = subprocess.run(
            [*HVAE, *map(str, words)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            preexec_fn=_bound,
        )
    except subprocess.TimeoutExpired:
        return Outcome(f"longer than {SECONDS} s")
    if "Traceback" in ended.stderr:
        return Outcome("traceback", ended.stderr.strip().splitlines()[-1][:200])
    if ended.returncode == 2 and ended.stderr.strip().splitlines()[-1].startswith("hvae: "):
        return Outcome("refused", ended.stderr.strip().splitlines()[-1][:200])
    return Outcome("done" if ended.returncode == 0 else f"exit code {ended.returncode}", ended.stderr[-200:])


def _bound() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))


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
        kinds = Counter[str]()
        with tempfile.TemporaryDirectory() as work:
            for what, outcome in part(args.count or usual, Path(work)):
                kinds[outcome.kind] += 1
                if not outcome.survived:
                    lost += 1
                    print(f"  {what}: {outcome.kind} {outcome.what}", flush=True)
        print(f"{name}: {sum(kinds.values())} faults; " + ", ".join(f"{n} {kind}" for kind, n in kinds.most_common()))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
