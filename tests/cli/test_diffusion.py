"""A diffusion through the commands: trained, measured, drawn from in few steps, and refused where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hvae.cli.main import main

Command = Callable[..., Any]

TINY = (
    "--model.widths",
    "4",
    "--model.blocks",
    "1",
    "--model.steps",
    "12",
    "--train.steps",
    "4",
    "--train.batch",
    "16",
)
FEW = ("--train.valid_size", "20", "--train.accelerator", "cpu", "--evaluate.limit", "20")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "vdm"
    assert main(["train", "digits-vdm", *TINY, *FEW, "--out", str(folder)]) == 0
    return folder


def test_levels_are_grouped_and_the_bound_is_measured_by_their_number(run: Path, command: Command) -> None:
    said = command("evaluate", run, "--evaluate.measures", "likelihood,depth", "--json")
    assert said.code == 0, said.err
    found = said.json
    assert list(found["likelihood"]["levels"]) == [f"z{l}" for l in range(11, 0, -1)]
    assert {level["estimator"] for level in found["likelihood"]["levels"].values()} == {"analytic"}
    assert [row["levels"] for row in found["depth"]["by_levels"]] == [10, 12]
    shown = command("evaluate", run, "--evaluate.measures", "depth").out
    assert "levels T" in shown and "random levels a datum at most" in shown


@pytest.mark.parametrize("solver", ["ancestral:3", "ddim:12", "second-order:2", "ddim"])
def test_samples_by_a_solver(run: Path, tmp_path: Path, command: Command, solver: str) -> None:
    said = command("sample", run, "-n", 2, "--solver", solver, "-o", tmp_path / "a.npy", "--seed", 3, "--json")
    assert said.code == 0 and said.json["solver"] == solver
    pictures = np.load(tmp_path / "a.npy")
    assert pictures.shape == (2, 1, 8, 8) and 0 <= pictures.min() <= pictures.max() <= 1


@pytest.mark.parametrize("task", [("inpaint", "--mask", "2,0,3,8"), ("denoise", "--noise", "0.2", "--degrade")])
def test_pictures_are_restored(run: Path, tmp_path: Path, command: Command, task: tuple[str, ...]) -> None:
    words = ("--task", *task, "-n", 3, "--draws", 2, "--out", tmp_path / "out", "--json")
    said = command("restore", run, "test", *words)
    assert said.code == 0, said.err
    assert said.json["way"] == "diffuse" and said.json["passes"] == (20 if task[0] == "inpaint" else 2)
    draws, known = (np.load(tmp_path / "out" / f"{name}.npy") for name in ("draws", "observed"))
    assert draws.shape == (3, 2, 1, 8, 8) and (draws[:, 0] != draws[:, 1]).any()
    if task[0] == "inpaint":
        is_known = ~np.isnan(known)
        assert (~is_known).sum() == 3 * 24 and (draws[:, 0][is_known] == known[is_known]).all()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("test", "--task", "inpaint", "--mask", "0.5", "--way", "refine"), "that of a diffusion is fixed"),
        (("test", "--task", "inpaint", "--mask", "0.5", "--way", "gibbs"), "a chain moves a diffusion no further"),
        (("test", "--task", "inpaint", "--mask", "0.5", "--way", "partial"), "no inference that could learn"),
        (("test", "--task", "superres", "--factor", "2", "--degrade"), "for --task superres take another family"),
        (("test", "--task", "inpaint", "--mask", "0.5", "--steps", "9"), "--way diffuse works by --sweeps"),
        (("LARGE", "--task", "denoise", "--noise", "0.1", "--sweeps", "2"), "is one walk down from the noise"),
        (("LARGE", "--task", "denoise", "--noise", "own"), "--noise own is for runs that have learnt from noisy"),
        (("LARGE", "--task", "denoise", "--noise", "0.1"), "expected pictures of 8 x 8, as this diffusion has them"),
    ],
)
def test_what_a_diffusion_does_not_restore_is_one_line(
    words: tuple[str, ...], line: str, run: Path, tmp_path: Path, command: Command
) -> None:
    np.save(tmp_path / "large.npy", np.random.default_rng(0).random((2, 1, 16, 16)).astype(np.float32))
    places = {"LARGE": tmp_path / "large.npy"}
    said = command("restore", run, *(places.get(word, word) for word in words), "--out", tmp_path / "out")
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1, said.err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 12 levels that are told a class."""
    folder = tmp_path_factory.mktemp("runs") / "told"
    condition = ("--model.condition.kind", "class", "--model.condition.drop", "0.2", "--model.norm", "group")
    assert main(["train", "digits-vdm", *TINY, *FEW, *condition, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    "how", [("--guidance", 2), ("--guidance", 0), ("-t", 0), ("-t", 0.5), ("--guidance", 3, "-t", 0)]
)
def test_one_number_for_all_levels_serves_walks_that_visit_few(
    told: Path, tmp_path: Path, command: Command, how: tuple[object, ...]
) -> None:
    for solver in ("second-order:3", "ddim:1", "ancestral:2"):
        out = ("-n", 2, "--context", "label=3", "-o", tmp_path / "a.npy", "--seed", 1)
        said = command("sample", told, *how, "--solver", solver, *out)
        assert said.code == 0, said.err
        assert np.isfinite(np.load(tmp_path / "a.npy")).all()


def test_a_level_that_a_short_walk_leaves_out_is_one_line(told: Path, tmp_path: Path, command: Command) -> None:
    for how in (("--temperature.z3", 0.5), ("--guidance", "z3=2")):
        said = command(
            "sample", told, *how, "--solver", "ddim:2", "--context", "label=3", "-n", 1, "-o", tmp_path / "a.npy"
        )
        assert said.code == 2 and said.err.count("\n") == 1, said.err
        assert "a walk of so few steps visits (z11, z6, z1), got z3; take more steps" in said.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("sample", "RUN", "--solver", "ddim:13"), "expected 1 to 12 levels, as many as this model has, got 13"),
        (("sample", "RUN", "--solver", "ddim:0"), "of 1 or more steps, got ddim:0"),
        (("sample", "RUN", "--solver", "heun:5"), "no solver named 'heun'"),
        (("evaluate", "RUN", "--evaluate.measures", "quality", "--evaluate.solver", "ddim:13"), "1 to 12 levels"),
        (("train", "digits-vdm", "--model.steps", "-1", "--out", "OUT"), "or 0 for continuous time, got -1"),
        (
            ("train", "digits-vdm", "--model.steps", "0.5", "--out", "OUT"),
            "steps: expected a whole number, got '0.5'",
        ),
        (("train", "digits-vdm", "--evaluate.solver", "ddim:0", "--out", "OUT"), "evaluate.solver: expected a solver"),
        (
            ("train", "digits-vdm", "--model.steps=10", "--evaluate.measures=quality", "--out", "OUT"),
            "quality cannot be measured: expected 1 to 10 levels, as many as this model has, got 50; take fewer",
        ),
        (("train", "digits-vdm", "--model.gamma_min=5", "--model.gamma_max=5", "--out", "OUT"), "expected more than"),
        (
            ("train", "digits-vdm", "--model.condition.kind=class", "--model.condition.levels=z3", "--out", "OUT"),
            "model.condition.levels: expected all for vdm",
        ),
        (("train", "digits", "--model.context.size=9", "--out", "OUT"), "model.context.size: expected at most 8"),
        (("train", "digits-vdm", "--model.gamma_max", "-9", "--out", "OUT"), "noise grows with time"),
        (("train", "digits-vdm", "--model.gamma_min=4.9999", "--out", "OUT"), "50 levels from model.gamma_min 4.9999"),
        (("train", "digits-vdm", "--model.gamma_min=-31", "--out", "OUT"), "ratio from -30 to 40"),
        (
            ("train", "digits-vdm", "--objective.kind", "iwae", "--objective.samples=2", "--out", "OUT"),
            "choose elbo",
        ),
        (("train", "digits-vdm", "--model.likelihood", "dmol", "--out", "OUT"), "expected gaussian-grid"),
    ],
)
def test_bad_input_is_refused_first(
    words: tuple[str, ...], line: str, run: Path, tmp_path: Path, command: Command
) -> None:
    place = {"RUN": run, "OUT": tmp_path / "new"}
    said = command(*(place.get(word, word) for word in words))
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1, said.err
    assert not (tmp_path / "new").exists()


def test_solvers_are_about_diffusions(trained: tuple[Path, Any], command: Command) -> None:
    said = command("sample", trained[0], "--solver", "ddim:5")
    assert said.code == 2 and "is about diffusions (model.family vdm)" in said.err


def test_many_levels_are_not_coded(tmp_path: Path) -> None:
    from hvae import HvaeError, build
    from hvae.coding import Codec
    from hvae.config import VDMConfig

    model = build(VDMConfig(steps=101, widths=(4,), blocks=1, gamma_min=-3.0), (1, 4, 4), bits=1)
    with pytest.raises(HvaeError, match=r"a walk of 101 levels is not coded.*--model.steps 50"):
        Codec(model, bits=1).calibrate(np.zeros((2, 1, 4, 4), dtype=np.uint8))
