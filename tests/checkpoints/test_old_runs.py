"""A run folder of an earlier commit: it loads, gives the numbers it gave, and reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import hvae
from hvae.data import load as load_data

FOLDER = Path(__file__).parents[1] / "fixtures" / "run-before-evidence"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy, since commands write into a run folder."""
    return Path(shutil.copytree(FOLDER, tmp_path / "run"))


def test_an_old_run_gives_the_numbers_it_gave(folder: Path) -> None:
    run, recorded = hvae.load(folder), json.loads((folder / "recorded.json").read_text())
    test = load_data(run.config.data).test.batch(range(recorded["data"]))
    assert float(test.x.double().sum()) == pytest.approx(recorded["x_sum"])
    with torch.no_grad():
        trace = run.model(test, hvae.mode)
    torch.testing.assert_close(trace.elbo(), torch.tensor(recorded["mode_elbo_nats"]), rtol=1e-5, atol=1e-4)
    for name, rate in trace.rates().items():
        torch.testing.assert_close(rate, torch.tensor(recorded["mode_rates_nats"][name]), rtol=1e-4, atol=1e-4)


def test_an_old_run_has_the_bounds_it_had(folder: Path) -> None:
    run, earlier = hvae.load(folder), json.loads((folder / "evaluation.json").read_text())["likelihood"]
    split = load_data(run.config.data).test
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[: earlier["data"]]
    now = hvae.bounds(run.model, split.some(order).batches(50), samples=earlier["samples"])
    # The draws may be others; the data are the same ones, so that the draws alone tell the two apart.
    assert now.negative_iw_nats.mean == pytest.approx(earlier["negative_iw_nats"]["mean"], abs=1.5)
    assert now.negative_elbo_nats.mean == pytest.approx(earlier["negative_elbo_nats"]["mean"], abs=0.5)
