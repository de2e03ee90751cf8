"""Programs as files that other runtimes read: written, read back and compared with the model before they are kept.

Shapes: `B` rows.
"""

from __future__ import annotations

import io
import json
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hvae.compiled import compiled
from hvae.deploy.arithmetic import elementary
from hvae.deploy.programs import Function, Program
from hvae.errors import HvaeError, missing_extra
from hvae.records import JSON
from hvae.walk import still

if TYPE_CHECKING:
    from torch.export import ExportedProgram

TRACED, TRIED = 2, (2, 5)
"""Rows of the trace, and of the comparisons: a program that kept the rows of its trace fails the second one."""
METADATA = "hvae"
"""The key of the description in a file's own metadata."""

Outputs = tuple[Tensor, ...]
Runner = Callable[[Sequence[Tensor]], Outputs]


class Format(ABC):
    """A kind of file: what must be installed for it, how it is written, and how it is run again."""

    suffix: str
    extra: str = ""
    needs: tuple[str, ...] = ()
    runtime: str = "torch"
    """The package that runs it."""

    def check(self) -> None:
        """Raises HvaeError where a library is missing."""
        missing = [name for name in self.needs if find_spec(name) is None]
        if missing:
            raise missing_extra(missing[0], self.extra, *missing[1:], purpose=f"{self.suffix} files")

    @abstractmethod
    def write(self, exported: ExportedProgram, program: Function, description: str, path: Path) -> None:
        """Write the program with its description, JSON, as one file."""

    @abstractmethod
    def runner(self, program: Function, path: Path) -> Runner:
        """The file as a function, run by what will run it elsewhere."""


class PT2(Format):
    """An archive of torch.export: `torch.export.load(path).module()(*arguments)`."""

    suffix = ".pt2"

    def write(self, exported: ExportedProgram, program: Function, description: str, path: Path) -> None:
        # Through memory: torch ends the whole process where a file cannot take what it writes.
        archive = io.BytesIO()
        torch.export.save(exported, archive, extra_files={METADATA: description})
        path.write_bytes(archive.getbuffer())

    def runner(self, program: Function, path: Path) -> Runner:
        with open(path, "rb") as file:
            module = torch.export.load(io.BytesIO(file.read())).module()
        return lambda arguments: _as_tuple(module(*arguments))


class Compiled(Format):
    """An archive of torch.export that torch compiles for this machine."""

    suffix = ".pt2"

    def write(self, exported: ExportedProgram, program: Function, description: str, path: Path) -> None:
        PT2().write(exported, program, description, path)

    def runner(self, program: Function, path: Path) -> Runner:
        # Without the guards of the trace, which the compiler cannot read; its code has its own.
        module = torch.export.load(io.BytesIO(path.read_bytes())).module(check_guards=False)
        run = compiled(module)
        return lambda arguments: _as_tuple(run(*arguments))


class ONNX(Format):
    """A graph of ONNX, run here by onnxruntime."""

    suffix = ".onnx"
    extra = "onnx"
    needs = ("onnx", "onnxscript", "onnxruntime")
    runtime = "onnxruntime"

    def write(self, exported: ExportedProgram, program: Function, description: str, path: Path) -> None:
        graph = torch.onnx.export(
            elementary(exported),
            (),
            dynamo=True,
            verbose=False,
            input_names=program.names,
            output_names=list(program.outputs),
        )
        assert graph is not None
        graph.model.metadata_props[METADATA] = description
        graph.save(path)

    def runner(self, program: Function, path: Path) -> Runner:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])

        def outputs(arguments: Sequence[Tensor]) -> Outputs:
            # An argument that no output depends on is no input of the graph.
            names = {one.name for one in session.get_inputs()}
            inputs = {name: t.numpy() for name, t in zip(program.names, arguments, strict=True) if name in names}
            return tuple(map(torch.from_numpy, session.run(list(program.outputs), inputs)))

        return outputs


