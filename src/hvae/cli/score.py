"""hvae score: which images are foreign to a model."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hvae.cli.encode import SPLITS, brought
from hvae.cli.evaluation.subject import Subject, open_run, safe_rows
from hvae.cli.parser import Parser, split_dotted
from hvae.cli.voice import Voice, table
from hvae.config.data import KNOWN, DataConfig
from hvae.errors import HvaeError, unknown
from hvae.files import write_text

if TYPE_CHECKING:
    from torch import Tensor

    from hvae.data import Split

ABOUT = (
    "Score images by how foreign they are to a model: one row an image with every score, and a decision whose "
    "threshold comes from the validation data of the run alone. Higher is more foreign, for every score."
)
EXAMPLES = (
    "hvae score runs/fashion --data ~/new-images",
    "hvae score runs/fashion --data mnist-dynamic --foreign --maps 8",
    'hvae score runs/photos --data test --by "llr>2" --quantile 0.99',
)
POSITIVE = "foreign"
SHOWN = 20


def parser() -> Parser:
    made = Parser("score", ABOUT, EXAMPLES, "RUN --data X [--by SCORE] [--quantile Q] [--foreign] [--maps N]")
    made.add_argument("run", metavar="RUN", help="a run folder that hvae train has written")
    source = "a folder of images; an .npy, .npz or IDX file; a known data set (hvae data); test, valid or train"
    made.add_argument("--data", required=True, metavar="X", help=source)
    by = (
        "the score that decides: nll, nll>K, llr>K, kl, kl/LEVEL, typicality, complexity [llr>1; one level: typicality]"
    )
    made.add_argument("--by", default="", metavar="SCORE", help=by)
    share = "share of the validation data that is called normal"
    made.add_argument("--quantile", type=float, default=0.95, metavar="Q", help=share)
    made.add_argument("--samples", type=int, default=1, metavar="K", help="1: the ELBO; more: the IW-K bound")
    normal = "training data that say what is usual, and validation data that set the threshold (at most)"
    made.add_argument("--normal", type=int, default=1000, metavar="N", help=normal)
    made.add_argument(
        "-n", "--number", type=int, default=0, metavar="N", help="only so many images, at random (0: all)"
    )
    known = "X is known to be foreign: also tell how well each score separates it from the run's test data"
    made.add_argument("--foreign", action="store_true", help=known)
    made.add_argument("--maps", type=int, default=0, metavar="N", help="draw where the N most foreign images are so")
    made.add_argument("-o", "--out", default="", metavar="FILE", help="the .csv to write [RUN/scores-X.csv]")
    made.add_argument("--seed", type=int, default=0, metavar="S", help="seed of every draw")
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        told, shown = _scored(args, dotted, voice)
    voice.answer(told)
    if not args.json:
        for part in shown:
            voice.show(part)


def _scored(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> tuple[dict[str, Any], list[Any]]:
    from hvae.metrics.detection import threshold

    trial = _Trial(args, open_run(args.run, dotted, voice), voice)
    found, normal = trial.scores()
    limit = threshold(normal[trial.by], args.quantile)
    decisions = ["foreign" if bool(value > limit) else "normal" for value in found[trial.by]]
    path = Path(args.out) if args.out else trial.subject.run.folder / f"scores-{Path(args.data).stem}.csv"
    write_text(path, rows(found, decisions, trial.files()))
    told = {
        "csv": str(path),
        "rows": len(decisions),
        "by": trial.by,
        "threshold": limit,
        "quantile": args.quantile,
        "foreign": decisions.count("foreign"),
        "positive": POSITIVE,
        "bound": "ELBO" if args.samples == 1 else f"IW-{args.samples}",
        "data": trial.told,
        "normal": trial.subject.data.provenance.to_dict(),
        "seen_in_training": trial.seen,
        "detection": trial.detection(found) if args.foreign else None,
        "maps": trial.maps(found[trial.by], path) if args.maps else None,
    }
    return told, _shown(told)


@dataclass(eq=False)
class _Trial:
    """One scoring: the model, the images, and everything that can be wrong with the wish, before it takes time."""

    args: Namespace
    subject: Subject
    voice: Voice

    def __post_init__(self) -> None:
        args, data = self.args, self.subject.data
        _counts(args)
        self.told, found = images(self.subject, args.data)
        found = _some(found, args.number or len(found))
        self.by = chosen(args.by, self.subject)
        self.split = found.fixed(0)
        self.train, self.valid = (_some(s.fixed(0), args.normal) for s in (data.train, data.valid))
        _enough(self.train, self.valid, args.quantile, self.subject)
        if args.foreign and len(data.test) < 2:
            raise HvaeError("--foreign: expected test data of the run to compare with, got none; set data.test above 0")
        if args.foreign and len(self.split) < 2:
            raise HvaeError(f"--foreign: expected 2 images or more to compare, got {len(self.split)} from {args.data}")
        self.seen = overlap(data.train, found)
        if self.seen:
            self.voice.tell(f"{self.seen:,} of these {len(self.split):,} images are training data: no test of anything")

    def measured(self, split: Split, what: str) -> Any:
        from hvae.metrics.outliers import measure

        config = self.subject.config
        with self.voice.bar(f"scores of {what}") as tick:
            return measure(
                self.subject.run.model,
                _Batches(split, config.batch),
                bits=self.subject.run.bits,
                samples=self.args.samples,
                chunk_rows=config.rows or safe_rows(self.subject.run.model, split.batch([0])),
                seed=self.args.seed,
                progress=tick,
            )

    def scores(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Every score of the images, and of validation data."""
        from hvae.metrics.outliers import scores, usual

        self.reference = usual(self.measured(self.train, "training data"))
        valid = scores(self.measured(self.valid, "validation data"), self.reference)
        return scores(self.measured(self.split, self.args.data), self.reference), valid

    def detection(self, found: Mapping[str, Tensor]) -> dict[str, Any]:
        """How well each score tells the images from the run's test data."""
        from hvae.metrics.detection import detection
        from hvae.metrics.outliers import scores

        test = _some(self.subject.data.test, max(len(self.split), 2))
        normal = scores(self.measured(test, "the run's test data"), self.reference)
        return {name: detection(normal[name], score).to_dict() for name, score in found.items()}

    def files(self) -> list[str]:
        """The name of each image, where it is a file of its own."""
        from hvae.data.folder import listed

        root = Path(self.args.data).expanduser()
        if self.args.data in (*SPLITS, *KNOWN) or not root.is_dir():
            return []
        names = [str(path.relative_to(root)) for path in listed(root)]
        return [names[row] for row in self.split.rows.tolist()] if len(names) == len(self.split.store) else []

    def maps(self, score: Tensor, path: Path) -> str:
        """Heat maps of the most foreign images beside them, in a picture."""
        from hvae.cli.heat import draw
        from hvae.metrics.maps import heat, usual_maps

        model, order = self.subject.run.model, score.argsort(descending=True)[: self.args.maps]
        with self.voice.bar("heat maps") as tick:
            usual = usual_maps(model, _Batches(self.train, self.subject.config.batch), progress=tick)
        x = self.split.batch(order)
        return str(draw(path.with_suffix(".png"), x, heat(model, x, usual), order.tolist()))


