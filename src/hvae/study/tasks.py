"""What can be restored, and the pictures that it is restored from, as observations of a model's data.

Shapes: `N` pictures; `C H W` a picture; `...` a datum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.config.model import NOISES
from hvae.errors import HvaeError, short, unknown
from hvae.screen.numbers import counted, left_out, output_noun
from hvae.study.asked import Asked, array, channelled, formed, observed, whole
from hvae.study.conditions import complete, meanings, numbers
from hvae.study.images import is_split, without_chance
from hvae.study.masks import advice, checked, hidden
from hvae.study.tables import Gaps, gaps, is_mixed, own_gaps

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.condition import Context
    from hvae.restoration import Observation, Tiling
    from hvae.runs.images import InputImages

OWN = "own"
"""The noise that a run's own likelihood is."""
CLOSE = 0.01
"""How far, in units of data in [0, 1], an enlarged or coloured picture may be from what is seen: 2.5 of 255."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """What is seen of N data, the whole ones where they are known, and what else to know.

    `tiling`, how pictures of another size than the model's are restored; `table`, where the data are one.
    """

    observation: Observation
    context: Context
    truth: Tensor | None = None
    notes: tuple[str, ...] = ()
    tiling: Tiling | None = None
    table: Gaps | None = None


def task(run: LoadedRun, request: Asked) -> Task:
    """The observations of a request.  Raises HvaeError for what does not belong to its task or cannot be."""
    if request.task not in TASKS:
        raise unknown("task", request.task, TASKS)
    for option in ("mask", "noise", "factor"):
        if getattr(request, option) is not None and option not in _OPTIONS[request.task]:
            needs = " or ".join(f"--{one}" for one in _OPTIONS[request.task]) or "nothing more"
            raise HvaeError(f"--{option} is not for {request.task}, which takes {needs}; leave it out")
    return TASKS[request.task](run, request)


def _gaps(run: LoadedRun, request: Asked) -> Task:
    """Hidden values: by a mask, or NaN in an array."""
    import torch

    from hvae.restoration import Cells, Seen

    noun = output_noun(run.noun)
    table = None if is_split(request.data) else gaps(run, request.data, request.number)
    read = None if is_split(request.data) else array(request.data, request.number)
    floats = table.values() if table else None if read is None else channelled(read.values, run.model.shape)
    missing = None if floats is None or not bool(floats.isnan().any()) else floats.isnan()
    zeros = None if floats is None or not (table or missing is not None) else floats.masked_fill(floats.isnan(), 0.0)
    # Files without gaps are rounded too; what is in memory has the levels of the model already.
    is_file = zeros is not None and not table and isinstance(request.data, str | Path)
    source = request.data if zeros is None else zeros
    if zeros is not None and is_file:
        source = _rounded(formed(zeros, run.model.shape), run.bits)
    inputs = whole(run, request, source)
    datum = without_chance(inputs).batch(range(len(inputs.split)))
    missing = missing if datum.observed is None else ~datum.observed
    if request.mask is None and missing is None:
        raise HvaeError(f"--task {request.task} needs what is hidden: {advice(noun)}")
    lost = torch.zeros_like(datum.x, dtype=torch.bool) if missing is None else missing[: len(datum)]
    if request.mask is not None:
        lost = lost | hidden(request.mask, len(datum), run.model.shape, request.seed, noun)
    kind, truth = (Cells, None) if is_mixed(run) else (Seen, datum.x if missing is None else None)
    return Task(
        observation=kind(datum.x, ~checked(lost, "--mask" if missing is None else "what is missing", noun)),
        context={name: datum.context[name] for name in run.model.conditions if name in datum.context},
        truth=truth,
        notes=(
            *inputs.notes(),
            *(table.notes() if table else _rest(inputs, request, read.beyond if read else 0, noun)),
            *(f"floats rounded to {counted(run.bits, 'bit')}",) * is_file,
        ),
        table=table or own_gaps(run, datum.x, ~lost),
    )


def _rest(inputs: InputImages, request: Asked, beyond: int, noun: str) -> tuple[str, ...]:
    """A line on data that -n leaves out, `beyond` of them before they were read; of a split they lie in between."""
    which = "" if is_split(request.data) else "the first "
    return left_out(len(inputs.split), inputs.beyond or beyond, noun, which)


def _rounded(values: Tensor, bits: int) -> Tensor:
    """Values in [0, 1] at the nearest levels of so many bits."""
    return (values.double() * (2**bits - 1)).round().div(2**bits - 1).to(values.dtype)


def _noisy(run: LoadedRun, request: Asked) -> Task:
    from hvae.restoration import Noisy, OwnNoise

    if run.noun == "rows":
        raise HvaeError(
            f"--task denoise: the cells of {run.folder} are those of a table, to which no noise is added; fill what is "
            "missing with --task impute"
        )
    sigma = _sigma(request.noise, "--task denoise needs the standard deviation of the noise: --noise 25/255, or own")
    if sigma is None:
        if request.degrade:
            raise HvaeError("--degrade needs noise of a known size: --noise 25/255")
        return _of_any_size(run, request, lambda y: OwnNoise(y))
    if request.degrade:
        return _linear(run, request, run.model.shape, lambda y: Noisy(y, sigma), sigma)
    return _of_any_size(run, request, lambda y: Noisy(y, sigma))


def _of_any_size(run: LoadedRun, request: Asked, kind: Callable[[Tensor], Observation]) -> Task:
    """Noisy pictures as they are: scaled, their noise would be another one, so larger ones are cut into tiles."""
    from hvae.restoration import Tiling

    shape = tuple(run.model.shape)
    y, notes = observed(run, request, (shape[0], None, None) if len(shape) == 3 else shape)
    values = numbers(run.model, request.context, meanings(run))
    complete(run.model, values)
    same = tuple(y.shape[1:]) == shape
    tiling = None if same else Tiling((y.shape[2], y.shape[3]), (shape[1], shape[2]))
    return Task(observation=kind(y), context=values, notes=notes, tiling=tiling)


def own_noise(run: LoadedRun, name: str) -> str | None:
    """The noise of a run that has learnt from noisy pictures, where that is to be taken out; None of other runs."""
    return OWN if name == "denoise" and run.config.model.likelihood in NOISES else None


def _sigma(noise: str | float | None, advice: str) -> float | None:
    """A standard deviation; None for that of the run's own likelihood.

    >>> _sigma("25/255", ""), _sigma("own", "")
    (0.09803921568627451, None)
    """
    if noise is None:
        raise HvaeError(advice)
    if noise == OWN:
        return None
    above, _, below = str(noise).partition("/")
    try:
        sigma = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise HvaeError(f"--noise: expected a number, a fraction such as 25/255, or own, got {short(noise)}") from None
    if not 0 < sigma <= 1:
        raise HvaeError(
            f"--noise: expected a standard deviation above 0 and up to 1, in units of data in [0, 1], got {noise}; of "
            "pictures of 8 bits write 25/255"
        )
    return sigma


def _close(request: Asked) -> float:
    sigma = _sigma(CLOSE if request.noise is None else request.noise, "")
    if sigma is None:
        raise HvaeError(f"--noise own is for denoise; for {request.task} give a number")
    return sigma


def _small(run: LoadedRun, request: Asked) -> Task:
    from hvae.restoration import Shrunk

    shape, factor, sigma = _pictures(run, request.task), request.factor, _close(request)
    if factor is None:
        raise HvaeError("--task superres needs how many times as large: --factor 2")
    if factor < 2 or shape[1] % factor or shape[2] % factor:
        sides = f"{shape[2]} x {shape[1]}"
        raise HvaeError(f"--factor: expected 2 or more that divides the model's {sides}, got {factor}")
    low = (shape[0], shape[1] // factor, shape[2] // factor)
    return _linear(run, request, low, lambda y: Shrunk(y, sigma, factor))


def _grey(run: LoadedRun, request: Asked) -> Task:
    from hvae.restoration import Grey

    shape, sigma = _pictures(run, request.task), _close(request)
    if shape[0] != 3:
        raise HvaeError(f"--task colour needs a run of colour pictures, got one of shape {shape}; it has no colours")
    return _linear(run, request, (1, *shape[1:]), lambda y: Grey(y, sigma))


def _pictures(run: LoadedRun, name: str) -> tuple[int, ...]:
    shape = tuple(run.model.shape)
    if len(shape) != 3:
        raise HvaeError(f"--task {name} needs a run of pictures (C, H, W), got one of {run.noun} {shape}")
    return shape


def _linear(
    run: LoadedRun, request: Asked, form: Sequence[int], kind: Callable[[Tensor], Observation], sigma: float = 0.0
) -> Task:
    """Observations of one form: pictures that have it, or whole ones that are brought to it, with noise of `sigma`."""
    import torch

    from hvae.restoration import Linear
    from hvae.seeds import noise_seed

    if not request.degrade:
        y, notes = observed(run, request, form)
        values = numbers(run.model, request.context, meanings(run))
        complete(run.model, values)
        return Task(observation=kind(y), context=values, notes=notes)
    inputs = whole(run, request, request.data)
    datum = without_chance(inputs).batch(range(len(inputs.split)))
    operator = kind(torch.zeros(len(datum), *form))
    assert isinstance(operator, Linear)
    y = operator.seen(datum.x)
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(noise_seed(request.seed)))
    values = {name: datum.context[name] for name in run.model.conditions if name in datum.context}
    notes = (*inputs.notes(), *_rest(inputs, request, 0, output_noun(run.noun)))
    return Task(observation=kind(y + sigma * noise), context=values, truth=datum.x, notes=notes)


TASKS: dict[str, Callable[[LoadedRun, Asked], Task]] = {
    "inpaint": _gaps,
    "impute": _gaps,
    "denoise": _noisy,
    "superres": _small,
    "colour": _grey,
}
_OPTIONS: dict[str, tuple[str, ...]] = {
    "inpaint": ("mask",),
    "impute": ("mask",),
    "denoise": ("noise",),
    "superres": ("factor", "noise"),
    "colour": ("noise",),
}
CHAINS = ("inpaint", "impute")
"""The tasks that chains of draws serve: theirs is an exact p(x | z, seen) for every likelihood."""
