"""Kills in the middle of training, and trainings started together in one folder: two parts of `faults.py`.

A run is killed at a random moment, start, evaluation and report included, and resumed, again and again; at its end it
must have the weights, moments and rows of a run that was never killed, to the last bit (times aside).  Of two commands
started together in one folder one trains and the other is refused in one line, and the folder is of one of them.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from hvae.config.run import RunConfig
from hvae.weights import load_weights

HVAE = (sys.executable, "-c", "import sys; from hvae.cli.main import main; sys.exit(main())")
TINY = (
    *("--model.family=lvae", "--model.latents=4,2", "--model.widths=16,16", "--train.batch=32"),
    *("--train.accelerator=cpu", "--train.devices=1", "--train.save_every=7", "--train.log_every=5"),
    *("--objective.free_bits.nats=0", "--objective.warmup.length=0", "--evaluate.samples=2", "--evaluate.limit=20"),
)
STEPS = 400
SECONDS = 600
"""What one command may take on a busy machine."""
Fault = tuple[str, str]
"""What was done, and what went wrong; empty where it was survived."""
Part = Callable[[int, Path], Iterator[Fault]]


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen([*HVAE, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", newline="") as f:
        return [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(f)]


def difference(folder: Path, whole: Path) -> str:
    """In what a run that was killed and resumed is not the run that was not."""
    one, two = (torch.load(path / "last.ckpt", weights_only=True)["learner"] for path in (folder, whole))
    for kind in ("model", "average"):
        if any(not torch.equal(one[kind][name], two[kind][name]) for name in two[kind]):
            return f"other weights ({kind})"
    if rows(folder) != rows(whole):
        return "other rows"
    remains = {path.name for path in folder.iterdir()} ^ {path.name for path in whole.iterdir()}
    return f"other files: {', '.join(sorted(remains))}" if remains else ""


def kills(count: int, work: Path) -> Iterator[Fault]:
    """Kill a run `count` times, from its first moment to its report; a run that gets to its end is compared."""
    chance, whole, number = random.Random(0), work / "whole", 0
    fresh = ("train", "digits", *TINY, "--train.steps", STEPS, "--out")
    began = time.monotonic()
    ended = start(*fresh, whole)
    assert ended.wait(SECONDS) == 0, ended.stderr.read() if ended.stderr else ""
    lasts = time.monotonic() - began
    for kill in range(count):
        folder = work / str(number)
        run = start("train", folder, "--resume") if (folder / "config.yaml").is_file() else start(*fresh, folder)
        moment = chance.uniform(0.2, 1.1) * lasts
        try:
            _, errors = run.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
            yield f"kill {kill}, after {moment:.1f} s", ""
            continue
        number += 1
        yield f"run {number - 1}", errors[-200:] if run.returncode else difference(folder, whole)
    folder = work / str(number)
    if (folder / "config.yaml").is_file():
        run = start("train", folder, "--resume")
        _, errors = run.communicate(timeout=SECONDS)
        yield f"run {number}", errors[-200:] if run.returncode else difference(folder, whole)


def pairs(count: int, work: Path) -> Iterator[Fault]:
    """Two commands at once in one folder: train twice, resume twice, and one of each."""
    for number in range(count):
        folder = work / str(number)
        kind = ("train, train", "resume, resume", "train, resume")[number % 3]
        first, second = kind.split(", ")
        if first == "resume":
            assert start(*_words("train", folder, seed=0)).wait(SECONDS) == 0
        together = [start(*_words(verb, folder, seed)) for seed, verb in enumerate((first, second), 1)]
        errors = [run.communicate(timeout=SECONDS)[1].strip() for run in together]
        yield f"pair {number}: {kind}", _mixed(folder, kind, [run.returncode for run in together], errors)


def _words(verb: str, folder: Path, seed: int) -> tuple[object, ...]:
    if verb == "resume" and (folder / "config.yaml").is_file():
        return ("train", folder, "--resume", "--train.steps", 60)
    return ("train", "digits", *TINY, "--train.steps", 40, "--train.seed", seed, "--out", folder)


def _mixed(folder: Path, kind: str, codes: list[int], errors: list[str]) -> str:
    """What two trainings together have spoilt."""
    if sorted(codes) != [0, 2]:
        return f"exit codes {codes}"
    line = errors[codes.index(2)].splitlines()[-1]
    if not line.startswith("hvae: ") or ("claimed for training" not in line and "already exists" not in line):
        return line
    own = 0 if kind.startswith("resume") else 1 + codes.index(0)
    description = load_weights(folder / "model.safetensors")[1]
    provenance = json.loads((folder / "provenance.json").read_text())
    seeds = (
        RunConfig.load(folder / "config.yaml").train.seed,
        description["config"]["train"]["seed"],
        provenance["seed"],
    )
    steps = [row["step"] for row in rows(folder)]
    return f"seeds {seeds} of run {own}" * (seeds != (own,) * 3) or "rows twice" * (len(set(steps)) != len(steps))


PARTS: dict[str, tuple[Part, int]] = {"kills": (kills, 40), "pairs": (pairs, 10)}
"""Each part, and how many faults it brings by itself."""
