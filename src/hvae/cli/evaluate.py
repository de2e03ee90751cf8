"""hvae evaluate: the numbers of a trained model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hvae.cli.inspect import device_of
from hvae.cli.parser import Parser, add_keys, split_dotted, wants_help
from hvae.cli.protocol import read_by, sentence, told
from hvae.cli.provenance import write_json
from hvae.cli.source import shown_for_help
from hvae.cli.voice import Voice, table
from hvae.config.evaluate import EvaluateConfig
from hvae.errors import HvaeError

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.checkpoints import LoadedRun
    from hvae.data import ImageData, Split

NAME = "evaluation.json"
ABOUT = (
    "Measure a trained model on data it was not trained on: the ELBO, the importance-weighted bound, the nats and "
    "active units of each level, and whether the top level decides what an image is. Writes RUN/evaluation.json."
)
EXAMPLES = (
    "hvae evaluate runs/digits",
    "hvae evaluate runs/digits --evaluate.samples 1000 --evaluate.limit 500",
    "hvae evaluate runs/vdvae-cifar10-seed1 --evaluate.protocol vdvae",
)
FREE = ("data.root", "data.path", "data.download", "train.accelerator", "evaluate.")
CLASSIFIED, GROUPS, REDRAWS, ACTIVITY_DATA = 10_000, 200, 8, 2_000

UNITS = {
    "negative_elbo_nats": "nats a datum; above -log p(x) in expectation",
    "negative_iw_nats": "nats a datum; the importance-weighted bound with K = samples, between -log p(x) and -ELBO",
    "reconstruction_nats": "nats a datum; -E_q[log p(x given z)]",
    "bits_per_dim": "bits a value of a datum; none for densities",
    "rate_nats": "nats a datum; KL(q || p) of a level",
    "coarse_to_fine": "share of the most frequent class among redraws of an image, mean over images (_pairwise: pairs)",
}


def parser(argv: list[str], command: str = "evaluate", about: str = ABOUT, examples: Any = EXAMPLES) -> Parser:
    made = Parser(command, about, examples, "RUN [--KEY VALUE ...]")
    made.add_argument("run", metavar="RUN", help="a run folder that hvae train has written")
    if wants_help(argv):
        add_keys(made, {"evaluate": shown_for_help(argv).evaluate})
        made.add_argument("--data.root", metavar="FOLDER", help="where known data sets lie now, if they have moved")
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest).parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        subject = open_run(args.run, dotted, voice)
        found = evaluation(subject, voice)
    voice.answer(found)
    if not args.json:
        voice.show(summary(found))
        voice.show(f"written to {subject.run.folder / NAME}")


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model with the data it is judged on."""

    run: LoadedRun
    data: ImageData

    @property
    def config(self) -> EvaluateConfig:
        return self.run.config.evaluate

    @property
    def split(self) -> Split:
        """The split that is scored, in a fixed random order and cut to the limit.

        Known test sets are sorted by class or by writer: their first thousand stand for nothing.
        """
        import torch

        split: Split = getattr(self.data, self.config.split)
        if not len(split):
            raise HvaeError(f"no {self.config.split} data to evaluate on; set data.{self.config.split} above 0")
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[: self.config.limit or None]
        return replace(split, rows=split.rows[order], labels=None if split.labels is None else split.labels[order])


def open_run(folder: str | Path, overrides: Mapping[str, str], voice: Voice) -> Subject:
    """A run and its data.  Raises HvaeError when a key would make it another run, or the data are not its data."""
    from hvae.checkpoints import load
    from hvae.data import Provenance, differences
    from hvae.data import load as load_data

    for key in overrides:
        if not key.startswith(FREE):
            raise HvaeError(f"--{key} belongs to the training; afterwards only {', '.join(FREE)}KEY can change")
    run = load(folder)
    run = read_by(replace(run, config=run.config.override(overrides)))
    data = load_data(run.config.data)
    if data.shape != run.model.shape or data.bits != run.bits:
        raise HvaeError(
            f"{run.folder} was trained on images of {run.model.shape} with {run.bits} bits, "
            f"but {data.provenance.name} now has {data.shape} with {data.bits}; give the data it was trained on"
        )
    known = run.description["data"]
    odd = differences(Provenance.from_dict(known), data.provenance) if known else []
    if odd:
        voice.tell(f"these are not the data of the training: {', '.join(odd)} differ; do not compare the numbers")
    try:
        run.model.to(device_of(run.config))
    except (RuntimeError, AssertionError) as fault:
        raise HvaeError(f"no {device_of(run.config)} device here; add --train.accelerator cpu") from fault
    return Subject(run, data)


def evaluation(subject: Subject, voice: Voice) -> dict[str, Any]:
    """Every number, with what it is and where it comes from; also written to the run folder."""
    from hvae.metrics import activity, bounds

    began, config, run = time.monotonic(), subject.config, subject.run
    few = subject.split.rows[:ACTIVITY_DATA]
    with voice.bar(f"likelihood, K = {config.draws}") as tick:
        batches = _Batches(subject.split, config.batch)
        likelihood = bounds(run.model, batches, config.draws, chunk_rows=config.rows, seed=config.seed, progress=tick)
    with voice.bar("activity of the levels") as tick:
        batches = _Batches(replace(subject.split, rows=few), config.batch)
        active = activity(run.model, batches, seed=config.seed, progress=tick)
    found = {
        "step": run.step,
        "weights": _weights(run),
        "protocol": told(run),
        "split": config.split,
        "likelihood": likelihood.to_dict(),
        "activity": active.to_dict(),
        "coarse_to_fine": coarse_to_fine(subject, voice),
        "units": UNITS,
        "data": subject.data.provenance.to_dict(),
        "seconds": round(time.monotonic() - began, 2),
        "device": next(run.model.parameters()).device.type,
    }
    write_json(run.folder / NAME, found)
    return found


