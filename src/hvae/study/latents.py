"""Images to latents and back, with a run, through files.

Shapes: `N` images; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.config.run import Overrides
from hvae.counts import whole
from hvae.errors import HvaeError, entries
from hvae.records import JSON
from hvae.runs.columns import pictures_of
from hvae.runs.form import PICTURES, bring, files, in_memory, own
from hvae.runs.images import InputImages
from hvae.screen.numbers import left_out, singular
from hvae.study import sequence_latents
from hvae.study.conditions import by_name, complete, meanings, numbers, under
from hvae.study.decodedfiles import check_form, write_decoded
from hvae.study.featurereading import read_features
from hvae.study.images import is_split, without_chance
from hvae.study.latentfiles import LatentFile, read_arrays_of, write_latents
from hvae.study.places import check_place
from hvae.study.placing import ACCELERATOR, Place, every, place

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.condition import Context
    from hvae.data.sources import Source
    from hvae.draw import Draw
    from hvae.explore.sample import Temperature
    from hvae.runs.images import Change
    from hvae.runs.subject import Tell
    from hvae.site import Pin
    from hvae.study.conditions import Named


@dataclass(frozen=True, eq=False, kw_only=True)
class Encoded:
    """The latents of images, {level: (N, ...)}, or of sequences, (N, ticks, ...) where a level recurs in time.

    `change`, what was done to the images; `notes`, what else to know; `noun`, what was encoded."""

    file: Path
    values: Mapping[Pin, Tensor]
    change: Change | None
    notes: tuple[str, ...]
    noun: str

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae encode --json` gives."""
        from hvae.site import spelled

        return {
            "file": str(self.file),
            "number": len(next(iter(self.values.values()))),
            "levels": [spelled(pin) for pin in self.values],
            "brought": self.change.to_dict() if self.change else None,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Decoded:
    """The pictures (N, C, H, W) of latents, or their sequences (T, ...), and which levels were given."""

    out: Path
    pictures: Tensor | Sequence[Any]
    given: tuple[Pin, ...]
    noun: str

    def to_dict(self) -> JSON:
        """Plain values for JSON: what `hvae decode --json` gives."""
        from hvae.site import spelled

        return {"out": str(self.out), "number": len(self.pictures), "given": [spelled(pin) for pin in self.given]}


def encode_images(
    run: str | Path | LoadedRun,
    data: str | Path | Source,
    out: str | Path,
    *,
    number: int = 100,
    mode: bool = False,
    seed: int = 0,
    context: Named | None = None,
    overrides: Overrides | None = None,
    trust: Sequence[str] = (),
) -> Encoded:
    """Write the latents of images, or of sequences, into an .npz file, which `decode_file` turns back: one array a
    level, of sequences with the ticks of each in NAME_len and the steps of each in `steps`.

    Arguments: `data`, "test", "valid" or "train" for the run's own, a folder, an array file, a data set of the Hugging
    Face hub as "hub:OWNER/NAME", or data in memory in the form of the model; the first `number` of them; `mode`, the
    most probable latents instead of a draw with `seed`; `context` of a conditional model (the labels of the images by
    default); `overrides`, keys of where the data are; `trust`, packages whose code the run may name.  Raises HvaeError
    before any work for what cannot be encoded.
    """
    from hvae import draw, explore
    from hvae.weights import digest

    path = Path(out)
    whole("--number", number, 1)
    whole("--seed", seed)
    if path.suffix != ".npz":
        raise HvaeError(f"--out: expected a file name that ends in .npz, got {path}")
    check_place(path, data)
    where = place(run, overrides, trust)
    how = draw.mode if mode else draw.posterior
    if where.run.model.timed:
        return _encoded_sequences(where, data, path, number, how, seed, entries(context))
    inputs = images(where.run, data, where.overrides, number, entries(context), "encode")
    some, model = without_chance(inputs), where.model()
    datum = some.batch(range(len(some)))
    values = explore.encode(model, datum, draw=how, seed=seed)
    source = str(data) if isinstance(data, str | Path) else inputs.origin.provenance.source
    weights = digest(model.state_dict())
    content = LatentFile(values=values, context=inputs.context, weights=weights, images=source, mode=mode, seed=seed)
    write_latents(path, content)
    noun = where.run.noun
    notes = (*inputs.notes(), *left_out(len(some), inputs.beyond, singular(noun)))
    return Encoded(file=path, values=values, change=inputs.change, notes=notes, noun=noun)


def _encoded_sequences(
    where: Place, data: object, path: Path, number: int, how: Draw, seed: int, context: Named
) -> Encoded:
    from hvae import draw
    from hvae.weights import digest

    sequences, model = sequence_latents.read(where, data, number, context), where.model()
    values, arrays = sequence_latents.encoded(model, sequences, how, seed)
    about = LatentFile(
        values={},
        context=sequences.context,
        weights=digest(model.state_dict()),
        images=str(data),
        mode=how is draw.mode,
        seed=seed,
    )
    write_latents(path, about, arrays)
    notes = (*sequences.notes(), *left_out(len(sequences.split), sequences.beyond, "sequence"))
    return Encoded(file=path, values=values, change=None, notes=notes, noun="sequences")


def decode_file(
    run: str | Path | LoadedRun,
    latents: str | Path,
    out: str | Path,
    *,
    levels: Sequence[str] = (),
    temperature: Temperature = 1.0,
    seed: int = 0,
    context: Named | None = None,
    trust: Sequence[str] = (),
    tell: Tell | None = None,
) -> Decoded:
    """Turn a file of latents back into images: a new folder of PNG files, a .png sheet or an .npy array; of a table
    into its rows, a .csv, .parquet or .npy file; of sequences into a file of their kind, whose data are drawn, for what
    a step is decides what follows it.

    Arguments: `latents`, a file of `encode_images` or `write_features`, or an .npy table (N, D) of features that hold
    `levels` side by side, such as predicted ones; `levels`, of other files those that are taken; `temperature` of the
    levels that the file does not hold, which are drawn with `seed`; `context` of a conditional model (that of the file
    by default); `trust`, packages whose code the run may name; `tell` hears where the latents are those of another
    model.  Raises HvaeError for a file of another form, or latents that do not fit.
    """
    from hvae import explore

    path = Path(out)
    check_place(path, latents)
    where = place(run, {}, trust)
    if where.run.model.timed:
        return _decoded_sequences(where, Path(latents), path, levels, temperature, seed, entries(context), tell)
    check_form(path, where.run)
    content = read_features(Path(latents), levels, where.run.model)
    values = _context(where, content, latents, entries(context), tell)
    model = where.model()
    pictures = explore.decode(model, content.values, context=values, temperature=every(temperature, model), seed=seed)
    write_decoded(path, pictures, where.run)
    return Decoded(out=path, pictures=pictures, given=tuple(content.values), noun=where.run.noun)


def _context(where: Place, content: LatentFile, latents: str | Path, values: Named, tell: Tell | None) -> Context:
    """The context that latents are decoded under: the user's, else that of their file; tells of another model's."""
    from hvae.weights import digest

    model = where.run.model
    if tell and content.weights not in ("", digest(model.state_dict())):
        tell(f"{latents} holds latents of another model than {where.run.folder}; expect no likeness")
    stored = {name: rows for name, rows in content.context.items() if name in model.conditions}
    context = {**stored, **numbers(model, values, meanings(where.run))}
    complete(model, context)
    return context


def _decoded_sequences(
    where: Place,
    latents: Path,
    out: Path,
    levels: Sequence[str],
    temperature: Temperature,
    seed: int,
    context: Named,
    tell: Tell | None,
) -> Decoded:
    arrays, about = read_arrays_of(latents)
    sequence_latents.check_steps(arrays, latents)
    values = _context(where, about, latents, context, tell)
    sequences, pins = sequence_latents.decoded(where, arrays, latents, out, levels, temperature, seed, values)
    return Decoded(out=out, pictures=sequences, given=pins, noun="sequences")


def images(
    run: LoadedRun,
    source: str | Path | Source,
    overrides: Overrides,
    number: int,
    context: Named,
    command: str,
) -> InputImages:
    """A split of the run's data, or the user's images, in the form of the model; the first `number` of them.

    Raises HvaeError, in the name of the `command`, for a dotted key that has nothing to do with reading them.
    """
    for key in overrides:
        if not (is_split(source) and key.startswith("data.")) and key not in (ACCELERATOR, *PICTURES):
            raise HvaeError(f"--{key} is not for {command}; with --data test the place can be told by --data.root")
    if run.model.timed:
        raise HvaeError(f"{command}: {run.folder} is a model of sequences, and images are expected; name one of those")
    values = numbers(run.model, context, meanings(run))
    inputs = under(_read(run, source, overrides), run.model, values)
    return inputs.some(range(min(number, len(inputs.split))))


def _read(run: LoadedRun, source: str | Path | Source, overrides: Overrides) -> InputImages:
    if is_split(source):
        data = pictures_of(run, run.config.override(overrides).data)
        return own(run, data, data, source)
    if not isinstance(source, str | Path):
        return in_memory(run, source)
    config = run.config.override({key: value for key, value in overrides.items() if key in PICTURES})
    changed = replace(run, config=config)
    return by_name(bring(changed, files(changed, str(source))), run.model, meanings(run))
