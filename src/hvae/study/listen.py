"""Listening tests by the MUSHRA method: one page that asks people, and what their answers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.counts import whole, wholes
from hvae.errors import HvaeError, short
from hvae.files import expanded
from hvae.records import JSON
from hvae.study.places import check_place
from hvae.study.progress import Bars, Progress, bars

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun
    from hvae.study.listening.opinions import Opinions
    from hvae.study.listening.trials import Items, Trials

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False, kw_only=True)
class ListeningTest:
    """A page that was written, and what is heard on it."""

    page: Path
    trials: Trials
    notes: tuple[str, ...] = ()

    def to_dict(self) -> JSON:
        """Plain values for JSON."""
        return {
            "page": str(self.page),
            "test": self.trials.fingerprint,
            "items": [trial.item for trial in self.trials.trials],
            "conditions": list(self.trials.conditions),
            "rate": self.trials.rate,
            "seed": self.trials.seed,
            "notes": list(self.notes),
        }


def listen(
    systems: Mapping[str, str | Path | LoadedRun],
    *,
    out: str | Path = "listen.html",
    reference: str | Path | None = None,
    data: str = "test",
    number: int = 8,
    top: Sequence[int] = (),
    seed: int = 0,
    trust: Sequence[str] = (),
    progress: Progress | Bars | None = None,
) -> ListeningTest:
    """Write one page on which people compare systems with a reference, ITU-R BS.1534-3 (MUSHRA).

    Arguments: `systems` by name: runs of sound and, beside a `reference`, folders of sounds with the names of those in
    it, which its runs hear then; without one, runs hear `number` sounds of their `data` (test, valid, train, or a
    place); `top`, numbers of levels that are kept of a run, each a system of its own (none: all); `seed` of draws, and
    of the orders in which each listener hears trials and sounds; `trust` as `hvae.load` has it.  Raises HvaeError
    before any is written for sounds that cannot be compared.
    """
    from hvae.reporting.listening import write_listening
    from hvae.study.listening.trials import trials_of

    if not isinstance(systems, Mapping):
        raise HvaeError(f"expected systems by name, as in {{'ours': RUN}}, got {short(systems)}")
    page = Path(out)
    number, seed = whole("--number", number, 1), whole("--seed", seed)
    top = wholes("--top", top, 1)
    if page.suffix != ".html" or page.is_dir():
        raise HvaeError(f"--out: expected the name of a page that ends in .html, got {page}")
    check_place(page)
    if not systems:
        raise HvaeError("expected a system to judge, got none; name a run, or folders and --reference FOLDER")
    if reference is None:
        items, rate = _of_runs(systems, data, number, top, seed, trust, bars(progress))
    else:
        items, rate = _beside(expanded(reference), systems, top, seed, trust, bars(progress))
    trials = trials_of(items, rate, seed)
    write_listening(page, trials.fingerprint, rate, seed, {t.item: t.sounds for t in trials.trials})
    return ListeningTest(page=page, trials=trials, notes=tuple(trials.notes()))


def _beside(
    reference: Path,
    systems: Mapping[str, str | Path | LoadedRun],
    top: Sequence[int],
    seed: int,
    trust: Sequence[str],
    bars: Bars,
) -> tuple[Items, int]:
    """Folders, and runs that hear the references."""
    from hvae.study.listening.folders import of_folders
    from hvae.study.listening.runs import check_run, heard
    from hvae.study.placing import place

    folders = {name: expanded(one) for name, one in systems.items() if isinstance(one, str | Path) and not _is_run(one)}
    if top and len(folders) == len(systems):
        raise HvaeError("--top takes levels of runs, and all of these systems are folders; leave it out")
    items, rate = of_folders(reference, folders)
    places = {name: place(one, None, trust) for name, one in systems.items() if name not in folders}
    for name, where in places.items():
        check_run(name, where)
    with bars.bar("sounds") as tick:
        return heard(items, rate, reference, places, top, seed, tick), rate


def _is_run(system: str | Path) -> bool:
    """Whether a place holds weights; what is not there at all is taken for a folder."""
    where = expanded(system)
    return where.is_file() or (where / WEIGHTS).exists()


def _of_runs(
    systems: Mapping[str, str | Path | LoadedRun],
    data: str,
    number: int,
    top: Sequence[int],
    seed: int,
    trust: Sequence[str],
    bars: Bars,
) -> tuple[Items, int]:
    from hvae.study.listening.runs import check_run, of_runs
    from hvae.study.listening.trials import MOST_NUMBER
    from hvae.study.placing import place

    if number > MOST_NUMBER:
        raise HvaeError(f"--number: expected at most {MOST_NUMBER:,}, got {number:,}")
    for system in systems.values():
        _check_run(system)
    places = {name: place(system, None, trust) for name, system in systems.items()}
    for name, where in places.items():
        check_run(name, where)
    with bars.bar("sounds") as tick:
        return of_runs(places, data, number, top, seed, tick)


def _check_run(system: str | Path | LoadedRun) -> None:
    """Raises HvaeError for a folder of something else; what is no folder at all `hvae.load` speaks of."""
    if isinstance(system, str | Path) and expanded(system).is_dir() and not _is_run(system):
        raise HvaeError(f"{system} holds no run; for folders of sounds add --reference FOLDER")


def opinions(results: str | Path | Sequence[str | Path]) -> Opinions:
    """What the listeners of one test think: screened, a mean and a median of each condition.

    Listeners who rate the hidden reference below 90 in more than 15 % of the items are left out, and named.  Arguments:
    `results`, the .csv file or files that the page gave.  Raises HvaeError for files of different tests, damaged ones,
    and where no listener is left.
    """
    from hvae.study.listening.answers import read_answers
    from hvae.study.listening.opinions import opinions_of

    files = [results] if isinstance(results, str | Path) else results
    return opinions_of(read_answers([expanded(one) for one in files]))
