"""hvae score: which images are out-of-distribution for a model."""

from __future__ import annotations

import hashlib
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hvae.cli.context import contexts
from hvae.cli.score_options import parser
from hvae.cli.voice import Voice
from hvae.cli.words import split_dotted
from hvae.config.data import KNOWN
from hvae.errors import HvaeError
from hvae.files import expanded, resolved
from hvae.pretrained import is_packaged
from hvae.runs.form import HUB, SPLITS
from hvae.study.backends import PLAIN

if TYPE_CHECKING:
    from hvae.study.score import Scores

ONE_PICTURE = ("number", "foreign", "reverse", "regret", "maps")
"""What speaks of many images, or of small ones."""


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser().parse_args(rest)
    voice = Voice(args.json)
    if args.tile:
        _tiled(args, dotted, voice)
        return
    if args.magnifications:
        raise HvaeError("--magnifications are of one large picture; add --tile")
    with voice.working():
        scores = _scored(args, dotted, voice)
    voice.answer(scores.to_dict())
    if not args.json:
        from hvae.cli.shown_scores import shown

        for part in shown(scores):
            voice.show(part)


def _scored(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> Scores:
    from hvae.study.score import score

    return score(
        args.run,
        args.data,
        by=args.by,
        quantile=args.quantile,
        samples=args.samples,
        normal=args.normal,
        number=args.number,
        foreign=args.foreign,
        reverse=args.reverse or None,
        regret=args.regret,
        maps=args.maps,
        out=args.out or _default(Path(args.run), args.data),
        seed=args.seed,
        context=contexts(args.context),
        backend=args.backend,
        overrides=dotted,
        trust=args.trust,
        progress=voice,
        tell=voice.tell,
    )


def _tiled(args: Namespace, dotted: Mapping[str, str], voice: Voice) -> None:
    from hvae.study.slides.score import score_slide

    if wrong := next((name for name in ONE_PICTURE if getattr(args, name)), None):
        raise HvaeError(f"--{wrong} is not for --tile, which scores one picture; leave one of them out")
    if args.backend != PLAIN:
        raise HvaeError("--backend is not for --tile; leave one of them out")
    with voice.working():
        scores = score_slide(
            args.run,
            args.data,
            out=args.out or _folder(Path(args.run), args.data),
            magnifications=args.magnifications or (1,),
            by=args.by,
            quantile=args.quantile,
            samples=args.samples,
            normal=args.normal,
            seed=args.seed,
            context=contexts(args.context),
            overrides=dotted,
            trust=args.trust,
            progress=voice,
            tell=voice.tell,
        )
    voice.answer(scores.to_dict())
    if not args.json:
        from hvae.cli.shown_scores import shown_slide

        for part in shown_slide(scores):
            voice.show(part)


def _folder(run: Path, data: str) -> Path:
    """The folder of a slide's maps; beside the working folder where there is no run, which is said when it is read."""
    table = _default(run, data)
    return Path("tiles") if table is None else table.with_name(f"tiles-{_name(data)}")


def _default(run: Path, data: str) -> Path | None:
    """The table of a run's folder; None where there is no run, which is said when it is read."""
    if is_packaged(run):  # whose folder need not be there
        return Path(f"{run}-scores-{_name(data)}.csv")
    folder = run.parent if run.suffix == ".safetensors" and not run.is_dir() else run
    return folder / f"scores-{_name(data)}.csv" if folder.is_dir() else None


def _name(data: str) -> str:
    """A name for these images that no others have: places get some digits of their path, for many are called alike.

    >>> _name("test"), _name("hub:owner/pets")
    ('test', 'owner--pets')
    """
    path = expanded(data)
    if data in (*SPLITS, *KNOWN) or not path.exists():
        return data.removeprefix(HUB).replace("/", "--")
    place = resolved(path)
    return f"{place.name[:100]}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:6]}"
