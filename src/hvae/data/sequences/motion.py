r"""Motion and other real-valued series, standardised by what the training steps say of each number.

$$x_d = (v_d - m_d) / s_d, \qquad m_d, s_d \text{ mean and standard deviation over all training steps}$$

Likelihoods are densities of x: those of v are \(\sum_d \ln s_d\) nats a step lower, which the record's scale tells.
Numbers that never change in training have no density and are left out; their value is their mean.

Shapes: `T` steps; `V` numbers a step as found; `D` those of them that vary.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hvae.config.data import DataConfig
from hvae.data.formats import check_commas, read_archive
from hvae.data.sequences.bvh import SUFFIX as BVH
from hvae.data.sequences.bvh import Motion, motions
from hvae.data.sequences.folder import Readable, read_each
from hvae.data.sequences.form import SequenceForm
from hvae.data.sequences.raw import RawSequences, SequencePart, joined
from hvae.data.sequences.rolls import by_split, listed
from hvae.data.sequences.skeleton import Skeleton
from hvae.data.tally import Tally
from hvae.data.transforms import Array
from hvae.errors import HvaeError
from hvae.files import read_regular

LEAST_SCALE = 1e-6
"""Standard deviation from which a number counts as one that varies, relative to its size where that is above 1."""
LARGEST_NUMBER = 1e30
"""From here squares, and what is divided by the least scale, would leave the numbers that memory holds."""
LARGEST = 1 << 30
Named = Mapping[str, tuple[Sequence[Array], Sequence[str]]]
"""Series by split, with their names."""


def mocap_npz(folder: Path) -> RawSequences:
    """The 25 sequences of CMU's: the fourth of each action validates, the fifth is the test.

    Each file begins with one frame of the same pose, by which markers are fitted to the skeleton, and leaps from there
    into the recording: four fifths of the variance of all velocities were those leaps.
    """
    path = folder / "cmu_mocap_expmap_train.npz"
    arrays = {name: array[1:] if array.ndim else array for name, array in read_archive(path).items()}
    titles = {"valid": "_4", "test": "_5"}
    parts = {s: {n: a for n, a in arrays.items() if n.endswith(end)} for s, end in titles.items()}
    rest = {n: a for n, a in arrays.items() if not n.endswith(tuple(titles.values()))}
    listing = ", ".join(f"{split} {' '.join(sorted(some))}" for split, some in parts.items())
    arrays_of = {split: (list(some.values()), list(some)) for split, some in {"train": rest, **parts}.items()}
    return series(
        arrays_of, str(path), notes=("without the first frame of each, a pose of calibration", f"held out: {listing}")
    )


def strokes_npz(folder: Path) -> RawSequences:
    """Omniglot's pen strokes: how far the pen goes to the right and down, and whether it is lifted after that."""
    path = folder / "omniglot_strokes_flat.npz"
    splits = by_split(listed(read_archive(path), str(path)))
    arrays_of: Named = {split: (some, []) for split, some in splits.items()}
    return series(arrays_of, str(path), notes=("the pen's lift, 0 or 1, is standardised as the other numbers are",))


def read_motion(path: Path, config: DataConfig) -> RawSequences:
    """A user's own: .bvh files, an .npz (as for piano rolls), a .csv of numbers (a row a step), or a folder of such."""
    if is_bvh(path):
        return _bodies(motions(path, config.bad), str(path))
    arrays_of, tally = tables(path, config)
    return replace(series(arrays_of, str(path)), tally=tally)


def is_bvh(path: Path) -> bool:
    """Whether a place holds bodies that move: a .bvh file, or a folder with one."""
    return path.suffix.lower() == BVH or (path.is_dir() and any(f.suffix.lower() == BVH for f in path.rglob("*")))


def check_body(motion: Motion, skeleton: Skeleton | None, path: Path) -> None:
    """Raises HvaeError for a recording of other joints or channels than a skeleton that is known."""
    if skeleton is not None and not skeleton.is_like(motion.skeleton):
        raise HvaeError(f"{path}: expected the joints and channels of this run's data, got others; convert it")


def _bodies(readable: Readable[Motion], where: str) -> RawSequences:
    first, others = readable.content[0], readable.content[1:]
    lengths = any(other.skeleton != first.skeleton for other in others)
    notes = ["rotations unwrapped", *[f"figures have the bones of {readable.names[0]}"] * lengths]
    values = {"train": ([one.values for one in readable.content], readable.names)}
    raw = series(values, where, first.seconds, tuple(notes))
    return replace(raw, form=replace(raw.form, skeleton=first.skeleton), tally=readable.tally)