class OpenVINO(Format):
    """OpenVINO's two files, NAME.xml with the graph and NAME.bin with the weights."""

    suffix = ".xml"
    extra = "openvino"
    needs = ("openvino",)
    runtime = "openvino"

    def write(self, exported: ExportedProgram, program: Function, description: str, path: Path) -> None:
        import openvino

        graph = openvino.convert_model(elementary(exported))
        # An argument that no output depends on may be no input of the graph.
        names = dict(zip(exported.graph_signature.user_inputs, program.names, strict=True))
        for port in graph.inputs:
            port.get_tensor().set_names({names[port.any_name]})
        for port, name in zip(graph.outputs, program.outputs, strict=True):
            port.get_tensor().set_names({name})
        graph.set_rt_info(description, METADATA)
        openvino.save_model(graph, path, compress_to_fp16=False)

    def runner(self, program: Function, path: Path) -> Runner:
        import openvino

        plan = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        compiled = openvino.compile_model(path, "CPU", plan)

        def outputs(arguments: Sequence[Tensor]) -> Outputs:
            numbers = dict(zip(program.names, arguments, strict=True))
            results = compiled({port: numbers[port.any_name].numpy() for port in compiled.inputs})
            return tuple(torch.from_numpy(results[port].copy()) for port in compiled.outputs)

        return outputs


FORMATS: dict[str, Format] = {"pt2": PT2(), "onnx": ONNX(), "openvino": OpenVINO()}


def exported(program: Function) -> ExportedProgram:
    """The program as a graph that keeps its rows open.  Raises HvaeError where the model cannot be traced."""
    with still(program, seed=0), quiet():
        try:
            graph = torch.export.export(
                program, program.arguments(TRACED), dynamic_shapes=(program.open_axes(),), strict=False
            )
        except (RuntimeError, ValueError, TypeError, AssertionError) as fault:
            raise HvaeError(f"this model has no graph of any number of rows: {_reason(fault)}") from fault
    # An unbind without readers can be stored, but not read again.
    graph.graph.eliminate_dead_code()
    graph.graph_module.recompile()
    return graph


def _reason(fault: Exception) -> str:
    """Why a trace failed, in a line; mostly the code of a walk has taken the rows of the trace for all there are."""
    if "specialized it to be a constant" in str(fault):
        return "its walk fixes them; take h.shape[0] for the rows of a tensor, never len(h), and evidence.n for all"
    return " ".join(str(fault).split())[:200]


def difference(program: Function, runner: Runner) -> float:
    """The largest difference of the outputs of a file and of the model, relative to each output's largest value.

    Over every number of rows that is tried.  NaN where some of them is no number.  Raises HvaeError
    where the file gives other shapes.
    """
    return largest(_difference(program, runner, n) for n in TRIED)


def largest(values: Iterable[float]) -> float:
    """The largest of values, NaN where one of them is: the maximum of Python passes over NaN."""
    return float(torch.tensor(list(values)).max())


def _difference(program: Function, runner: Runner, n: int) -> float:
    arguments = program.arguments(n, seed=n)
    with still(program, seed=0):
        expected = _as_tuple(program(*arguments))
        values = runner(arguments)
    for name, right, got in zip(program.outputs, expected, values, strict=True):
        if right.shape != got.shape:
            raise HvaeError(f"{name}: expected shape {tuple(right.shape)} of the file, got {tuple(got.shape)}")
    pairs = zip(expected, values, strict=True)
    return largest(float(apart(right.detach(), got.detach())) for right, got in pairs)


def apart(right: Tensor, got: Tensor, least: float = 1e-6) -> Tensor:
    """The largest difference, relative to the largest value of what is right, or to `least` where that is more.

    NaN where one of them is no number.
    """
    return ((right - got).abs().max() / right.abs().max().clamp_min(least)).double()


def described(program: Program, part: str, facts: JSON) -> str:
    """What stands inside a file, JSON: the part, its arguments and results with their shapes, and how to draw noise."""
    levels = {name: list(shape) for name, shape in program.levels.items()}
    noise = "standard normal, independent, one array (B, ...) a level; temperature: one number a level, top first, "
    noise += "1 for a draw and 0 for its mean"
    conditions = {name: str(one) for name, one in program.model.conditions.items()}
    arguments = {"inputs": program.names, "outputs": list(program.outputs), "levels": levels, "conditions": conditions}
    sizes = {"multiples": list(program.sizes.multiples)}
    return json.dumps({**facts, "part": part, **arguments, **sizes, "noise": noise})


def _as_tuple(outputs: Any) -> Outputs:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


@contextmanager
def quiet() -> Iterator[None]:
    """Exporters of other libraries say much on both streams: nothing of it is a fault."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