class _Batches:
    """A split in batches, with a length."""

    def __init__(self, split: Split, size: int) -> None:
        self.split, self.size = split, size

    def __len__(self) -> int:
        return -(-len(self.split) // self.size)

    def __iter__(self) -> Iterator[Tensor]:
        return self.split.batches(self.size)


def _some(split: Split, count: int) -> Split:
    """So many data at random, always the same: known sets are sorted."""
    import torch

    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:count]
    return split.some(order.sort().values)


def _counts(args: Namespace) -> None:
    for name, least in (("samples", 1), ("normal", 1), ("number", 0), ("maps", 0)):
        if getattr(args, name) < least:
            raise HvaeError(f"--{name}: expected {least} or more, got {getattr(args, name)}")


def _enough(train: Split, valid: Split, quantile: float, subject: Subject) -> None:
    import torch

    from hvae.metrics.detection import threshold
    from hvae.metrics.outliers import enough
    from hvae.walk import names

    enough(len(train), len(names(subject.run.model)))

    if not len(valid):
        raise HvaeError("expected validation data of the run to set the threshold, got none; set data.valid above 0")
    threshold(torch.zeros(len(valid)), quantile)


def chosen(by: str, subject: Subject) -> str:
    """The score that decides.  Raises HvaeError for one that this model does not have."""
    import torch

    from hvae.draw import prior
    from hvae.walk import names, run

    levels = names(subject.run.model)
    with torch.no_grad():
        density = any(record.law.density for record in run(subject.run.model, prior()).observed)
    cuts = range(1, len(levels) + 1)
    known = ["nll", *(f"{s}>{k}" for s in ("nll", "llr") for k in cuts), "kl", *(f"kl/{n}" for n in levels)]
    known += ["typicality"] + ["complexity"] * (not density)
    if by and by not in known:
        raise unknown("score", by, known)
    return by or ("llr>1" if len(levels) > 1 else "typicality")


