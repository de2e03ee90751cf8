"""Models that come with the library: `NAME.safetensors`, its weights, and `NAME.json`, its card and its numbers.

Here a word is taken for what it stands for, a run folder, a weights file, or one of these models; nothing is ever
written into this folder.  What belongs to a packaged model, such as its samples, goes into a folder of its name where
the work is done.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from warnings import warn

from hvae.errors import HvaeError, HvaeWarning, short, unknown
from hvae.records import JSON, Each, read_json

HERE = Path(__file__).parent
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.yaml", "card.json"
"""Files of a run folder; the card is there in those that were given away."""
MOST_BYTES = 3_000_000
"""The largest model that comes with the library."""
FACTS = {
    **dict.fromkeys(("name", "about", "family", "licence", "headline", "precision"), str),
    **{"data": {"name": str, "licence": str}, "levels": [str], "parameters": int, "bytes": int, "limits": [str]},
    **{"files": Each({"sha256": str, "bytes": int}), "numbers": [{"name": str, "value": str, "note": str}]},
}
"""What a card has to say."""
RECORD = {"card": FACTS, "provenance": Each(object), "evaluation": Each(object)}
"""The form of NAME.json."""


@dataclass(frozen=True)
class Whereabouts:
    """The `weights` of a run, and the `folder` where what else belongs to it is read and written."""

    weights: Path
    folder: Path
    is_packaged: bool = False


def names() -> list[str]:
    """The packaged models.

    >>> "digits" in names()
    True
    """
    return sorted(path.stem for path in HERE.glob("*.safetensors") if path.with_suffix(".json").is_file())


def is_packaged(run: str | Path) -> bool:
    """Whether these words stand for a packaged model: its bare name, where no folder of that name holds a model."""
    return str(run) in names() and not _is_run(Path(run))


def record(name: str) -> JSON:
    """The card, provenance and evaluation of a packaged model.  Raises HvaeError for an unknown name.

    >>> record("digits")["card"]["data"]["licence"]
    'CC BY 4.0'
    """
    if name not in names():
        raise unknown("packaged model", name, names())
    return read_json(HERE / f"{name}.json", RECORD)


def find(run: str | Path) -> Whereabouts:
    """What a word stands for.  A folder that holds a model wins over a packaged one of its name (HvaeWarning).

    Raises HvaeError when there is neither, and for what is no such word.

    >>> find("digits").folder.name, find("digits").is_packaged
    ('digits', True)
    """
    if not isinstance(run, str | Path):
        expected = "a run folder, a .safetensors file, the name of a packaged model, or what hvae.load gives"
        raise HvaeError(f"run: expected {expected}, got {short(run)}")
    path = Path(run)
    if is_packaged(run):
        return Whereabouts(HERE / f"{run}.safetensors", path, is_packaged=True)
    if str(run) in names():
        warn(f"the folder {run} is read, not the packaged model of that name", HvaeWarning, stacklevel=4)
    if not os.path.exists(path):
        raise _missing(str(run))
    weights = path if path.suffix == ".safetensors" and not path.is_dir() else path / WEIGHTS
    return Whereabouts(weights, weights.parent)


def check_own(run: str | Path, command: str) -> None:
    """Raises HvaeError for a packaged model, which has no folder for a command to write its results into."""
    if is_packaged(run):
        raise HvaeError(f"{run} comes with the library, and {command} needs a run folder: hvae pull {run} --out FOLDER")


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in (WEIGHTS, CONFIG))


def _missing(run: str) -> HvaeError:
    if os.sep in run or run.endswith(".safetensors"):
        return HvaeError(f"no run at {run}; expected a folder that 'hvae train' has written, or a .safetensors file")
    near = get_close_matches(run[:100], names(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return HvaeError(
        f"no run at {short(run).strip(chr(39))}: neither a folder that 'hvae train' has written, nor a packaged model; "
        f"{hint}Packaged: {', '.join(names())}"
    )
