"""Which columns a model of a table understands, from the command's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hvae
from hvae.study.measures.columns import ByColumn


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of three columns one is the sign of another, and one is told by none."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("table")
    number, noise = random.normal(size=300), random.normal(size=300)
    rows = [f"{a:.4f},{'up' if a > 0 else 'down'},{b:.4f}" for a, b in zip(number, noise, strict=True)]
    (folder / "rows.csv").write_text("\n".join(["number,sign,noise", *rows]) + "\n")
    keys = {"train.steps": 400, "train.accelerator": "cpu", "model.widths": (32, 32), "evaluate.samples": 4}
    out = folder / "run"
    hvae.train("table", out=out, overrides={"data.path": str(folder / "rows.csv"), **keys})
    return out


def test_a_table_says_of_its_own_accord_which_columns_are_understood(table: Path) -> None:
    record = json.loads((table / "evaluation.json").read_text())["columns"]
    columns = {one["column"]: one for one in record["columns"]}
    assert set(columns) == {"number", "sign", "noise"}
    parts = [one["reconstruction_nats"]["mean"] for one in columns.values()]
    assert sum(parts) == pytest.approx(record["reconstruction_nats"]["mean"])
    gain = {name: one["gain_nats"]["mean"] for name, one in columns.items()}
    assert gain["sign"] > 0.2 and gain["sign"] > gain["noise"] + 0.2
    page = (table / "report.html").read_text()
    assert "What is understood of each column" in page and "columns understood" in page


def test_other_data_have_no_such_columns(tmp_path: Path) -> None:
    keys = {"data.name": "digits", "model.family": "vae", "model.latent": 2, "model.widths": (8,), "train.steps": 2}
    run = tmp_path / "run"
    hvae.train(out=run, overrides={**keys, "train.accelerator": "cpu", "evaluate.samples": 2, "evaluate.limit": 20})
    assert hvae.evaluate(run).of(ByColumn) is None
    with pytest.raises(hvae.HvaeError, match="columns cannot be measured: a law for each column is needed"):
        hvae.evaluate(run, measures="columns")
