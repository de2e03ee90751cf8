"""By whose convention a model is measured: which likelihood its weights are read with, on which images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hvae.config.data import KNOWN, DataConfig
from hvae.config.evaluate import PROTOCOLS, EvaluateConfig, reading, verdict
from hvae.descriptions import Origin
from hvae.errors import HvaeError
from hvae.files import expanded

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun

UNSEEN = "images that the model was not trained on"


def read_by(run: LoadedRun) -> LoadedRun:
    """The run with its weights read by the likelihood that its protocol asks for; the weights are the same.

    Raises HvaeError when the weights were imported and their folder of images brings none to test on: any that were
    drawn from it, the model has probably been trained on.
    """
    from hvae.walk import device_of

    if "imported" in run.description:
        _check_folder(run)
    model = run.config.model
    likelihood = reading(model.family, model.likelihood, PROTOCOLS[run.config.evaluate.protocol].published)
    if likelihood == model.likelihood:
        return run
    config = run.config.override({"model.likelihood": likelihood})
    other = replace(run, config=config).build(run.model.shape).to(device_of(run.model))
    other.load_state_dict(run.model.state_dict())
    return replace(run, model=other.eval(), config=config)


def _check_folder(run: LoadedRun) -> None:
    from hvae.data.folder import SPLIT_OF

    data, split, root = run.config.data, run.config.evaluate.split, expanded(run.config.data.path)
    if data.name != "folder" or not root.is_dir() or held_out(data, split):
        return
    splits = {SPLIT_OF.get(place.name.lower()) for place in root.iterdir() if place.is_dir()}
    lost = [part for part in ("train", split) if part not in splits]
    if lost:
        tested = run.description["imported"].get("tested")
        raise HvaeError(
            f"data.path={root} holds no folder {' and no folder '.join(lost)}; {layout(split, tested or '')}: "
            f"hvae evaluate {run.folder} --data.path FOLDER"
        )


def layout(split: str, tested: str) -> str:
    """How a folder says which of its images an imported model was not trained on; `tested`, the published ones."""
    which = f"the images that were published on ({tested})" if tested else UNSEEN
    return f"put {which} into FOLDER/{split}, any other image into FOLDER/train, then"


def held_out(data: DataConfig, split: str) -> bool:
    """Whether a split that the images do not bring themselves would be drawn from all of them, at random."""
    return bool(data.valid if split == "valid" else data.test)


@dataclass(frozen=True, kw_only=True)
class Convention:
    """By which protocol numbers were measured, as their record says it."""

    name: str
    about: str
    kept: bool
    """Whether its number of samples and its data were used."""
    likelihood: str
    reading: str = "exact"
    """"published", "corrected", or "exact" where there is but one."""
    stated: str | None = None
    """What the authors state, where it compares with these numbers."""
    unlike: str | None = None
    """Why it does not compare."""

    def sentence(self, samples: int, data: int) -> str:
        """The convention in a line, and how an evaluation by K `samples` of so many `data` differs from it."""
        changed = "" if self.kept else f"; here K = {samples} on {data:,} data"
        unlike = f"; {self.unlike}" if self.unlike else ""
        return f"{self.about}{changed}; likelihood {self.likelihood} ({self.reading}){unlike}"


def convention(run: LoadedRun) -> Convention:
    """The convention that an evaluation of this run follows, for its record."""
    evaluate, model, source = run.config.evaluate, run.config.model, run.description.get("imported")
    stated, unlike = _stated(run.config.data, evaluate, source)
    return Convention(
        name=evaluate.protocol,
        about=PROTOCOLS[evaluate.protocol].about,
        kept=_kept(evaluate, (source.get("split") if source else None) or "test"),
        likelihood=model.likelihood,
        reading=verdict(model.family, model.likelihood),
        stated=stated,
        unlike=unlike,
    )


def _stated(data: DataConfig, evaluate: EvaluateConfig, source: Origin | None) -> tuple[str, str]:
    """What the authors state where it can be compared, and else why it cannot; both "" where they state nothing."""
    # What they state is of their convention: beside another one it would mislead.
    if source is None or not source.get("expected") or source["protocol"] != evaluate.protocol:
        return "", ""
    number = f"{source['expected']}, by {source['code']} on"
    if data.name in KNOWN:
        same = data.name == source["data"]
        return (f"{number} {source['data']}", "") if same else ("", f"the stated number is of {source['data']}")
    tested = source.get("tested") or source["data"]
    if held_out(data, evaluate.split):
        warning = f"any drawn at random from {data.path}, on which the model was probably trained, do not compare"
        return "", f"the stated number is of {tested}; {warning}"
    return f"{number} {tested}, which yours have to be", ""


def _kept(evaluate: EvaluateConfig, split: str) -> bool:
    """Whether the convention was kept: its number of samples, and every test datum."""
    return (evaluate.draws, evaluate.limit, evaluate.split) == (PROTOCOLS[evaluate.protocol].samples, 0, split)
