from __future__ import annotations

from pathlib import Path

from hvae.reporting import History, history, read_history

CSV = """step,elbo,rate/z1,rate/z2,valid/elbo,loss
10,-90.5,3.0,0.5,,91
20,-88,4,0.25,-89.5,88
"""


def test_curves_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(CSV)
    read = read_history(tmp_path / "metrics.csv", ["z2", "z1"])
    assert list(read.rates) == ["z2", "z1"]
    assert read.rates["z2"] == ([10.0, 20.0], [0.5, 0.25])
    assert read.losses == {"training": ([10.0, 20.0], [90.5, 88.0]), "validation": ([20.0], [89.5])}


def test_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert read_history(tmp_path / "none.csv", ["z1"]) == History()
    assert history([{"step": 1, "rate/z1": 2.0}], ["z2", "z1"]).rates == {"z1": ([1.0], [2.0])}


def test_what_is_not_finite_is_a_gap() -> None:
    rows = [{"step": "1", "rate/z1": "nan", "elbo": "-inf"}, {"step": "2", "rate/z1": "2", "elbo": "-80"}]
    read = history(rows, ["z1"])
    assert read.rates == {"z1": ([2.0], [2.0])} and read.losses == {"training": ([2.0], [80.0])}


def test_the_use_of_levels_is_read_from_validations_alone() -> None:
    rows = [{"step": 1, "rate/z1": 2.0}, {"step": 2, "valid/used/z1": 0.5, "valid/information/z1": 1.5}]
    read = history(rows, ["z2", "z1"])
    assert read.used == {"z1": ([2.0], [0.5])} and read.information == {"z1": ([2.0], [1.5])}
