"""hvae inspect: what a model is made of and what it costs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from hvae.cli.keys import add_keys
from hvae.cli.parser import Parser
from hvae.cli.voice import Voice
from hvae.cli.weights import WEIGHTS, configured, show_weights, weights_of
from hvae.cli.words import split_dotted, wants_help
from hvae.config.data import KNOWN, SOURCES, DataConfig
from hvae.config.objective import ObjectiveConfig
from hvae.config.presets import is_open
from hvae.config.run import RunConfig
from hvae.errors import HvaeError
from hvae.files import expanded
from hvae.runs.source import expected_shape, shown_for_help
from hvae.runs.subject import device_of
from hvae.study.building import usable
from hvae.study.sizing import settled

ABOUT = (
    "Show the levels of a model, their shapes and parameters, the FLOPs of an image, and the memory of a training "
    "step, before anything is trained. Any key of the configuration can be changed on the way. Images of your own need "
    "not be there: --data.size and --data.channels say what they are."
)
EXAMPLES = (
    "hvae inspect cifar10 --train.batch 64 --model.width 96",
    "hvae inspect arrays --data.size 28,28 --data.channels 1",
    "hvae inspect runs/digits",
)
EIGHT = 8


@dataclass(frozen=True)
class Form:
    """What a model is for: images of `shape` (C, H, W) or vectors (D,), `bits` a value, and what was not said of it."""

    shape: tuple[int, ...]
    bits: int
    note: str = ""


def parser(argv: list[str]) -> Parser:
    result = Parser("inspect", ABOUT, EXAMPLES, "RUN|PRESET|CONFIG [--KEY VALUE ...]")
    result.add_argument(
        "source",
        metavar="RUN|PRESET|CONFIG",
        help="a run folder or its .safetensors file, a preset (hvae models), or a YAML file",
    )
    result.add_argument("--parameters", action="store_true", help="name every parameter, as --train.only takes them")
    if wants_help(argv):
        config = shown_for_help(argv)
        add_keys(result, {"model": config.model, "data": config.data})
    return result


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest).parse_args(rest)
    voice = Voice(args.json)
    if (weights := weights_of(Path(args.source))) is not None:
        return show_weights(weights, voice, each=args.parameters)
    config = configured(args.source, dotted)
    form, config = form_of(config, Path(args.source), dotted), settled(config)
    if args.parameters:
        return show_parameters(config, form, voice)
    summary = inspected(config, form)
    voice.answer({**summary.to_dict(), "process_bytes": resident()})
    if not args.json:
        voice.show(summary)
        voice.show(form.note) if form.note else None
        voice.show(f"this process, with torch and without data: {resident() / 1e6:.0f} MB")


def form_of(config: RunConfig, source: Path, changed: Collection[str]) -> Form:
    """The form of the images: that of the run at `source` unless keys of its data are `changed`, as said, or as read.

    Raises HvaeError where none of these tells it.
    """
    data, weights = config.data, source if source.suffix == ".safetensors" else source / WEIGHTS
    if data.name in SOURCES and weights.is_file() and not any(key.startswith("data.") for key in changed):
        return trained_on(weights)
    if data.name in KNOWN or is_on_disk(data):
        return Form(*expected_shape(config))
    if data.size and data.channels:
        assumed = "" if data.bits else f"{EIGHT} bits a value are assumed; --data.bits says otherwise"
        return Form((data.channels, *data.size), data.bits or EIGHT, assumed)
    if data.name == "hub":
        return Form(*expected_shape(config))
    raise HvaeError(
        f"no images at {data.path} to take the shape from; expected --data.path PLACE, or what they are: "
        "--data.size 64,64 --data.channels 3 (1: grey)"
    )


def is_on_disk(data: DataConfig) -> bool:
    """Whether images of the user's are at the path given, which stands open in some presets."""
    return not is_open(data) and expanded(data.path).exists()


def trained_on(weights: Path) -> Form:
    """The form that a run's weights are for."""
    from hvae.checkpoints import load

    loaded = load(weights)
    return Form(tuple(loaded.model.shape), loaded.bits)


def show_parameters(config: RunConfig, form: Form, voice: Voice) -> None:
    """Name, shape and size of every parameter."""
    model = usable(config.model, form.shape, form.bits)
    parameters = {name: tuple(w.shape) for name, w in model.named_parameters()}
    voice.answer({"parameters": {name: list(size) for name, size in parameters.items()}})
    if not voice.machine:
        voice.show("\n".join(f"{name}  {'x'.join(map(str, size)) or 'scalar'}" for name, size in parameters.items()))


def inspected(config: RunConfig, form: Form) -> Any:
    """The inspection of what a configuration would train, in the micro-batches that one process would take."""
    from hvae.inspection import inspect
    from hvae.objectives import build as objective
    from hvae.training.precision import settled

    train, goal = config.train, config.objective
    processes = train.nodes * (train.devices if isinstance(train.devices, int) else 1)
    return inspect(
        usable(config.model, form.shape, form.bits),
        ceil(train.batch / train.accumulate / processes),
        # Filters of the rates weigh nothing, and may name levels that are about to be changed.
        objective=objective(ObjectiveConfig(kind=goal.kind, samples=goal.samples)),
        precision=settled(train)[0].precision,
        device=device_of(config),
    )


def resident() -> int:
    """Bytes of memory that this process holds now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    import resource

    return pages * resource.getpagesize()
