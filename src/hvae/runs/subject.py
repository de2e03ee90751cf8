"""A trained model with the data it is judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hvae import pretrained
from hvae.config.evaluate import EvaluateConfig
from hvae.config.run import SECTIONS, Overrides, RunConfig
from hvae.errors import HvaeError, unknown
from hvae.runs.columns import data_of
from hvae.runs.protocol import read_by
from hvae.runs.words import words_of
from hvae.trust import NOBODY, Trust

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data import Data, ImageData, SequenceSplit, Split
    from hvae.datum import Datum
    from hvae.walk import Model

Tell = Callable[[str], None]
"""Hears a line on how it is going."""
FREE = (
    "data.root",
    "data.path",
    "data.attributes",
    "data.captions",
    "data.download",
    "data.bad",
    "data.pages",
    "train.accelerator",
    "evaluate.",
)
MOST_ROWS, MOST_BYTES = 1024, 2**30
KEPT_TENSORS = 6
"""A walk keeps the location and scale of p and of q, a value and its noise for each latent dimension."""
AT_WORK = 3
"""A layer at work has its input, its output and room for its product, which for frames of films are most of all."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model with the data it is judged on."""

    run: LoadedRun
    data: Data
    unlike: tuple[str, ...] = ()
    """What of the data is not as it was in training."""
    trust: Trust = NOBODY
    """Whose code may run, where the run names some."""

    @property
    def config(self) -> EvaluateConfig:
        return self.run.config.evaluate

    @property
    def split(self) -> Split | SequenceSplit:
        """The split that is scored, in a fixed random order and cut to the limit.

        Known test sets are sorted by class or by writer: their first thousand stand for nothing.  Raises HvaeError
        where it has no data.
        """
        import torch

        split: Split | SequenceSplit = getattr(self.data, self.config.split)
        if line := self.no_data():
            raise HvaeError(line)
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[: self.config.limit or None]
        return split.some(order)

    @property
    def images(self) -> ImageData:
        """The data, which must be images.  Raises HvaeError where they are sequences."""
        from hvae.data import ImageData

        if not isinstance(self.data, ImageData):
            raise HvaeError(f"{self.run.folder} is a model of sequences, and images are expected; name a run of images")
        return self.data

    def no_data(self) -> str:
        """Why there is nothing to score; empty when there is."""
        part: str = self.config.split
        if len(getattr(self.data, part)):
            return ""
        own = f"give data with a part {part} of their own" if "imported" in self.run.description else ""
        return f"no {part} data to evaluate on; {own or f'set data.{part} above 0'}"


class Batches:
    """A split in batches, with a length: progress can tell how much is left."""

    def __init__(self, split: Split | SequenceSplit, size: int) -> None:
        self.split, self.size = split, size

    def __len__(self) -> int:
        return -(-len(self.split) // self.size)

    def __iter__(self) -> Iterator[Datum]:
        return self.split.batches(self.size)


def open_run(run: str | Path | LoadedRun, overrides: Overrides, tell: Tell, trust: Trust = NOBODY) -> Subject:
    """A run and its data; `trust` says whose code it may name, `tell` hears where the data are not those of before.

    A folder's model goes to the device that its configuration means; a loaded one stays where it is.  Raises HvaeError
    when a key would make it another run, or the data are not its data.
    """
    from hvae.data import Provenance, differences

    for key in overrides:
        if not key.startswith(FREE):
            raise _fixed(key)
    run = _placed(run, overrides)
    data = data_of(run, run.config.data)
    run.check_form(data.shape, data.bits, data.provenance.name)
    record = run.description["data"]
    unlike = differences(Provenance.from_dict(record), data.provenance) if record else []
    if unlike:
        tell(f"these are not the data of the training: {', '.join(unlike)} differ; do not compare the numbers")
    # What the words of other captions are is no business of the model, which knows those of its own.
    return Subject(run, data.spelled(words_of(run)), tuple(unlike), trust)


def _fixed(key: str) -> HvaeError:
    """The error for a key that cannot change once a run is trained: one of its training, or none at all."""
    if key.partition(".")[0] not in SECTIONS:
        keys = [*FREE[:-1], *(f"evaluate.{field.name}" for field in fields(EvaluateConfig))]
        return unknown("key", key, keys, "hvae evaluate --help")
    return HvaeError(f"--{key} belongs to the training; afterwards only {', '.join(FREE)}KEY can change")


def check_own(run: str | Path | LoadedRun, command: str) -> None:
    """Raises HvaeError, before anything takes time, where `command` would write beside a packaged model."""
    from hvae.checkpoints import LoadedRun

    if not isinstance(run, LoadedRun):
        pretrained.check_own(run, command)
    elif run.is_packaged:
        pretrained.check_own(run.folder, command)


def _placed(run: str | Path | LoadedRun, overrides: Overrides) -> LoadedRun:
    """The run with the changed keys, its weights read by its protocol, on its device."""
    from hvae.checkpoints import LoadedRun, load
    from hvae.walk import device_of as place_of

    loaded = run if isinstance(run, LoadedRun) else load(run)
    place = place_of(loaded.model) if isinstance(run, LoadedRun) else None
    changed = read_by(replace(loaded, config=loaded.config.override(overrides)))
    device = place or device_of(changed.config)
    try:
        changed.model.to(device)
    except (RuntimeError, AssertionError) as fault:
        raise HvaeError(f"no {device} device here; add --train.accelerator cpu") from fault
    return changed


def device_of(config: RunConfig) -> str:
    """The kind of device that a configuration means on this machine."""
    import torch

    choice = config.train.accelerator
    return choice if choice != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def safe_rows(model: Model, one: Tensor | Datum) -> int:
    """How many rows can be walked at once while what is known of them stays within 1 GiB; 1024 at most.

    Features of the data are repeated for each draw, and a walk keeps every p, q and value: some 20 MB a row for the
    deepest published models, where 1024 rows would take more memory than most machines have.  The largest output of a
    layer counts too: all frames of a film may pass a network at once.  `one` datum.
    """
    from hvae.distributions import Depth
    from hvae.draw import brief, posterior
    from hvae.modules import largest_output
    from hvae.walk import device_of, run, still

    with still(model, seed=0), largest_output(model) as most:
        evidence = model.evidence(one.to(device_of(model)))
        trace = run(model, brief(posterior), evidence)
    # A walk that was shorter than usual stands for the usual one.
    times = [r.p.total / r.value.shape[1] for r in trace.records.values() if isinstance(r.p, Depth)]
    features = sum(t.numel() * t.element_size() for t in evidence.features.values())
    latents = sum(r.value.numel() * r.value.element_size() for r in trace.latents)
    size = features + int(KEPT_TENSORS * latents * max(times, default=1.0)) + AT_WORK * most[0]
    return max(1, min(MOST_ROWS, MOST_BYTES // max(1, size)))