def tables(path: Path, config: DataConfig, skeleton: Skeleton | None = None) -> tuple[Named, Tally]:
    """The series of a user's file or folder in their own units; `data.bad` says what becomes of damaged files.

    Raises HvaeError for bodies other than `skeleton`, where one is known.
    """
    if is_bvh(path):
        bodies = motions(path, config.bad)
        check_body(bodies.content[0], skeleton, path)
        return {"train": ([one.values for one in bodies.content], bodies.names)}, bodies.tally
    if path.is_dir() or path.suffix == ".csv":
        readable = read_each(path, (".csv",), table, config.bad, len, lambda rows: f"{rows.shape[1]} columns")
        return {"train": (readable.content, readable.names)}, readable.tally
    members = listed(read_archive(path), str(path))
    members_of = by_split(members)
    if "train" in members_of:
        return {split: (list(some), []) for split, some in members_of.items()}, Tally()
    loose = [(name, one) for name, some in members.items() for one in some]
    return {"train": ([one for _, one in loose], [name for name, _ in loose])}, Tally()


def table(path: Path) -> Array:
    """The numbers of a .csv file, (T, V); a first line of names alone is passed over."""
    text = read_regular(path, LARGEST).decode("utf-8-sig", errors="replace")
    first, _, rest = text.partition("\n")
    body = text if any(map(_is_number, first.split(","))) else rest
    if not body.strip():
        raise HvaeError(f"{path}: expected rows of numbers with commas between them, got no numbers")
    try:
        return np.loadtxt(io.StringIO(body), delimiter=",", ndmin=2, dtype=np.float64)
    except ValueError as fault:
        check_commas(body.replace(",", "."), path)  # the other mark stands between numbers with decimal commas too
        raise HvaeError(f"{path}: expected rows of numbers with commas between them ({str(fault)[:100]})") from fault


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def series(
    tables_of: Named,
    where: str,
    seconds: float = 0.0,
    notes: tuple[str, ...] = (),
) -> RawSequences:
    """Series of real numbers by split, with their names, standardised."""
    parts = {split: checked(some, names, where) for split, (some, names) in tables_of.items()}
    train = parts["train"].levels
    for split, part in parts.items():
        if part.levels.shape[1:] != train.shape[1:]:
            raise HvaeError(
                f"{where}: expected {train.shape[1]} numbers a step, as in train, got {part.levels.shape[1]} in "
                f"{split}; bring them to one form"
            )
    mean, scale = train.mean(0), train.std(0)
    scale[scale < LEAST_SCALE * np.maximum(1.0, np.abs(mean))] = 0.0
    if not scale.any():
        raise HvaeError(f"{where}: expected numbers that change with time, got constants; check the columns")
    constant = int((scale == 0).sum())
    left = [f"{constant} of {len(scale)} numbers a step never change in training and are left out"] * (constant > 0)
    return RawSequences(
        parts={split: _standardised(part, mean, scale) for split, part in parts.items()},
        bits=0,
        unit=1.0,
        form=SequenceForm(
            kind="motion", step="frame", seconds=seconds, mean=tuple(mean.tolist()), scale=tuple(scale.tolist())
        ),
        transforms=("standardised by the training steps (their mean and scale are recorded)", *left, *notes),
    )


def standardised(values: Array, mean: Array, scale: Array) -> Array:
    """Steps (T, V) as a model takes them, (T, D) float32.

    >>> standardised(np.array([[3.0, 7.0]]), np.array([1.0, 7.0]), np.array([2.0, 0.0]))
    array([[1.]], dtype=float32)
    """
    varies = scale > 0
    return ((values[:, varies] - mean[varies]) / scale[varies]).astype(np.float32)


def restored(x: Array, mean: Array, scale: Array) -> Array:
    """The inverse of `standardised`, (..., D) to (..., V)."""
    whole = np.broadcast_to(mean, (*x.shape[:-1], len(mean))).copy()
    whole[..., scale > 0] += x * scale[scale > 0]
    return whole


def _standardised(part: SequencePart, mean: Array, scale: Array) -> SequencePart:
    return SequencePart(standardised(part.levels, mean, scale), part.lengths, part.labels, part.files)


def checked(some: Sequence[Array], names: Sequence[str], where: str) -> SequencePart:
    """Series (T, V) as one part, float64.  Raises HvaeError for anything but numbers."""
    return joined([_checked(one, where) for one in some], where, names=names)


def _checked(array: Array, where: str) -> Array:
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise HvaeError(f"{where}: expected numbers (T, values), got {array.dtype} of shape {array.shape}")
    small = np.abs(array.astype(np.float64)) < LARGEST_NUMBER  # False for NaN
    if not small.all():
        row = int((~small).any(1).argmax())
        raise HvaeError(
            f"{where}: expected finite numbers below {LARGEST_NUMBER:g}, got others in step {row:,}; fill them in or "
            "cut there"
        )
    return array.astype(np.float64)
