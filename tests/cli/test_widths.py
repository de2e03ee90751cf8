"""Every table of every command, on terminals of three widths and with numbers of five digits: nothing is cut."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console, Group

from hvae.cli import voice as module
from hvae.cli.compare import shown as compared
from hvae.cli.data import _table as sets
from hvae.cli.evaluation.shown import summary
from hvae.cli.models import _families, _presets
from hvae.cli.ready import _pretrained, _published
from hvae.cli.shown_scores import shown as scores
from hvae.cli.voice import Voice
from hvae.data import Provenance
from hvae.metrics import (
    ActivityResult,
    ContributionResult,
    Estimate,
    Information,
    LevelActivity,
    LevelClasses,
    LevelInformation,
    LevelRate,
    LikelihoodResult,
    MutualResult,
    TopLevels,
)
from hvae.metrics.detection import Detection
from hvae.pretrained import names, record
from hvae.reporting.comparison import Group as Task
from hvae.reporting.comparison import Number, Row
from hvae.screen.table import Table, table
from hvae.study import Evaluation
from hvae.study.measures.classes import ProbeResult
from hvae.study.scoring.scores import Comparison, Scores

WIDTHS = (80, 120, 200)
LEVELS = {f"z{i}": 17224.2 / i for i in range(12, 0, -1)}


def estimate(mean: float) -> Estimate:
    return Estimate(mean, 31.25, mean - 61.25, mean + 61.25)


def information(nats: float) -> Information:
    return Information(**dict.fromkeys(("stratified", "weighted", "at_least", "at_most"), estimate(nats)))


def said(nats: float) -> LevelInformation:
    return LevelInformation(
        rate_nats=estimate(nats),
        information_nats=information(nats),
        marginal_kl_nats=estimate(nats),
        saturated=True,
        held_nats=information(nats),
    )


def used(nats: float) -> LevelActivity:
    counts = {"dims": 1024, "channels": 16, "active_dims": 1023, "active_channels": 16, "used_dims": 1022}
    return LevelActivity(**counts, used_channels=16, rate_nats=nats, rate_nats_per_dim=nats / 1024, state="alive")


def top(count: int, name: str, nats: float) -> TopLevels:
    return TopLevels(
        **{"lowest": name, "levels": count, "rate_nats": nats, "negative_bound_nats": estimate(15749.35)},
        **{"bits_per_dim": estimate(6.57), "psnr_db": estimate(21.53)},
    )


def rate(nats: float) -> LevelRate:
    return LevelRate(rate_nats=nats, rate_nats_per_dim=nats / 1024, dims=1024, estimator="analytic")


EVALUATION = Evaluation(
    step=100_000,
    split="test",
    results={
        "likelihood": LikelihoodResult(
            **{"data": 10000, "dims": 12288, "samples": 1000, "seed": 0, "likelihood": "mass"},
            **{"negative_elbo_nats": estimate(17224.2), "negative_iw_nats": estimate(16781.35)},
            **{"elbo_bits_per_dim": estimate(6.572), "iw_bits_per_dim": estimate(6.403)},
            **{"reconstruction_nats": estimate(9000.0), "effective_samples": 1023.4, "nonfinite_data": 0},
            levels={name: rate(nats) for name, nats in LEVELS.items()},
        ),
        "activity": ActivityResult(
            verdict="z1 is weak: 1,023 of its 1,024 dimensions are used, and it spends 1,644 nats of all an image has.",
            levels={name: used(nats) for name, nats in LEVELS.items()},
            **{"data": 2000, "samples": 4, "seed": 0},
        ),
        "mutual": MutualResult(
            **{"ceiling_nats": 9.21, "saturated": True, "data": 512, "batch": 512, "population": 10000, "seed": 0},
            total=said(16000.5),
            levels={name: said(nats) for name, nats in LEVELS.items()},
        ),
        "classes": ProbeResult(
            **{"chance": 0.1, "codes": "means", "data": 10000, "classes": 10, "seed": 0, "dims_at_most": 64},
            levels=dict.fromkeys(LEVELS, LevelClasses(probe_accuracy=0.981, nmi=0.5, ari=0.25)),
        ),
        "contribution": ContributionResult(
            data=10000, seed=0, top=tuple(top(1 + i, name, nats) for i, (name, nats) in enumerate(LEVELS.items()))
        ),
    },
    data=Provenance(
        **{"name": "photographs-of-a-long-name", "source": "here", "sizes": {}, "checksums": {}, "bits": 8},
        shape=(3, 64, 64),
    ),
    skipped={"quality": "expected 2,049 pictures or more on both sides, got 1,000"},
)
TASK = Task(
    task="photographs, 10,000 test data, 3x64x64, 8 bit",
    apart={},
    rows=[
        Row(
            run=f"runs-of-a-long-name/ladder-{i}-of-many-levels",
            facts={"family": "ladder", "parameters": "16.46 M", "steps": "100,000", "levels": "12 of 12 used"},
            measures={
                title: Number(value=value + i, error=31.25)
                for title, value in {
                    **{"-ELBO, nats": 17224.2, "-IW-1000, nats": 16781.35, "PSNR of 300 reconstructions, dB": 21.53},
                    "FID (hidden layer of a classifier; 10,000 real, 10,000 generated)": 12345.6,
                    "linear probe of the best level (means, 10,000 data)": 0.981,
                }.items()
            },
        )
        for i in range(3)
    ],
)
DETECTION = Detection(
    **{"auroc": 0.98765, "auprc": 0.9876, "auprc_normal": 0.9876, "fpr80": 0.01234, "foreign": 300, "normal": 300},
    positive="foreign",
)
SCORED = Scores(
    scores={"typicality": torch.zeros(17224)},
    reasons=("typicality above 17224.2",) * 1234 + ("",) * 15990,
    **{"files": (), "threshold": 17224.2, "quantile": 0.95, "ranges": {}, "bound": "ELBO", "regret_steps": 0},
    comparison=Comparison(
        **{"run": "runs/a", "by": "typicality", "data": None, "change": None, "normal": None, "seen": {}},
        detection={"typicality": DETECTION, "complexity of the compressed picture": DETECTION},
    ),
    csv=Path("runs/a/scores-x.csv"),
)


def tables(parts: Any) -> Iterator[Table]:
    for part in parts:
        if isinstance(part, Group):
            yield from tables(part.renderables)
        elif isinstance(part, Table):
            yield part


def on_terminal(part: Any, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a person sees, through the voice of a command."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system=None, markup=False, soft_wrap=True)
    monkeypatch.setattr(module, "_console", lambda stderr, quiet: console)
    Voice().show(part)
    return out.getvalue()


def packaged() -> Table:
    return _pretrained([record(name)["card"] for name in names()])


@pytest.fixture(scope="module")
def made() -> dict[str, list[Table]]:
    from hvae.checkpoints.published import PUBLISHED
    from hvae.config.families import FAMILIES
    from hvae.config.presets import PRESETS

    known = {"forms": ["photographs", "photographs-dynamic"], "sizes": {"train": 1281149, "test": 49999}, "bits": 8}
    known |= {
        "shape": [3, 64, 64],
        "found": "/srv/data/of/a/long/name",
        "download": False,
        "what": "photographs of all",
    }
    presets = [
        {"preset": n, "family": "ladder", "levels": 15, "parameters": 1.6e7, "time": "not timed; 1 GPU"}
        | {"about": p.about}
        for n, p in PRESETS.items()
    ]
    return {
        "evaluate": list(tables([summary(EVALUATION)])),
        "compare": [compared(TASK)],
        "score": list(tables(scores(SCORED))),
        "data": [sets([known] * 3)],
        "models": [
            _families([{"family": n, "about": "a model of levels in words that wrap"} for n in FAMILIES]),
            _presets(presets),
            _published(PUBLISHED.values()),
            packaged(),
        ],
    }


def test_columns_that_are_left_out_stay_apart_whatever_their_heads_hold() -> None:
    rows = table("run", "-ELBO, nats", "-IW-100, nats", "bits, each", "")
    rows.add_row("a-run-of-a-long-name", "17,224.20 ± 31.25", "17,201.10 ± 30.00", "4.4", "")
    text = " ".join(" ".join(line.plain for line in rows.lines(42)).split())
    assert "is narrow: -IW-100, nats; bits, each (see a wider window or --json)" in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", ["evaluate", "compare", "score", "data", "models"])
def test_no_table_cuts_anything(
    command: str, width: int, made: dict[str, list[Table]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in made[command]:
        text = on_terminal(one, width, monkeypatch)
        assert all(len(line) <= width for line in text.splitlines()), text
        body, _, note = text.partition("left out, since the window is narrow: ")
        gone = " ".join(note.split())
        shown = [i for i, head in enumerate(one.heads) if not (head and head in gone)]
        assert 0 in shown and len(shown) >= 2
        for row in one.rows:
            # What has no blank in it is never broken.
            assert {word for i in shown for word in row[i].split()} <= set(body.split()), text


@pytest.mark.parametrize("width", WIDTHS)
def test_headlines_and_measures_are_whole_at_every_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = on_terminal(summary(EVALUATION), width, monkeypatch)
    assert "17,224.20 [17,162.95, 17,285.45] nats" in text and "e+0" not in text
    assert all(re.search(rf"^{name} +17?[\d,.]+|^{name} +[\d,.]+", text, re.M) for name in LEVELS)
    flat = " ".join(text.split())
    assert EVALUATION.conclusion.split()[5] in flat and "2,049 pictures" in flat
    text = on_terminal(compared(TASK), width, monkeypatch)
    assert all(row.run in text for row in TASK.rows), "names are whole"
    assert all(number in text for number in ("17,224.20 ± 31.25 best", "17,225.20", "17,226.20"))


def test_a_narrow_list_of_packaged_models_says_what_they_are() -> None:
    _, heads, *_ = packaged().lines(80)
    assert heads.plain.split() == ["name", "data", "licence", "what", "it", "is"]


@pytest.mark.parametrize("width", [20, 30, 40, 60])
def test_narrower_than_anyone_has(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows become blocks, and still no number is broken."""
    text = on_terminal(compared(TASK), width, monkeypatch)
    assert "17,224.20" in text and "31.25" in text
    assert "17,224.20" in on_terminal(summary(EVALUATION), width, monkeypatch)


