"""provenance.json: by what, from what, on what and how a run was made."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol, cast

from hvae import __version__
from hvae.descriptions import Description, Machine, RunRecord
from hvae.files import write_text
from hvae.records import JSON, read_json

NAME = "provenance.json"
PACKAGES = ("torch", "lightning", "numpy", "safetensors", "scikit-learn", "pillow", "rich", "matplotlib", "jinja2")


class Trained(Protocol):
    """What a training leaves, a dataclass of plain values; `hvae.fit` gives it."""

    @property
    def samples_per_second(self) -> float: ...


def environment() -> RunRecord:
    """The versions of the code, and the machine."""
    return {
        "hvae": __version__,
        "packages": packages(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": machine(),
    }


def begin(earlier: RunRecord, description: Description, seed: int, parameters: int) -> RunRecord:
    """What is known before training; a resumed run keeps the commands of its earlier parts."""
    return {
        **environment(),
        "started": earlier.get("started", now()),
        "commands": [*earlier.get("commands", []), command()],
        "seed": seed,
        "parameters": parameters,
        "data": description["data"],
        "data_changes": description["data_changes"],
        "training": earlier.get("training"),
    }


def finish(folder: Path, record: RunRecord, result: Trained) -> None:
    """Write how training went beside what `begin` knew: steps, wall time, speed, memory, what was skipped."""
    if record["training"] and not result.samples_per_second:
        return  # a finished run was only looked at again
    write_json(folder / NAME, {**record, "training": course(result), "finished": now()})


def course(result: Trained) -> JSON:
    """How training went, in values that JSON can hold; the newest row is that of metrics.csv."""
    from hvae.metrics.results import plain

    values: JSON = plain(result)
    return values


def packages() -> dict[str, str]:
    """The version of every package that has a say in the numbers."""
    return {name: text for name in PACKAGES if (text := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def machine() -> Machine:
    """Processor, cores and, where there is one, the GPU."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"cpu": _cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpus": gpus}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def command() -> str:
    """This command as one would type it."""
    return shlex.join(["hvae", *sys.argv[1:]])


def now() -> str:
    """The time of day in UTC, to the second, as ISO 8601 has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_json(path: Path, record: Mapping[str, object]) -> None:
    """Write JSON for people and programs, whole or not at all."""
    write_text(path, json.dumps(record, indent=2, allow_nan=False) + "\n")


def read_provenance(folder: Path) -> RunRecord:
    """The record of a run folder; empty where there is none.  Raises HvaeError when it is damaged."""
    return cast(RunRecord, read_json(folder / NAME, FORM)) if (folder / NAME).exists() else {}


FORM = {
    "commands?": [str],
    "parameters?": (None, int),
    "started?": str,
    "training?": (None, {"seconds?": (None, float)}),
}
"""What of the record is read again; the rest is shown as it stands."""


def retyped(commands: Iterable[str]) -> list[str]:
    """Commands of a record as they can be typed: those of hvae, each word quoted, so that none does more than it says.

    >>> retyped(["hvae train digits", "hvae train x; curl there | sh", "rm -r ."])
    ['hvae train digits', "hvae train 'x;' curl there '|' sh"]
    """
    return [shlex.join(words) for words in map(_words, commands) if words[:1] == ["hvae"]]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quotation without an end
        return []
