from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def estimate(mean: float, error: float = 0.5) -> dict[str, float]:
    return {"mean": mean, "standard_error": error, "low95": mean - error, "high95": mean + error}


def record(elbo: float = 90.0, **changes: Any) -> dict[str, Any]:
    """An evaluation as `hvae evaluate` writes it; dotted keys change it."""
    made: dict[str, Any] = {
        "step": 1000,
        "split": "test",
        "likelihood": {
            "data": 1000,
            "dims": 784,
            "samples": 100,
            "likelihood": "mass",
            "negative_elbo_nats": estimate(elbo),
            "negative_iw_nats": estimate(elbo - 3),
            "elbo_bits_per_dim": estimate(elbo / 543, 0.001),
            "iw_bits_per_dim": estimate((elbo - 3) / 543, 0.001),
        },
        "activity": {"levels": {"z2": {"state": "alive"}, "z1": {"state": "collapsed"}}},
        "coarse_to_fine": None,
        "data": {
            "name": "mnist-static",
            "version": "",
            "shape": [1, 28, 28],
            "bits": 1,
            "binarisation": "static",
            "checksums": {"test": "00ff" * 16},
        },
    }
    for key, value in changes.items():
        *path, last = key.split("__")
        at = made
        for part in path:
            at = at[part]
        at[last] = value
    return made


RATE = {"rate_nats": 1.0, "rate_nats_per_dim": 0.5}
COUNTS = {"data": 1000, "seed": 0}
REST: dict[str, dict[str, Any]] = {
    "likelihood": {
        **{"effective_samples": 3.0, "seed": 0, "nonfinite_data": 0, "reconstruction_nats": estimate(80.0)},
        "levels": {"z1": {**RATE, "dims": 2, "estimator": "analytic"}},
    },
    "activity": {**COUNTS, "samples": 4, "verdict": ""},
    "data": {"source": "here", "sizes": {"test": 1000}, "transforms": []},
    "protocol": {"name": "hvae", "about": "", "kept": True, "likelihood": "dmol", "stated": ""},
    "reconstruction": {**COUNTS, "ms_ssim": None, "ms_ssim_scales": 0},
    "coarse_to_fine": dict.fromkeys(("top_held_pairwise", "top_redrawn_pairwise", "chance_pairwise"), 0.5),
    "classes": {**COUNTS, "classes": 10, "chance": 0.1, "dims_at_most": 8},
    "quality": {"kid_deviation": 0.1, "features": 9, "samples": "", "resizing": "none", "note": ""},
    "disentanglement": {**COUNTS, "factors": {}},
}
OF_LEVELS: dict[str, dict[str, Any]] = {
    "activity": {**RATE, **dict.fromkeys(("dims", "channels", "active_dims", "active_channels", "used_dims"), 2)},
    "classes": {"nmi": 0.1, "ari": 0.1},
    "disentanglement": {
        **{"carries": {}, "dims": 2, "dims_used": 2, "mig_by_factor": {}, "factor_vae_chance": 0.1},
        **{"dci_completeness": 0.1, "dci_informativeness": 0.1},
    },
}
OF_LEVELS["activity"]["used_channels"] = 1
OF_BOUNDS: dict[str, Any] = {
    **{"dims": 784, "seed": 0, "likelihood": "mass", "effective_groups": 2.0, "nonfinite_data": 0},
    **dict.fromkeys(("negative_group_nats", "negative_elbo_nats", "gap_below_nats"), estimate(1.0)),
    "hiw_bits_per_dim": None,
}


def complete(made: dict[str, Any]) -> dict[str, Any]:
    """A record with all that these tests say nothing of."""
    whole = {key: {**REST.get(key, {}), **part} if isinstance(part, dict) else part for key, part in made.items()}
    for key, rest in OF_LEVELS.items():
        if key in whole:
            whole[key] = {**whole[key], "levels": {n: {**rest, **level} for n, level in whole[key]["levels"].items()}}
    for bound in whole.get("hierarchical", {"bounds": []})["bounds"]:
        bound |= {key: value for key, value in OF_BOUNDS.items() if key not in bound}
    return whole


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., list[Path]]:
    def write(**records: dict[str, Any]) -> list[Path]:
        for name, made in records.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "evaluation.json").write_text(json.dumps(complete(made)))
        return [tmp_path / name for name in records]

    return write


def compared(command: Command, folders: list[Path]) -> list[dict[str, Any]]:
    said = command("compare", *folders, "-o", folders[0].parent / "page.html", "--json")
    assert said.code == 0, said.err
    groups: list[dict[str, Any]] = said.json["groups"]
    return groups


def standings(group: dict[str, Any], title: str) -> dict[str, str]:
    return {row["run"]: row["measures"].get(title, {}).get("standing", "") for row in group["rows"]}