def _weights(run: LoadedRun) -> str:
    if source := run.description.get("imported"):
        return f"imported from {source['file']}"
    return "running average" if run.config.train.ema else "as trained"


class _Batches:
    """A split in batches, with a length: progress can tell how much is left."""

    def __init__(self, split: Split, size: int) -> None:
        self.split, self.size = split, size

    def __len__(self) -> int:
        return -(-len(self.split) // self.size)

    def __iter__(self) -> Iterator[Tensor]:
        return self.split.batches(self.size)


def coarse_to_fine(subject: Subject, voice: Voice) -> dict[str, Any] | None:
    """Does the top decide the class?  None without classes, images, or a second level.

    Two mirrors: `top_redrawn` keeps the values of the lower levels, `top_swapped` their offsets from the prior.
    """
    from hvae.explore import top_held, top_redrawn, top_swapped
    from hvae.explore.resample import has_offsets
    from hvae.metrics import coarse_to_fine as compare
    from hvae.walk import names

    model, config, split = subject.run.model, subject.config, subject.split
    depth, train = len(names(model)), subject.data.train
    if depth < 2 or len(subject.data.shape) != 3 or train.labels is None or split.labels is None:
        return None
    held = min(config.held, depth - 1)
    x = split.batch(range(min(GROUPS, len(split))))
    with voice.bar("coarse to fine: a classifier"):
        classify = _classifier(train, split, config.seed)
    with voice.bar("coarse to fine: redraws"):
        settings: dict[str, Any] = {"count": held, "repeats": REDRAWS, "seed": config.seed}
        kept, mirror = top_held(model, x, **settings), top_redrawn(model, x, **settings)
        found = compare(classify, kept, mirror, seed=config.seed).to_dict()
        if has_offsets(model):
            other = compare(classify, kept, top_swapped(model, x, **settings), seed=config.seed).to_dict()
            found |= {key.replace("redrawn", "swapped"): v for key, v in other.items() if "redrawn" in key}
    return {**found, "held": held, "classifier": classify.describe()}


def _classifier(train: Split, test: Split, seed: int) -> Any:
    from hvae.metrics import train_classifier

    assert train.labels is not None and test.labels is not None
    n = min(CLASSIFIED, len(train))
    # Labels follow rows, and known sets are not sorted by class: the first few thousand are as good as any.
    images = replace(train, rows=train.rows[:n], labels=train.labels[:n]).fixed(seed).batch(range(n))
    test_images = test.batch(range(len(test)))
    return train_classifier(images, train.labels[:n], test_images, test.labels, seed=seed)


def summary(found: Mapping[str, Any]) -> Table:
    """The numbers for people."""
    made = table("", "", "")
    made.show_header = False
    for name, value, note in headlines(found):
        made.add_row(name, value, note)
    for name, level in found["activity"]["levels"].items():
        units = f"{level['used_dims']} of {level['dims']} dimensions used"
        made.add_row(f"  {name}", f"{level['rate_nats']:.3g} nats", f"{level['state']}; {units}")
    made.add_row("verdict", "", found["activity"]["verdict"])
    return made


def headlines(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, value with unit, and what it is, of each number that stands for the whole."""
    result, split = found["likelihood"], found["split"]
    of = f"{result['data']:,} {split} data of {found['data']['name']}"
    of += "; a density, not comparable with bits" if result["likelihood"] == "density" else ""
    yield "-ELBO", _nats(result["negative_elbo_nats"]), f"upper bound on -log p(x), {of}"
    yield f"-IW-{result['samples']}", _nats(result["negative_iw_nats"]), f"tighter bound, K = {result['samples']}, {of}"
    if result["iw_bits_per_dim"] and found["data"]["bits"] > 1:
        yield "bits/dim", *_bits(result)
    # Records of before protocols had names lack it.
    if protocol := found.get("protocol"):
        yield "protocol", protocol["name"], sentence(protocol, result)
        if protocol["stated"]:
            value, _, whose = protocol["stated"].partition(", ")
            yield "stated", value, f"{whose}, by the same protocol"
    if coarse := found["coarse_to_fine"]:
        mirror = coarse.get("top_swapped", coarse["top_redrawn"])
        note = f"redraws agree on the class with the top {coarse['held']} held; mirror {mirror:.0%}"
        yield "coarse to fine", f"{coarse['top_held']:.0%}", f"{note}; chance {coarse['chance']:.0%}"


def _bits(result: Mapping[str, Any]) -> tuple[str, str]:
    """Bits per dimension and the bound they are of: with one sample that is the ELBO, whose rates are closed forms."""
    single = result["samples"] == 1
    bound = "-ELBO" if single else f"IW-{result['samples']}"
    pair = _pair(result["elbo_bits_per_dim" if single else "iw_bits_per_dim"])
    return pair, f"from {bound}, {result['dims']} values a datum"


def _nats(estimate: Mapping[str, float | None]) -> str:
    return f"{_pair(estimate)} nats"


def _pair(estimate: Mapping[str, float | None]) -> str:
    mean, error = estimate["mean"], estimate["standard_error"]
    if mean is None:
        return "not finite"
    digits = 2 if abs(mean) >= 10 else 3
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if error is not None else "")
