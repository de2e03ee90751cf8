"""hvae inspect: what a model is made of and what it costs."""

from __future__ import annotations

from math import ceil
from typing import Any

from hvae.cli.parser import Parser, add_keys, split_dotted, wants_help
from hvae.cli.voice import Voice
from hvae.config.objective import ObjectiveConfig
from hvae.config.run import RunConfig
from hvae.runs.source import expected_shape, resolve, shown_for_help
from hvae.runs.subject import device_of
from hvae.study.building import built

ABOUT = (
    "Show the levels of a model, their shapes and parameters, the FLOPs of an image, and the memory of a training "
    "step, before anything is trained. Any key of the configuration can be changed on the way."
)
EXAMPLES = ("hvae inspect cifar10 --train.batch 64 --model.width 96", "hvae inspect runs/digits")


def parser(argv: list[str]) -> Parser:
    made = Parser("inspect", ABOUT, EXAMPLES, "RUN|PRESET|CONFIG [--KEY VALUE ...]")
    made.add_argument(
        "source", metavar="RUN|PRESET|CONFIG", help="a run folder, a preset (hvae models), or a YAML file"
    )
    made.add_argument("--parameters", action="store_true", help="name every parameter, as --train.only takes them")
    if wants_help(argv):
        config = shown_for_help(argv)
        add_keys(made, {"model": config.model, "data": config.data})
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest).parse_args(rest)
    voice = Voice(args.json)
    config = resolve(args.source, dotted)
    if args.parameters:
        return show_parameters(config, voice)
    found = inspected(config)
    voice.answer({**found.to_dict(), "process_bytes": resident()})
    if not args.json:
        voice.show(found)
        voice.show(f"this process, with torch and without data: {resident() / 1e6:.0f} MB")


def show_parameters(config: RunConfig, voice: Voice) -> None:
    """Name, shape and size of every parameter."""
    shape, bits = expected_shape(config)
    parameters = {name: tuple(w.shape) for name, w in built(config.model, shape, bits).named_parameters()}
    voice.answer({"parameters": {name: list(size) for name, size in parameters.items()}})
    if not voice.machine:
        voice.show("\n".join(f"{name}  {'x'.join(map(str, size)) or 'scalar'}" for name, size in parameters.items()))


def inspected(config: RunConfig) -> Any:
    """The inspection of what a configuration would train, in the micro-batches that one process would take."""
    from hvae.inspection import inspect
    from hvae.objectives import build as objective

    shape, bits = expected_shape(config)
    train, goal = config.train, config.objective
    processes = train.nodes * (train.devices if isinstance(train.devices, int) else 1)
    return inspect(
        built(config.model, shape, bits),
        ceil(train.batch / train.accumulate / processes),
        # Filters of the rates weigh nothing, and may name levels that are about to be changed.
        objective=objective(ObjectiveConfig(kind=goal.kind, samples=goal.samples)),
        precision=train.precision,
        device=device_of(config),
    )


def resident() -> int:
    """Bytes of memory that this process holds now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as f:
            pages = int(f.read().split()[1])
    except OSError:
        return 0
    import resource

    return pages * resource.getpagesize()
