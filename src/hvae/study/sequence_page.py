"""What the page of a run of sequences shows: samples and what latents keep, to be seen, heard and read.

Shapes: `T` steps; `...` one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hvae.reporting.data import Passage, Picture, Section
from hvae.study.conditions import LABEL

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import SequenceData
    from hvae.data.sequences.form import SequenceForm
    from hvae.data.sequences.skeleton import Skeleton
    from hvae.explore.theme import Theme
    from hvae.runs.subject import Subject
    from hvae.study.progress import Tick
    from hvae.walk import Model

Array = np.ndarray
SAMPLES, REDRAWN, TEXTS = 3, 2, 12
MOST_STEPS = 400
"""Steps of a sample on a page, at most."""
RATE, STEP = 8_000, 0.25
"""Samples a second of tones on a page, which holds them whole; seconds a step where nothing says it."""
DENSE = 1.5
KEPT = "A test sequence, and what its latents alone keep of it: they are inferred, and its data are drawn anew."
MADE = "Latents and data drawn step by step; the model is shown nothing."


def exhibits(subject: Subject, data: SequenceData, tick: Tick) -> tuple[list[Picture], list[Passage]]:
    """Samples, and some test sequences with what their latents keep."""
    form, bits, model = data.form, data.bits, subject.run.model
    if form.kind not in DRAWERS and form.kind != "text":
        return [], []
    many = TEXTS if form.kind == "text" else SAMPLES
    labels = _labels(model, many)
    samples = _samples(model, subject, labels, many)
    tick(1, 2)
    pairs = [] if subject.no_data() else list(_pairs(model, subject, min(many, REDRAWN)))
    tick(2, 2)
    if form.kind == "text":
        return [], _passages(samples, pairs, form)
    words = [f"{MADE}  Its class: {_title(data, k)}." for k in labels] or [MADE] * len(samples)
    pictures = [
        _picture(f"Sample {n}", caption, one, "samples", form, bits)
        for n, (caption, one) in enumerate(zip(words, samples, strict=True), 1)
    ]
    for n, both in enumerate(pairs, 1):
        again = (f"Sequence {n}", f"Sequence {n}, drawn anew")
        pictures += [_picture(t, KEPT, one, "reconstruction", form, bits) for t, one in zip(again, both, strict=True)]
    return pictures, []


def _labels(model: Model, most: int) -> list[int]:
    """A class for each sample of a model that is told one: each of them, up to ten."""
    condition = model.conditions.get(LABEL)
    return [] if condition is None else [k % condition.classes for k in range(max(most, min(condition.classes, 10)))]


def _title(data: SequenceData, k: int) -> str:
    return data.classes[k] if k < len(data.classes) else str(k)


def _samples(model: Model, subject: Subject, labels: Sequence[int], n: int) -> list[Array]:
    """Samples of each class, and of other conditions those of the data."""
    import torch

    from hvae.explore.frame import context_of
    from hvae.explore.sequences import generate

    n = len(labels) or n
    context: dict[str, Tensor] = {}
    if model.conditions and not subject.no_data():
        context = context_of(model, subject.split.batch([row % len(subject.split) for row in range(n)]))
    context = {**context, **({LABEL: torch.tensor(labels)} if labels else {})}
    return list(generate(model, n, min(model.shape[0], MOST_STEPS), context=context, seed=subject.config.seed).numpy())


def _pairs(model: Model, subject: Subject, count: int) -> Iterator[tuple[Array, Array]]:
    """Sequences as they are, and drawn from their latents."""
    from hvae.explore.frame import context_of
    from hvae.explore.sequences import redrawn

    for index in range(min(count, len(subject.split))):
        datum = subject.split.batch([index])
        x = datum.x[0, :MOST_STEPS]
        context = context_of(model, datum)
        yield x.numpy(), redrawn(model, x, context=context, seed=subject.config.seed).numpy()


def _passages(sequences: list[Array], pairs: list[tuple[Array, Array]], form: SequenceForm) -> list[Passage]:
    from hvae.data.sequences.natural import text

    samples = "\n".join(text(one, form) for one in sequences)
    both = "\n\n".join(f"{text(before, form)}\n{text(after, form)}" for before, after in pairs)
    passages = [Passage(title="Samples", caption=MADE, text=samples, section="samples")]
    latents = Passage(title="What the latents keep", caption=KEPT, text=both, section="reconstruction")
    return [*passages, *[latents] * bool(pairs)]


def _picture(title: str, caption: str, x: Array, section: Section, form: SequenceForm, bits: int) -> Picture:
    name = title.lower().replace(",", "").replace(" ", "-")
    return DRAWERS[form.kind](x, form, bits)(title, caption, f"{name}.png", section)


Made = Callable[[str, str, str, Section], Picture]


def _roll(x: Array, form: SequenceForm, bits: int) -> Made:
    from hvae.explore.sequence_charts import roll_picture
    from hvae.explore.sound import notes, synthesised, wav

    sound = wav(synthesised(x, form.seconds or STEP, form.lowest, RATE), RATE)
    alt = f"A piano roll of {len(x)} frames and {len(notes(x))} notes."
    return lambda title, caption, filename, section: Picture(
        title=title,
        caption=caption,
        png=roll_picture(x),
        filename=filename,
        section=section,
        alt=alt,
        wav=sound,
    )


def _sound(x: Array, form: SequenceForm, bits: int) -> Made:
    from hvae.data.sequences.natural import sound
    from hvae.explore.sequence_charts import sound_picture
    from hvae.explore.sound import wav

    samples = sound(x, form, bits)
    alt = f"A waveform and its spectrogram, {len(samples) / form.rate:.1f} seconds."
    return _chart(lambda theme: sound_picture(samples, form.rate, theme), alt, wav=wav(samples, form.rate))


def _motion(x: Array, form: SequenceForm, bits: int) -> Made:
    from hvae.data.sequences.natural import motion
    from hvae.explore.sequence_charts import motion_picture

    values = motion(x, form)
    if form.skeleton is not None:
        return _body(form.skeleton, values)
    alt = f"Curves of {values.shape[1]} numbers over {len(values)} steps."
    note = " The numbers that vary most, in their own units; no skeleton came with the data."
    return _chart(lambda theme: motion_picture(values, theme), alt, note)


def _body(skeleton: Skeleton, values: Array) -> Made:
    from hvae.explore.sticks import stick_picture

    joints = skeleton.positions(values)
    alt = f"Stick figures of {joints.shape[1]} joints over {len(values)} steps."
    note = " Figures at even distances in time, from the side on which they are widest."
    return _chart(lambda theme: stick_picture(joints, skeleton.parents, theme), alt, note)


def _chart(draw: Callable[[Theme], bytes], alt: str, note: str = "", wav: bytes | None = None) -> Made:
    """A chart in light and in dark."""
    from hvae.explore.theme import DARK, LIGHT

    return lambda title, caption, filename, section: Picture(
        title=title,
        caption=caption + note,
        png=draw(LIGHT),
        dark=draw(DARK),
        filename=filename,
        section=section,
        alt=alt,
        dense=DENSE,
        wav=wav,
    )


def _film(x: Array, form: SequenceForm, bits: int) -> Made:
    import torch

    from hvae.explore.tiles import grid

    strip = torch.as_tensor(x[:: max(1, len(x) // STRIP)][:STRIP]).clamp(0, 1)[None]  # (1, frames, C, H, W)
    return lambda title, caption, filename, section: Picture(
        title=title,
        caption=f"{caption} Frames at even distances.",
        png=grid(strip),
        filename=filename,
        section=section,
        alt=f"A strip of {strip.shape[1]} of {len(x)} frames.",
    )


STRIP = 10
DRAWERS: Mapping[str, Callable[[Array, SequenceForm, int], Made]] = {
    "rolls": _roll,
    "audio": _sound,
    "motion": _motion,
    "video": _film,
}
