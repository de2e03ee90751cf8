"""A run made fit to give away: its weights with a scrubbed description, its records, and its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hvae import pretrained
from hvae.config.run import RunConfig
from hvae.descriptions import Card, Description, Pulled, RunRecord, Seal
from hvae.errors import HvaeError
from hvae.files import replacing, write_text
from hvae.pretrained import CARD, CONFIG, WEIGHTS
from hvae.records import JSON
from hvae.runs.provenance import NAME as PROVENANCE
from hvae.runs.provenance import read_provenance, write_json
from hvae.study.evaluation import FILE as EVALUATION
from hvae.study.evaluation import Evaluation
from hvae.study.gifts.card import facts, readme
from hvae.study.gifts.scrub import scrubber
from hvae.weights import halved, read_weights, weights_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun

README = "README.md"
ROUNDED = "Its numbers were measured before its weights were rounded to float16."


@dataclass(frozen=True)
class Gift:
    """What is given: a weights file, and the records that stand beside it, each empty where there is none."""

    weights: bytes
    card: Card
    provenance: RunRecord
    evaluation: JSON
    """As `Evaluation.to_dict` gives it."""

    def files(self) -> dict[str, bytes]:
        """Every file of it by name; those of the card's `files` with the digest that stands there."""
        records = {CARD: self.card, PROVENANCE: self.provenance, EVALUATION: self.evaluation}
        return {WEIGHTS: self.weights, **_written(records), README: readme(self.card).encode()}

    def with_evaluation(self, evaluation: Evaluation) -> Gift:
        """The same with another record of its numbers, sealed anew."""
        record = evaluation.to_dict()
        files = {**self.card["files"], **{n: _seal(c) for n, c in _written({EVALUATION: record}).items()}}
        return replace(self, card=cast(Card, {**self.card, "files": files}), evaluation=record)

    def write(self, folder: Path, pulled: Pulled | None = None) -> None:
        """Fill a new run folder: weights, their configuration, records, card; `pulled`, where they come from.

        Raises HvaeError for weights without a digest of their own, which hvae has not written.
        """
        (folder / WEIGHTS).write_bytes(self.weights)
        stored = read_weights(folder / WEIGHTS)
        if not stored.verified:
            raise HvaeError(f"{WEIGHTS} carries no digest of its content: it was not written by hvae; pull another run")
        RunConfig.from_dict(stored.description["config"]).save(folder / CONFIG)
        write_json(folder / PROVENANCE, {**self.provenance, **({"pulled": pulled} if pulled else {})})
        if self.evaluation:
            write_json(folder / EVALUATION, self.evaluation)
        if self.card:
            write_json(folder / CARD, self.card)
            write_text(folder / README, readme(self.card))


def gift(run: LoadedRun, *, name: str = "", licence: str = "", half: bool = False) -> Gift:
    """A run without its user's paths and names; with `half`, float32 weights are rounded to float16.

    Raises HvaeError for a run without a description of hvae's, for numbers that float16 has not, and for an evaluation
    that is damaged.
    """
    recorded, measured, file = _records(run)
    scrub = scrubber(run.config.to_dict(), run.description["data"], run.folder)
    provenance = scrub.provenance(recorded)
    evaluation = scrub.evaluation(measured if measured.get("step") == run.step else {})
    description = scrub.description(cast(Description, {**run.description, "config": run.config.to_dict()}))
    RunConfig.from_dict(description["config"])  # or nobody could load it
    tensors = read_weights(file).tensors
    values = halved(tensors) if half else tensors
    weights = weights_bytes(values, description)
    numbers = Evaluation.from_dict(evaluation) if evaluation else None
    card = facts(run, name or run.folder.absolute().name, provenance, numbers, licence)
    card["limits"] += [ROUNDED] * (bool(evaluation) and _differs(tensors, values))
    contents = {WEIGHTS: weights, **_written({PROVENANCE: provenance, EVALUATION: evaluation})}
    files = {name: _seal(content) for name, content in contents.items()}
    card["precision"], card["bytes"], card["files"] = _precision(values), len(weights), files
    return Gift(weights, card, provenance, evaluation)


def _records(run: LoadedRun) -> tuple[RunRecord, JSON, Path]:
    """Provenance, evaluation and weights file of a run: those of its folder, or those that came with the library."""
    if run.is_packaged:
        name = str(run.folder)
        record = pretrained.record(name)
        return record["provenance"], record["evaluation"], pretrained.find(name).weights
    path = run.folder / EVALUATION
    evaluation = Evaluation.read(path).to_dict() if path.exists() else {}
    return read_provenance(run.folder), evaluation, run.folder / WEIGHTS


def _differs(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> bool:
    return any((values[name].to(t.dtype) != t).any() for name, t in tensors.items())


def _precision(tensors: Mapping[str, Tensor]) -> str:
    kinds = {str(t.dtype).removeprefix("torch.") for t in tensors.values() if t.is_floating_point()}
    return ", ".join(sorted(kinds))


def _written(records: Mapping[str, Mapping[str, object]]) -> dict[str, bytes]:
    """Records as files, but for those that are empty."""
    text = {name: json.dumps(record, indent=2, allow_nan=False) + "\n" for name, record in records.items() if record}
    return {name: content.encode() for name, content in text.items()}


def _seal(content: bytes) -> Seal:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def packaged(name: str) -> Gift:
    """A model that comes with the library, as it was given."""
    record = pretrained.record(name)
    weights = pretrained.find(name).weights.read_bytes()
    return Gift(weights, record["card"], record["provenance"], record["evaluation"])


def pack(bundle: Gift, name: str, folder: Path = pretrained.HERE) -> None:
    """Make a model come with the library: NAME.safetensors and NAME.json in its folder.

    Raises HvaeError for one that is larger than a packaged model may be.
    """
    if len(bundle.weights) > pretrained.MOST_BYTES:
        raise HvaeError(f"{name}: expected at most {pretrained.MOST_BYTES:,} bytes, got {len(bundle.weights):,}")
    record = {"card": bundle.card, "provenance": bundle.provenance, "evaluation": bundle.evaluation}
    write_json(folder / f"{name}.json", record)
    with replacing(folder / f"{name}.safetensors") as temporary:
        temporary.write_bytes(bundle.weights)