def test_runs_of_one_task_are_ranked(command: Command, runs: Callable[..., list[Path]]) -> None:
    (group,) = compared(command, runs(a=record(90), b=record(91), c=record(95)))
    assert standings(group, "-ELBO, nats") == {"a": "best", "b": "tied", "c": "behind"}
    assert standings(group, "-IW-100, nats") == {"a": "best", "b": "tied", "c": "behind"}
    assert group["task"] == "mnist-static, 1,000 test data, 1x28x28, 1 bit" and group["apart"] == {}
    assert group["rows"][0]["facts"] == {"steps": "1,000", "levels": "1 of 2 used"}


@pytest.mark.parametrize(
    ("states", "line"),
    [
        (("fixed", "collapsed"), "0 of 1 used, 1 fixed"),
        (("fixed", "fixed"), "2 fixed"),
        (("alive", "weak"), "2 of 2 used"),
        (("none yet", "alive"), "1 of 2 used"),
    ],
)
def test_levels_are_counted_as_they_were_judged(
    states: tuple[str, str], line: str, command: Command, runs: Callable[..., list[Path]]
) -> None:
    levels = {
        name: {"state": state, "sentence": "", "advice": ""} for name, state in zip(("z2", "z1"), states, strict=True)
    }
    (group,) = compared(command, runs(a=record(90, verdict={"text": "", "levels": levels}), b=record(91)))
    assert group["rows"][0]["facts"]["levels"] == line


