"""Sequences to one small file, with the model of a run, and back: what compression is where a run has time.

Shapes: `N` samples of a recording; `T` steps; `S` values a step.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hvae.coding import Series, SeriesCodec, SoundCodec
from hvae.coding.files.series import squeezed
from hvae.data import SequenceData, SequenceSplit, load_any
from hvae.data.sequences.audio import sounds_of, to_levels
from hvae.data.sequences.like import parts_like
from hvae.data.sequences.raw import SequencePart
from hvae.errors import HvaeError
from hvae.files import expanded, making, open_regular, replacing
from hvae.runs.sequences import form_of
from hvae.study.conditions import Named, complete, meanings, numbers
from hvae.study.inputs import BAD, Source, is_split
from hvae.study.places import free_name, safe
from hvae.study.progress import Tell
from hvae.study.sequence_files import as_archive

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.data.sequences.form import SequenceForm

EXACT = (8, 16)
"""Bits of a WAV file that this program reads and writes to the bit."""
ARCHIVES = (".npz", ".npy", ".mat")


@dataclass(frozen=True, eq=False)
class Given:
    """Sequences to compress; of how many files, and the bytes of those."""

    series: Sequence[Series]
    files: int = 0
    size: int = 0


def codec_of(run: LoadedRun, place: str, context: Named) -> SeriesCodec:
    """The codec that a run is.  Raises HvaeError for a context that does not fit, and for real numbers."""
    form = form_of(run)
    values = numbers(run.model, context, meanings(run))
    complete(run.model, values)
    return SeriesCodec(
        run.model,
        bits=run.bits,
        symbols=len(form.symbols) or None,
        unit=1.0 if form.symbols else None,
        description={key: run.description[key] for key in ("config", "shape", "bits")},
        run=place,
        context=values,
    )


def sound_codec_of(run: LoadedRun, place: str, context: Named) -> SoundCodec:
    """The lossy codec that a run on sound is.  Raises HvaeError for a context that does not fit."""
    values = numbers(run.model, context, meanings(run))
    complete(run.model, values)
    return SoundCodec(
        run.model,
        bits=run.bits,
        description={key: run.description[key] for key in ("config", "shape", "bits")},
        run=place,
        context=values,
    )


def gathered(
    sources: Iterable[Source], run: LoadedRun, number: int | None, data: Mapping[str, str], tell: Tell
) -> Given:
    """The sequences of all inputs; of the run's own data, which `data` may redirect, the first `number`.

    Raises HvaeError for inputs that are not there, and for those that would not come back as they are.
    """
    parts = [_read(source, run, number, data, tell) for source in sources]
    series = [one for part in parts for one in part.series]
    # Where some have no files, bytes of files would be those of others.
    if not all(part.files for part in parts):
        return Given(series)
    return Given(series, sum(part.files for part in parts), sum(part.size for part in parts))


def _read(source: Source, run: LoadedRun, number: int | None, data: Mapping[str, str], tell: Tell) -> Given:
    return _own(source, run, number, data) if is_split(source) else _files(source, run, data, tell)


def _own(source: object, run: LoadedRun, number: int | None, data: Mapping[str, str]) -> Given:
    data_set = load_any(run.config.override(data).data)
    if not isinstance(data_set, SequenceData):
        raise HvaeError(f"{run.folder} says that its data are images, and its model is of sequences")
    run.check_form(data_set.shape, data_set.bits, data_set.provenance.name)
    split: SequenceSplit = getattr(data_set, str(source))
    if not len(split):
        raise HvaeError(f"the run's data have no {source} split; name another one")
    names = split.names() or [str(source)] * len(split)
    count = min(number or len(split), len(split))
    return Given([Series(names[i], split.levels(i).numpy().astype(np.int32)) for i in range(count)])


def _files(source: object, run: LoadedRun, data: Mapping[str, str], tell: Tell) -> Given:
    if not isinstance(source, str | Path):
        raise HvaeError(f"expected places of sequences to compress, got {type(source).__name__}; save it as .npz")
    path, form = expanded(source), form_of(run)
    if not path.exists():
        raise HvaeError(f"nothing at {source}; expected a file or folder of {form.kind}, or test, valid or train")
    bad = data.get(BAD, "stop")
    if form.kind == "audio":
        return _sounds(path, form, run.bits, bad, tell)
    if form.kind not in ("rolls", "video") or path.suffix not in ARCHIVES:
        raise HvaeError(
            f"{source}: expected {', '.join(ARCHIVES)} of piano rolls or films, or .wav of sound, which come back as "
            f"they are; other files of {form.kind} would not: compress the run's own test, valid or train"
        )
    parts = parts_like(path, form, run.bits, run.config.data).parts
    series = [Series(path.name, one) for part in parts.values() for one in _apart(part)]
    if series[0].levels.shape[1:] != tuple(run.model.shape[1:]):
        raise HvaeError(f"{path}: expected steps of {run.model.shape[1:]}, got {series[0].levels.shape[1:]}")
    return Given(series, 1, path.stat().st_size)


def _apart(part: SequencePart) -> list[np.ndarray]:
    return np.split(part.levels.astype(np.int32), np.cumsum(part.lengths)[:-1])


def _sounds(path: Path, form: SequenceForm, bits: int, bad: str, tell: Tell) -> Given:
    if not is_exact(form, bits):
        raise HvaeError(
            f"{path}: this run hears {bits} bits by the {form.law} law, from which no file comes back; train one of "
            f"{EXACT[0]} or {EXACT[1]} bits with data.law=linear"
        )
    readable = sounds_of(path, bad)
    if readable.tally.remarks():
        tell(str(readable.tally))
    for sound in readable.content:
        stored = _stored_bits((path / sound.name) if path.is_dir() else path)
        if (sound.rate, stored) != (form.rate, bits):
            raise HvaeError(
                f"{sound.name}: expected a WAV file of {bits} bits and {form.rate:,} samples a second, got "
                f"{stored or 'another kind'} and {sound.rate:,}; it would not come back as it is"
            )
    size = sum(((path / s.name) if path.is_dir() else path).stat().st_size for s in readable.content)
    series = [_filled(s.name, to_levels(s.samples, bits, form.law), form.frame) for s in readable.content]
    return Given(series, len(series), size)


def _stored_bits(file: Path) -> int:
    """Bits of a sample of a WAV file of whole numbers; 0 of any other file."""
    try:
        with open_regular(file) as content, wave.open(content) as sound:
            return 8 * sound.getsampwidth()
    except (wave.Error, EOFError):
        return 0


def _filled(name: str, levels: np.ndarray, frame: int) -> Series:
    """Samples (N,) as whole frames (T, S); what fills the last one repeats the last sample, and is taken off again."""
    more = -len(levels) % frame
    return Series(name, np.pad(levels, (0, more), mode="edge").astype(np.int32).reshape(-1, frame), more)


def is_exact(form: SequenceForm, bits: int) -> bool:
    """Whether sound of this form is that of a WAV file, to the bit."""
    return form.kind == "audio" and form.law == "linear" and bits in EXACT


def rivals(inputs: Given, form: SequenceForm, bits: int) -> dict[str, int]:
    """Bytes of the same sequences in other lossless formats: all of them deflated, and a FLAC file each of sound."""
    from hvae.study.measures.baselines import flac

    sizes_by_format = {"zlib": len(squeezed([one.levels for one in inputs.series], bits))}
    if is_exact(form, bits):
        sizes = [flac(one.samples(), form.rate, bits) for one in inputs.series]
        sizes_by_format |= {"flac": sum(size for size in sizes if size)} if all(sizes) else {}
    return sizes_by_format


def check_destination(out: Path, form: SequenceForm, bits: int, count: int) -> None:
    """Raises HvaeError, before any work, unless what will come out can go there."""
    suffix = out.suffix.lower()
    ends = (".npz", ".wav") if is_exact(form, bits) and count == 1 else (".npz",)
    is_folder = is_exact(form, bits) and not suffix
    if suffix not in ends and not is_folder:
        more = ", or a new folder for a .wav each" if is_exact(form, bits) else ""
        raise HvaeError(f"expected a file that ends in {' or '.join(ends)}{more} for {count:,} sequences, got {out}")
    if out.exists() and not (is_folder and out.is_dir() and not any(out.iterdir())):
        raise HvaeError(f"{out} already exists; name a new file or folder")


def write_series(series: Sequence[Series], out: Path, form: SequenceForm, bits: int) -> list[Path]:
    """Sequences into an .npz of their levels, as hvae sample names them, or a WAV file each."""
    if out.suffix.lower() == ".npz":
        kind = np.uint8 if bits <= 8 else np.int32
        with replacing(out) as temporary:
            temporary.write_bytes(as_archive([one.whole().astype(kind) for one in series]))
        return [out]
    if out.suffix.lower() == ".wav":
        with replacing(out) as temporary:
            temporary.write_bytes(wav_of(series[0], form.rate, bits))
        return [out]
    files = []
    with making(out) as folder:
        for i, one in enumerate(series):
            name = free_name(folder, safe(one.name, ".wav", i), i)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(wav_of(one, form.rate, bits))
            files.append(out / name)
    return files


def wav_of(one: Series, rate: int, bits: int) -> bytes:
    """A recording as a WAV file of its own bits."""
    samples, content = one.samples(), io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(bits // 8)
        file.setframerate(rate)
        # Eight bits are stored from 0 on, sixteen around 0.
        file.writeframes((samples.astype(np.uint8) if bits == 8 else (samples - 2**15).astype("<i2")).tobytes())
    return content.getvalue()
