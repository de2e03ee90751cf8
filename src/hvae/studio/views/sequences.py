"""Sequences whose levels have seeds of their own: to be seen, heard and read.

Shapes: `n` sequences; `T` steps; `...` one step.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hvae.errors import HvaeError
from hvae.records import JSON
from hvae.studio.answer import Answer
from hvae.studio.asked import SequencesAsked
from hvae.studio.lines import call, command, context_words, equivalents, heat_words, python
from hvae.studio.opened import Opened
from hvae.study.sequence_page import RATE, STEP, STRIP
from hvae.study.sequence_samples import form_of

if TYPE_CHECKING:
    from hvae.data.sequences.form import SequenceForm

MOST_STEPS = 200
"""Steps of each sequence where nobody says it."""


class Shown(NamedTuple):
    """One sequence: a picture (3, H, W) or none, a sound file or none, a text or none."""

    picture: Tensor | None = None
    wav: bytes | None = None
    text: str | None = None


def sequences(opened: Opened, query: SequencesAsked) -> Answer:
    """The sequences as pictures, sounds or texts, by their kind."""
    if not opened.model.timed:
        raise HvaeError(f"{opened.name} is a run of {opened.run.noun}; choose one of sequences")
    form, steps = form_of(opened.run), steps_of(opened, query)
    series = opened.grid.series(
        query.seeds,
        query.temperature,
        opened.said(query.context),
        steps=steps,
        seed=query.seed,
        chunk=opened.rows,
    )
    each = [_KINDS[form.kind](one, form, opened.run.bits) for one in series]
    wavs = [base64.b64encode(one.wav).decode("ascii") for one in each if one.wav is not None]
    info: JSON = {
        "kind": form.kind,
        "steps": steps,
        "wavs": wavs,
        "texts": [one.text for one in each if one.text is not None],
        **_equivalents(opened, query, steps),
    }
    pictures = [one.picture for one in each if one.picture is not None]
    return Answer(info, {"sequences": torch.stack(pictures)} if pictures else {})


def steps_of(opened: Opened, query: SequencesAsked) -> int:
    """Of each sequence."""
    return query.steps or min(opened.model.shape[0], MOST_STEPS)


def _roll(x: Tensor, form: SequenceForm, bits: int) -> Shown:
    """Keys over time, low ones at the bottom, and their tones."""
    from hvae.explore.sound import synthesised, wav

    keys = x.numpy()
    sound = wav(synthesised(keys, form.seconds or STEP, form.lowest, RATE), RATE)
    return Shown(_grey(x.T.flip(0)), sound)


def _sound(x: Tensor, form: SequenceForm, bits: int) -> Shown:
    """The envelope of a sound over time, and the sound."""
    from hvae.data.sequences.natural import sound
    from hvae.explore.sound import wav

    samples = sound(x.numpy(), form, bits)
    return Shown(_envelope(np.asarray(samples, np.float64)), wav(samples, form.rate))


def _words(x: Tensor, form: SequenceForm, bits: int) -> Shown:
    from hvae.data.sequences.natural import text

    return Shown(text=text(x.numpy(), form))


def _motion(x: Tensor, form: SequenceForm, bits: int) -> Shown:
    """Each number over time, a row each, from its least to its most."""
    values = x.flatten(1).T
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
    return Shown(_grey((values - low) / (high - low).clamp_min(1e-9)))


def _film(x: Tensor, form: SequenceForm, bits: int) -> Shown:
    """Frames at even distances, side by side."""
    frames = x[:: max(1, len(x) // STRIP)][:STRIP]  # (F, C, H, W)
    strip = torch.cat(list(frames), 2).clamp(0, 1)
    return Shown(strip if len(strip) == 3 else strip.mean(0, keepdim=True).expand(3, -1, -1))


_KINDS: Mapping[str, Callable[[Tensor, SequenceForm, int], Shown]] = {
    "rolls": _roll,
    "audio": _sound,
    "text": _words,
    "motion": _motion,
    "video": _film,
}
HIGH, WIDE = 64, 400
"""Of the picture of a sound."""


def _grey(values: Tensor) -> Tensor:
    return values.float().clamp(0, 1)[None].expand(3, -1, -1)


def _envelope(samples: np.ndarray) -> Tensor:
    """Bars from the least to the most of each piece of a sound, (3, HIGH, WIDE)."""
    pieces = np.array_split(samples / max(1e-9, float(np.abs(samples).max())), WIDE)
    low, high = (np.array([edge(piece) if len(piece) else 0.0 for piece in pieces]) for edge in (np.min, np.max))
    heights = np.linspace(1, -1, HIGH)[:, None]
    return _grey(torch.from_numpy((heights <= high + 1 / HIGH) & (heights >= low - 1 / HIGH)))


def _equivalents(opened: Opened, query: SequencesAsked, steps: int) -> JSON:
    cells = {name: list(seeds) for name, seeds in query.seeds.items()}
    warm = {name: t for name, t in query.temperature.items() if t != 1}
    context = opened.spelled(query.context)
    lines = [
        "from hvae.explore.cells import Grid",
        "",
        f"cells = {cells!r}",
        "series = "
        + call("Grid.of(run.model).series", ["cells"], temperature=warm or None, context=context, steps=steps)[:-1]
        + f", seed={query.seed})",
    ]
    words = [
        "hvae",
        "sample",
        str(opened.run.folder),
        "-n",
        str(len(next(iter(cells.values())))),
        "--steps",
        str(steps),
    ]
    line = command(*words, *heat_words(query.temperature), *context_words(query.context))
    return equivalents(line, python(opened.run.folder, *lines), "the command draws with other noise")
