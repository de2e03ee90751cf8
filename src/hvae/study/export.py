"""A trained model as a file for other runtimes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae import __version__
from hvae.errors import HvaeError, unknown
from hvae.files import beside
from hvae.records import JSON, read_json
from hvae.study.places import check_place
from hvae.study.placing import opened
from hvae.study.progress import Bars, Progress, bars

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.deploy.formats import Format
    from hvae.deploy.programs import Program

PARTS = ("decoder", "encoder")
FORMATS = ("onnx", "pt2", "openvino")
SIZES = ("own", "any")
MOST = 1e-3
"""The largest difference that a file may show, relative to the largest value of an output: float32 in another order."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file that was written, and how far its outputs are from the model's."""

    file: Path
    format: str
    part: str
    inputs: dict[str, list[int]]
    outputs: tuple[str, ...]
    bytes: int
    difference: float

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae export --json` gives."""
        return {
            "file": str(self.file),
            "format": self.format,
            "part": self.part,
            "inputs": self.inputs,
            "outputs": list(self.outputs),
            "bytes": self.bytes,
            "difference": self.difference,
        }


def export(
    run: str | Path | LoadedRun,
    out: str | Path | None = None,
    *,
    to: str = "onnx",
    part: str = "decoder",
    size: str = "own",
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
) -> Export:
    """Write the decoder or the encoder of a run as a file that needs no hvae to run.

    Noise and one temperature a level are inputs, rows are open; the file is run on two numbers of rows and compared
    with the model before it takes its name.  Arguments: `out`, the file (beside the run by default); `to`, "onnx",
    "pt2" (torch.export) or "openvino" (.xml and .bin); `part`, "decoder" (noise to pictures) or "encoder" (pictures
    and noise to latents, rates and the ELBO in nats); `size`, "own" or "any" (multiples of the stride of the coarsest
    map, where the weights are those of every size; compared at another size too); `trust`, packages whose code the run
    may name; `progress`, who hears how far it is.  Raises HvaeError for a model or a format that cannot be served, and
    for outputs that differ.
    """
    if to not in FORMATS:
        raise unknown("format", to, FORMATS)
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    if size not in SIZES:
        raise unknown("size", size, SIZES)
    from hvae.deploy.formats import FORMATS as KINDS

    kind = KINDS[to]
    kind.check()
    opened_run = opened(run, trust)
    path = _place(opened_run.folder / part if out is None else Path(out), kind)
    program, others = _programs(opened_run, part, size)
    with bars(progress).bar("export") as tick:
        return _write(opened_run, program, others, kind, path, to, part, tick)


def _place(path: Path, kind: Format) -> Path:
    """Where the file goes.  Raises HvaeError for another ending, and where nothing can be written."""
    path = path if path.suffix else path.with_suffix(kind.suffix)
    if path.suffix != kind.suffix:
        raise HvaeError(f"--out: expected a name that ends in {kind.suffix}, got {path}")
    if path.is_dir():
        raise HvaeError(f"--out: {path} is a folder; name the {kind.suffix} file to write")
    check_place(path)
    return path


def _programs(run: LoadedRun, part: str, size: str) -> tuple[Program, list[Program]]:
    """What is written, and what else its file must equal: of any size, the model built for another one."""
    from hvae.deploy import Decoder, Encoder
    from hvae.deploy.sizes import free, resized

    kind = Decoder if part == "decoder" else Encoder
    if size == "own":
        return kind(run.model), []
    sizes = free(run.model, run.build)
    other = sizes.scaled(range(2, 1 + len(sizes.model.shape)))
    return kind(sizes.model, sizes), [kind(resized(run.model, run.build, other))]


def _facts(run: LoadedRun, program: Program) -> JSON:
    """What a file says of its model."""
    from hvae.weights import digest

    weights, shape = digest(run.model.state_dict()), list(program.model.shape)
    data = {"shape": shape, "bits": run.bits, "range": [0, 1]}
    facts = {"hvae": __version__, "family": run.config.model.family, "weights_sha256": weights, "data": data}
    return {**facts, **_meanings(run), **_licence(run)}


def _meanings(run: LoadedRun) -> JSON:
    """What numbers stand for, where people have words for it: the columns of a table, the names of classes, and the
    symbols of captions."""
    from hvae.runs.words import class_names

    data = run.description.get("data") or {}
    words = {"columns": data.get("columns"), "classes": list(class_names(run)), "captions": data.get("captions")}
    return {name: meaning for name, meaning in words.items() if meaning}


def _licence(run: LoadedRun) -> JSON:
    """That of the weights, where the run has a card that says one."""
    from hvae.pretrained import CARD, FACTS, record

    path = run.folder / CARD
    if run.is_packaged:
        return {"licence": record(run.folder.name)["card"]["licence"]}
    return {"licence": read_json(path, FACTS)["licence"]} if path.is_file() else {}


_REFUSED = ("iostream error", "StreamWriter failed", "write failed")
"""What the writers in C++ under OpenVINO and torch say where the system took less than they gave."""


@contextmanager
def _refusals_as_they_are() -> Iterator[None]:
    """A refused write of a library is one of the system: of its error number nothing is left."""
    try:
        yield
    except RuntimeError as fault:
        if any(words in str(fault) for words in _REFUSED):
            raise OSError("the disk does not take it") from fault
        raise


def _write(
    run: LoadedRun, program: Program, others: list[Program], kind: Format, path: Path, to: str, part: str, tick: Any
) -> Export:
    from hvae.deploy.formats import described, difference, exported, largest, quiet

    tick(0, 3, "tracing")
    graph = exported(program)
    tick(1, 3, f"writing {kind.suffix}")
    with beside(path) as temporary:
        with quiet():
            with _refusals_as_they_are():
                kind.write(graph, program, described(program, part, _facts(run, program)), temporary)
            tick(2, 3, "comparing")
            runner = kind.runner(program, temporary)
            apart = largest(difference(one, runner) for one in (program, *others))
        if not apart <= MOST:
            raise HvaeError(f"the {to} file differs from the model by {apart:.1e} of its largest value: not written")
    tick(3, 3)
    arguments = zip(program.names, program.arguments(1), strict=True)
    return Export(
        file=path,
        format=to,
        part=part,
        inputs={name: list(t.shape) for name, t in arguments},
        outputs=tuple(program.outputs),
        bytes=path.stat().st_size,
        difference=apart,
    )