def test_a_pipe_has_no_width(capsys: pytest.CaptureFixture[str]) -> None:
    Voice().show(summary(EVALUATION))
    Voice().show(compared(TASK))
    out = capsys.readouterr().out
    assert "left out" not in out
    for cells in EVALUATION.levels().values():
        assert all(cell in out for cell in cells.values())
    assert all(title in out for title in TASK.measures)
    assert all(value in out for _, value, _ in EVALUATION.headlines())
    assert all(row[2] in out for sheet in EVALUATION.sheets() for row in sheet.rows)


def test_the_real_commands_fit(
    monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any], run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(run, tmp_path / "copy")
    out = io.StringIO()
    wanted = {"force_terminal": True, "width": 80, "color_system": None, "markup": False, "soft_wrap": True}
    consoles = [Console(file=file, **wanted) for file in (out, io.StringIO())]  # type: ignore[arg-type]
    for words in (["inspect", "digits"], ["evaluate", str(folder)], ["models"], ["data"]):
        monkeypatch.setattr(module, "_console", lambda stderr, quiet: consoles[stderr])
        assert command(*words).code == 0
    lines = [line for line in out.getvalue().splitlines() if "/" not in line]
    assert lines and all(len(line) <= 80 for line in lines), [line for line in lines if len(line) > 80]


def test_a_loaded_run_fits_a_screen(run: Path) -> None:
    from hvae.checkpoints import load

    text = repr(load(run))
    assert "\n" not in text and len(text) < 160 + len(str(run))
    assert text.startswith("LoadedRun(lvae, ") and "1x8x8 of 4 bit, step 6" in text and str(run) in text