def images(subject: Subject, source: str) -> tuple[dict[str, Any], Split]:
    """The images to score, in the form of the model's data, and where they come from."""
    from hvae.data import load

    run, own = subject.run, subject.data
    if source in SPLITS:
        split = getattr(own, source)
        if not len(split):
            raise HvaeError(f"this run has no {source} data; choose another split, or set data.{source} above 0")
        return {**own.provenance.to_dict(), "split": source}, split
    data = load(_known(subject, source) if source in KNOWN else brought(run, source))
    if data.shape != run.model.shape or data.bits != run.bits:
        raise HvaeError(
            f"{run.folder} takes images of {run.model.shape} with {run.bits} bits, got {data.shape} with {data.bits} "
            f"from {source}"
        )
    name = "test" if len(data.test) else "train"
    return {**data.provenance.to_dict(), "split": name}, getattr(data, name)


def _known(subject: Subject, name: str) -> DataConfig:
    """A known set, in the size, colours and depth of the run; its binarisation must be named, for it is the task."""
    from hvae.data.catalogue import SETS
    from hvae.data.lookup import base

    ours, shape = subject.data.provenance.binarisation, subject.run.model.shape
    if ours == "dynamic" and not name.endswith("-dynamic") and f"{base(name)}-dynamic" in KNOWN:
        raise HvaeError(f"this run was trained on drawn bits; score '{base(name)}-dynamic' instead of '{name}'")
    known = SETS[base(name)].shape
    picture: dict[str, Any] = {}
    if len(shape) == 3 and known[1:] != shape[1:]:
        picture["size"] = shape[1:]
    if len(shape) == 3 and known[0] != shape[0]:
        picture["channels"] = shape[0]
    bits = 0 if name.endswith(("-dynamic", "-binary")) else subject.run.bits
    asked = subject.run.config.data
    return DataConfig(name=name, root=asked.root, download=asked.download, bits=bits, valid=0, test=0, **picture)


def overlap(train: Split, split: Split) -> int:
    """How many images are training data, pixel by pixel.

    Of images that are drawn from grey the grey is compared; a drawing cannot be told from the grey it came from, so
    that bits drawn elsewhere count as none.
    """
    if (train.dynamic, train.depth, train.store.shape[1:]) != (split.dynamic, split.depth, split.store.shape[1:]):
        return 0
    known = {_print(row) for part in train.chunks() for row in part}
    return sum(_print(row) in known for part in split.chunks() for row in part)


def _print(row: Tensor) -> int:
    return hash(row.numpy().tobytes())


def rows(found: Mapping[str, Tensor], decisions: list[str], files: list[str]) -> str:
    """One line an image: its place, its file where it has one, the decision, and every score.

    >>> import torch
    >>> print(rows({"nll": torch.tensor([1.5])}, ["normal"], ["a.png"]).replace("\\r", ""), end="")
    index,file,decision,nll
    0,a.png,normal,1.5
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["index", *(["file"] if files else []), "decision", *found])
    columns = [column.tolist() for column in found.values()]
    for i, (decision, *values) in enumerate(zip(decisions, *columns, strict=True)):
        writer.writerow([i, *files[i : i + 1], decision, *(f"{value:.6g}" for value in values)])
    return text.getvalue()


def _shown(told: Mapping[str, Any]) -> list[Any]:
    share = f"{told['foreign']:,} of {told['rows']:,} images are foreign"
    rule = f"{told['by']} above {told['threshold']:.4g}, the {told['quantile']:.0%} quantile of validation data"
    shown: list[Any] = [f"{share} ({rule})", f"every score of each image: {told['csv']}"]
    if told["maps"]:
        shown.append(f"heat maps: {told['maps']}")
    if told["detection"]:
        shown.append(_table(told["detection"], told["by"]))
        shown.append("the reverse pair needs a model of the other data: a score can flip")
    return shown


def _table(found: Mapping[str, Mapping[str, Any]], by: str) -> Any:
    first = next(iter(found.values()))
    title = f"Telling X (positive, {first['foreign']:,}) from the run's test data ({first['normal']:,}), balanced"
    made = table("score", "AUROC", "AUPRC", "AUPRC normal", "FPR80", "", title=title)
    best = {by, *sorted(found, key=lambda name: -found[name]["auroc"])[:SHOWN]}
    for name in (name for name in found if name in best):
        numbers = (f"{found[name][key]:.3f}" for key in ("auroc", "auprc", "auprc_normal", "fpr80"))
        made.add_row(name, *numbers, "decides" if name == by else "")
    return made
