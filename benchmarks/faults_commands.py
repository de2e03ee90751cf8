"""Bad command lines: each command as it should be called, with one thing wrong.

Each must be refused with exit code 2 and one line, and leave the folder it was called in as it was.  Used by
benchmarks/faults.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from faults_outcome import Outcome, command
from PIL import Image

Words = tuple[str, ...]

NO_COUNT: Words = ("-1", "0.5", "x", "", "nan", "1e400", "9" * 400, "1,2", "٣x", "0x10", "none")
NO_NUMBER: Words = ("x", "", "nan", "inf", "-inf", "-1", "1e999", "1;2")
NO_PLACE: Words = ("no/such/place", "", "a" * 300, "\x1b[31mred", "caf\u202e")
NO_FILE: Words = ("", ".", "a" * 300 + ".png", "run", "new.xyz", "/proc/new.png", "/dev/null/new.png")
NO_NAME: Words = ("", "x", "../..", "a" * 10_000, "None", "-")
NO_CONTEXT: Words = ("", "label", "=1", "label=1", "label=", "x=y=z")
RUN = ("run",)
SHARED: dict[str, Words] = {
    "--train.accelerator": ("cuda", "tpu", ""),
    "--no-such-option": ("1",),
    "--trust": ("", "os;x", "a b", "\x1b"),
}
IMAGES = ("--data", "test")

GOOD: dict[str, Words] = {
    "train": ("train", "digits", "--out", "new", "--train.steps", "2"),
    "evaluate": ("evaluate", *RUN),
    "sample": ("sample", *RUN, "--out", "new.png"),
    "encode": ("encode", *RUN, *IMAGES, "--out", "new.npz"),
    "decode": ("decode", *RUN, "latents.npz", "--out", "new"),
    "interpolate": ("interpolate", *RUN, *IMAGES, "--out", "new.png"),
    "compress": ("compress", *RUN, "test", "new.hvz"),
    "decompress": ("decompress", "file.hvz", "new"),
    "compare": ("compare", "run", "run", "--out", "new.html"),
    "score": ("score", *RUN, *IMAGES, "--out", "new.csv"),
    "features": ("features", *RUN, *IMAGES, "--out", "new.npz"),
    "restore": ("restore", *RUN, "test", "--task", "inpaint", "--mask", "0,4,8,4", "--out", "new"),
    "augment": ("augment", *RUN, "--out", "new"),
    "grow": ("grow", *RUN, "--data", "digits", "--out", "new"),
    "export": ("export", *RUN, "--out", "new.onnx"),
    "studio": ("studio", *RUN, "--no-browser"),
    "push": ("push", *RUN, "me/digits", "--dry-run"),
    "models": ("models",),
    "inspect": ("inspect", "digits"),
    "import": ("import", "vdvae", "weights.th", "--out", "new"),
}
"""Commands that are right as they are, but for `import`, whose file is none."""
WRONG: dict[str, dict[str, Words]] = {
    "train": {
        "--train.steps": ("0", *NO_COUNT),
        "--train.batch": ("0", "100000000000000", *NO_COUNT),
        "--train.lr": NO_NUMBER,
        "--train.seed": ("18446744073709551616", *NO_COUNT),
        "--train.betas": ("1,1", "0.9", "0.9,0.9,0.9", "x,y"),
        "--train.optimiser": ("sgd", *NO_NAME),
        "--train.only": ("no.such.part", "levels.z9", "["),
        "--train.init": ("no-such-run", "latents.npz", "/dev/zero"),
        "--train.devices": ("0", *NO_COUNT),
        "--train.loggers": ("x", "wandb,x"),
        "--train.strategy": ("no-such-strategy",),
        "--model.family": ("no-such-family", "os:abort", "", "laddr"),
        "--model.latent": ("0", "100000000000000000000", *NO_COUNT),
        "--model.groups": ("", "x", "0,0", "-1", "1000000", "1," * 2_000 + "1"),
        "--model.likelihood": ("bernouli", "dmol-nvae9"),
        "--model.width": ("1000000",),
        "--data.name": ("mnist-statik", *NO_NAME),
        "--data.size": ("100000,100000", "0,0", "8", "8,8,8", "x"),
        "--data.bits": ("17", "-1", "x"),
        "--data.valid": ("1.5", "-1", "nan", "100000000"),
        "--data.root": ("a" * 5_000,),
        "--objective.beta": ("z9=1", "nan", "-1", "x"),
        "--objective.kind": ("elb", "iwae,stl"),
        "--objective.free_bits.nats": ("z9=3", "nan", "x"),
        "--evaluate.held": ("99", *NO_COUNT),
        "--evaluate.measures": ("likelihod", "quick,x", "disentanglement"),
        "--evaluate.samples": ("1000000000000", *NO_COUNT[:-1]),
        "--evaluate.features": ("os:abort", "no-such.pt2"),
        "--out": ("", "a" * 300, "/proc/new", "/dev/null/new", "file.hvz", "run"),
        **SHARED,
    },
    "evaluate": {
        "--evaluate.samples": ("0", *NO_COUNT[:-1]),
        "--evaluate.measures": ("x", "quick;all", "disentanglement"),
        "--evaluate.split": ("train", "x"),
        "--data.root": ("a" * 5_000,),
        "--model.width": ("8",),
        **SHARED,
    },
    "sample": {
        "-n": ("0", "100000000000", *NO_COUNT),
        "-t": (*NO_NUMBER, "z9=1", "z1=x"),
        "--temperature.z9": ("1",),
        "--enlarge": ("0", "-1", "x", "1000000"),
        "--recalibrate": ("-1", "x"),
        "--seed": ("-1", "x", "9" * 30),
        "--out": NO_FILE,
        "--context": NO_CONTEXT,
        **SHARED,
    },
    "encode": {
        "--data": ("owner/name", *NO_PLACE, "file.hvz", "empty", "other.npy"),
        "-n": ("0", *NO_COUNT),
        "--out": (*NO_FILE, "new.png", "/proc/new.npz"),
        "--seed": ("-1", "x"),
        "--context": NO_CONTEXT,
        "--data.root": ("a" * 5_000,),
        **SHARED,
    },
    "decode": {
        "-t": NO_NUMBER,
        "--temperature.z9": ("1",),
        "--out": ("", "a" * 300, "run", "/proc/new"),
        "--seed": ("-1", "x"),
        "--context": NO_CONTEXT,
        **SHARED,
    },
    "interpolate": {
        "--data": ("owner/name", *NO_PLACE, "file.hvz"),
        "--pairs": ("0", "100000000", *NO_COUNT),
        "--steps": ("0", "1", "1000000000", *NO_COUNT),
        "--levels": ("z9", "z1,z9", ""),
        "--path": ("liner", ""),
        "-t": NO_NUMBER,
        "--temperature.z9": ("1",),
        "--out": (*NO_FILE, "new.csv"),
        **SHARED,
    },
    "compress": {
        "-n": ("0", *NO_COUNT),
        "--quality": ("0", "x", "3", "all"),
        "--tile": ("0", "x", "8x", "1000000"),
        "--fineness": (*NO_NUMBER, "0"),
        "--block": ("0", *NO_COUNT),
        "--batch": ("0", "65", "x"),
        "--workers": ("-3", "x", "1e9"),
        "--context": NO_CONTEXT,
        **SHARED,
    },
    "decompress": {
        "--run": ("no-such-run", "empty", "file.hvz"),
        "--levels": ("0", "1", "x"),
        "--only": ("-1", "99999", "x"),
        "--workers": ("-3", "x"),
        "--context": NO_CONTEXT,
        **SHARED,
    },
    "compare": {"--out": ("", "a" * 300, "/proc/new.html", "run"), **SHARED},
    "score": {
        "--data": ("owner/name", *NO_PLACE, "file.hvz", "empty", "other.npy"),
        "--by": ("nl", "kl/z9", "llr>9", "llr>x", "regret", ""),
        "--quantile": (*NO_NUMBER, "0", "1"),
        "--samples": ("0", *NO_COUNT),
        "--normal": ("0", *NO_COUNT),
        "--reverse": ("no-such-run", "run"),
        "--regret": ("-1", "x"),
        "--maps": ("-1", "x", "100000"),
        "--out": ("", "a" * 300, "/proc/new.csv", "run"),
        "--seed": ("-1", "x"),
        "--context": NO_CONTEXT,
        **SHARED,
    },
    "features": {
        "--data": NO_PLACE,
        "-n": NO_COUNT,
        "--levels": ("z9", "z1..z9", ""),
        "--pool": ("men", ""),
        "--draws": NO_COUNT,
        "--out": ("", "a" * 300, "new.xyz", "/proc/new.npz"),
        **SHARED,
    },
    "restore": {
        "--task": NO_NAME,
        "--mask": ("", "x", "0,0,0,0", "-1,0,2,2", "0,0,99,99", "nan", "no-such.png"),
        "--way": NO_NAME,
        "--draws": ("0", *NO_COUNT),
        "--sweeps": NO_COUNT,
        "-n": ("0", *NO_COUNT),
        "--out": ("", "a" * 300, "run", "/proc/new"),
        **SHARED,
    },
    "augment": {"--per-class": ("0", *NO_COUNT), "--levels": ("z9", ""), "-t": NO_NUMBER, **SHARED},
    "grow": {
        "--data": NO_PLACE,
        "--levels": NO_COUNT,
        "--latent": ("0", *NO_COUNT),
        "--quantile": NO_NUMBER,
        "--train.strategy": ("no-such-strategy",),
        "--evaluate.factors": ("no-such",),
        **SHARED,
    },
    "export": {"--to": NO_NAME, "--part": NO_NAME, "--size": (*NO_NAME, "any"), **SHARED},
    "studio": {"--port": ("65536", *NO_COUNT), **SHARED},
    "push": {"--licence": ("",), **SHARED},
    "models": SHARED,
    "inspect": {"--model.groups": ("", "x", "1000000"), "--data.size": ("x",), "--train.batch": ("0",)},
    "import": {"--model.encoder": ("x", "32x", ""), "--data.name": ("x",), "--out": ("", "run")},
}
WHOLE: tuple[Words, ...] = (
    ("trian", "digits"),
    ("--verison",),
    ("train", "digitz"),
    ("train", "no/such.yaml"),
    ("train", "file.hvz"),
    ("train", "empty"),
    ("train", "digits", "more"),
    ("train", "--resume"),
    ("train", "photos-small", "--data.path", "no-such-folder"),
    ("train", "photos-small", "--data.path", "other.npy"),
    ("train", "arrays", "--data.path", "empty"),
    ("train", "photos-small"),
    ("evaluate",),
    ("evaluate", "no-such-run"),
    ("evaluate", "empty"),
    ("sample", "file.hvz"),
    ("encode", "run"),
    ("encode", "run", "--data"),
    ("decode", "run", "no-such.npz", "--out", "new"),
    ("decode", "run", "other.npy", "--out", "new"),
    ("decode", "run", "file.hvz", "--out", "new"),
    ("decompress", "no-such.hvz", "new"),
    ("decompress", "latents.npz", "new"),
    ("decompress", "file.hvz", "run"),
    ("compress", "run", "new.hvz"),
    ("compress", "run", "no-such.png", "new.hvz"),
    ("compress", "run", "empty", "new.hvz"),
    ("compare", "empty"),
    ("score", "run"),
    ("score", "empty", "--data", "test"),
    ("import", "no-such-model"),
    ("import", "vdvae"),
    ("import", "vdvae", "no-such.th"),
    ("completion", "tcsh"),
    ("completion",),
    ("inspect",),
    ("inspect", "no-such"),
    ("models", "--publishd"),
    ("data", "digits"),
)


def lines() -> list[Words]:
    """Every bad command line: those that are wrong as a whole, and each option of each command with each bad value."""
    return [
        *WHOLE,
        *(
            (*GOOD[verb], option, value)
            for verb, options in WRONG.items()
            for option, values in options.items()
            for value in values
        ),
    ]


def faults(count: int, work: Path) -> Iterator[tuple[str, Outcome]]:
    """So many of them, at random and the same each time, beside a run of moments and files of its making."""
    _furnish(work)
    every = lines()
    for words in random.Random(5).sample(every, min(count, len(every))):
        before = _content(work)
        outcome = command(*words, place=work)
        if outcome.survived:
            left = sorted({*before.items()} ^ {*_content(work).items()})
            outcome = Outcome("accepted") if outcome.kind == "done" else outcome
            outcome = Outcome("left behind", str(left)[:200]) if left else outcome
        yield " ".join(word if len(word) < 40 else f"{word[:20]}..." for word in words), outcome


def _furnish(work: Path) -> None:
    """A run, a compressed file and latents of it, and data that do not fit it."""
    tiny = ("--model.family", "lvae", "--model.latents", "4,2", "--model.widths", "16,16", "--train.steps", "6")
    tiny += ("--objective.free_bits.nats", "0", "--objective.warmup.length", "0", "--evaluate.limit", "20")
    for words in (
        ("train", "digits", "--out", "run", *tiny, "--evaluate.measures", "likelihood"),
        ("compress", "run", "test", "file.hvz", "-n", "3"),
        ("encode", "run", "--data", "test", "--out", "latents.npz", "-n", "3"),
    ):
        begun = command(*words, place=work)
        assert begun.kind == "done", begun
    (work / "empty").mkdir()
    np.save(work / "other.npy", np.full((4, 3, 5), np.nan))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(work / "one.png")
    (work / "weights.th").write_bytes(b"no weights")


def _content(work: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below the place, with its size and the time of its last change."""
    return {
        str(path.relative_to(work)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in work.rglob("*")
        if path.is_file()
    } | {f"{path.relative_to(work)}/": (0, 0) for path in work.rglob("*") if path.is_dir()}