@pytest.mark.parametrize(
    "other",
    [
        {"data__version": "first 1,000 of 10,000 test images"},
        {"data__bits": 5},
        {"data__checksums": {"test": "beef" * 16}},
        {"data__name": "mnist-dynamic", "data__binarisation": "dynamic"},
        {"data__shape": [1, 32, 32]},
        {"split": "valid"},
        {"likelihood__data": 500},
        {"likelihood__likelihood": "density"},
        {"likelihood__given": ["label"]},
        {"protocol": {"reading": "published"}},
        {"unlike_training": ["checksums"]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_different_tasks_are_never_ranked(
    other: dict[str, Any], command: Command, runs: Callable[..., list[Path]]
) -> None:
    found = compared(command, runs(a=record(90), b=record(95), odd=record(50, **other)))
    assert [[row["run"] for row in group["rows"]] for group in found] == [["a", "b"], ["odd"]]
    assert standings(found[0], "-ELBO, nats") == {"a": "best", "b": "behind"}
    assert set(standings(found[1], "-ELBO, nats").values()) == {"unranked"}


def test_what_sets_tasks_apart_is_said(command: Command, runs: Callable[..., list[Path]]) -> None:
    folders = runs(a=record(), b=record(protocol={"reading": "published"}))
    assert [group["apart"] for group in compared(command, folders)] == [{"reading": "exact"}, {"reading": "published"}]
    said = command("compare", *folders, "-o", folders[0].parent / "page.html")
    assert "2 different tasks: ranked within each, not across" in said.out and "(reading: published)" in said.out
    assert (
        "±: one standard error" in said.out
        and "After ± stands one standard error" in (folders[0].parent / "page.html").read_text()
    )


def test_different_bounds_have_columns_of_their_own(command: Command, runs: Callable[..., list[Path]]) -> None:
    (group,) = compared(
        command, runs(a=record(90), b=record(91, likelihood__samples=1000), c=record(80, likelihood__samples=1))
    )
    assert standings(group, "-ELBO, nats") == {"a": "behind", "b": "behind", "c": "best"}
    assert standings(group, "-IW-100, nats") == {"a": "unranked", "b": "", "c": ""}
    assert standings(group, "-IW-1000, nats") == {"a": "", "b": "unranked", "c": ""}


def test_bits_per_dimension_of_images_and_none_of_binary_ones(
    command: Command, runs: Callable[..., list[Path]]
) -> None:
    (grey,) = compared(command, runs(a=record(90, data__bits=8), b=record(99, data__bits=8)))
    assert "-IW-100, bits/dim" in grey["rows"][0]["measures"]
    (binary,) = compared(command, runs(c=record(90), d=record(99)))
    assert list(binary["rows"][0]["measures"]) == ["-ELBO, nats", "-IW-100, nats"]


def test_quality_is_quoted_with_its_extractor(command: Command, runs: Callable[..., list[Path]]) -> None:
    quality = {"extractor": "e", "real": 500, "generated": 500, "fid": 9.0, "kid": 0.1}
    quality |= {"precision": 0.5, "recall": 0.4, "density": 0.9, "coverage": 0.8}
    other = {**quality, "extractor": "f", "fid": 1.0}
    better = {**quality, "fid": 7.0, "coverage": 0.9}
    (group,) = compared(command, runs(a=record(quality=quality), b=record(quality=other), c=record(quality=better)))
    title = "FID (e; 500 real, 500 generated)"
    assert standings(group, title) == {"a": "behind", "b": "", "c": "best"}
    assert standings(group, title.replace("FID", "coverage"))["c"] == "best"


def test_every_measure_with_a_better_and_a_worse_is_ranked(command: Command, runs: Callable[..., list[Path]]) -> None:
    def more(good: float) -> dict[str, Any]:
        scores = {"mig": 0.1, "dci_disentanglement": 0.2, "sap": 0.1, "factor_vae": 0.5 * good}
        return record(
            reconstruction={"data": 300, "psnr_db": estimate(20 * good), "ms_ssim": None},
            hierarchical={
                "bounds": [
                    {
                        "groups": 4,
                        "samples": 25,
                        "shared": ["z2"],
                        "data": 200,
                        "negative_hiw_nats": estimate(80 / good),
                    }
                ]
            },
            classes={"codes": "means", "data": 900, "levels": {"z2": {"probe_accuracy": 0.2 * good}}},
            disentanglement={"codes": "means", "data": 800, "levels": {"z1": scores, "z2": {**scores, "mig": 0.0}}},
        )

    (group,) = compared(command, runs(a=more(1.0), b=more(1.5)))
    for title in (
        "PSNR of 300 reconstructions, dB",
        "-HIW-4x25, nats (1 of the levels shared, 200 data)",
        "linear probe of the best level (means, 900 data)",
        "FactorVAE score of the best level (means, 800 data)",
    ):
        assert standings(group, title) == {"a": "behind", "b": "best"}, title


def test_what_is_not_finite_is_shown_and_not_ranked(command: Command, runs: Callable[..., list[Path]]) -> None:
    broken = record()
    broken["likelihood"]["negative_elbo_nats"] = {"mean": None, "standard_error": None}
    folders = runs(a=record(90), b=broken, c=record(99))
    (group,) = compared(command, folders)
    assert standings(group, "-ELBO, nats") == {"a": "best", "b": "unranked", "c": "behind"}
    assert "not finite" in command("compare", *folders, "-o", folders[0].parent / "p.html").out


def test_the_page_is_whole_and_asks_nothing_of_a_network(
    command: Command, runs: Callable[..., list[Path]], tmp_path: Path
) -> None:
    compared(command, runs(a=record(90), b=record(95), c=record(50, data__name="<script>alert(1)</script>")))
    page = (tmp_path / "page.html").read_text()
    assert "<h1>Comparison of runs</h1>" in page and page.count("<table>") == 2
    # Numbers do not break, and a table that is wider than the page scrolls in a box.
    assert len(re.findall(r'<div class="scroll"[^>]*>\s*<table>', page)) == 2 and "td { font-variant-numeric" in page
    assert "90.00 ± 0.50" in page and '<span class="chip">best</span>' in page
    assert "<script" not in page and not re.search(r"(src|href)=.https?:", page)
    assert "2 different tasks" in page


def test_a_real_run_with_itself(run: Path, tmp_path: Path, command: Command) -> None:
    again = shutil.copytree(run, tmp_path / "again")
    (group,) = compared(command, [again, run])
    assert standings(group, "-ELBO, nats") == {"again": "best", run.name: "best"}
    assert group["rows"][0]["facts"]["family"] == "lvae" and "M" in group["rows"][0]["facts"]["parameters"]


def test_names_are_as_long_as_they_must_be(command: Command, runs: Callable[..., list[Path]], tmp_path: Path) -> None:
    (a, b) = runs(a=record(), b=record())
    for parent in ("one", "two"):
        shutil.copytree(a, tmp_path / parent / "same")
    (group,) = compared(command, [tmp_path / "one" / "same", tmp_path / "two" / "same"])
    assert [row["run"] for row in group["rows"]] == ["one/same", "two/same"]
    assert b.exists()


def test_faults_are_one_line(command: Command, runs: Callable[..., list[Path]], tmp_path: Path) -> None:
    (a,) = runs(a=record())
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "evaluation.json").write_text('{"split": "test"}')
    for words, line in (
        ([a], "expected two runs or more to compare, got 1"),
        ([a, a], "got one twice"),
        ([a, tmp_path / "nowhere"], "no run at"),
        ([a, tmp_path / "empty"], "has no evaluation.json; measure it first: hvae evaluate"),
        ([a, tmp_path / "odd"], "is damaged or cannot be read (step is missing)"),
        ([a, tmp_path / "odd", "-o", "x.txt"], "ends in .html"),
    ):
        said = command("compare", *words)
        assert said.code == 2 and line in said.err and said.err.count("\n") == 1, said.err


def test_a_damaged_measure_is_left_out_and_said(command: Command, runs: Callable[..., list[Path]]) -> None:
    folders = runs(a=record(90), b=record(91))
    path = folders[0] / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "reconstruction": {"data": "many"}}))
    said = command("compare", *folders, "-o", path.parent / "page.html")
    assert said.code == 0 and "reconstruction is left out (reconstruction.data: expected a whole number" in said.err
    assert "-ELBO" in said.out and "PSNR" not in said.out
