from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from hvae.errors import HvaeError
from hvae.training import rows as module
from hvae.training.rows import Meter, Rows


def started(path: Path) -> Rows:
    rows = Rows(path)
    rows.cut(0)
    return rows


def test_a_new_column_keeps_the_old_rows(tmp_path: Path) -> None:
    rows = started(tmp_path / "m.csv")
    rows.write({"step": 1, "loss": 2.5})
    rows.write({"step": 2, "loss": 1.25, "valid/elbo": -3.0})
    rows.write({"step": 3, "loss": 1.0})
    assert rows.path.read_text() == "step,loss,valid/elbo\n1,2.5,\n2,1.25,-3\n3,1,\n"


def test_resuming_cuts_later_rows_and_a_broken_last_line(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("step,loss\n1,2.5\n2,1.5\n3,0.5\n4,0.")
    rows = Rows(path)
    rows.cut(2)
    assert path.read_text() == "step,loss\n1,2.5\n2,1.5\n"
    rows.write({"step": 3, "loss": 0.75})
    assert path.read_text() == "step,loss\n1,2.5\n2,1.5\n3,0.75\n"


def test_a_fresh_run_starts_a_fresh_file(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("step,loss\n1,2.5\n")
    started(path)
    assert path.read_text() == ""


@pytest.mark.parametrize("how", ["deleted", "a pipe"])
def test_a_table_that_is_taken_away_comes_back_whole(tmp_path: Path, how: str) -> None:
    rows = started(tmp_path / "m.csv")
    rows.write({"step": 1, "loss": 2.5})
    rows.path.unlink()
    if how == "a pipe":
        os.mkfifo(rows.path)  # opened for appending it would wait for a reader
    rows.write({"step": 2, "loss": 1.5})
    assert rows.path.read_text() == "step,loss\n1,2.5\n2,1.5\n"


def test_a_full_disk_loses_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = started(tmp_path / "m.csv")
    rows.write({"step": 1, "loss": 1.0})

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr("builtins.open", full)
        with pytest.raises(OSError, match="No space"):
            rows.write({"step": 2, "loss": 2.0})
        m.setattr(module, "write_text", lambda *a: (_ for _ in ()).throw(HvaeError("full")))
        with pytest.raises(HvaeError):
            rows.write({"step": 3, "loss": 3.0})
    rows.write({"step": 4, "loss": 4.0})
    assert rows.path.read_text() == "step,loss\n1,1\n2,2\n3,3\n4,4\n"


def test_meter_goes_on_where_another_stopped() -> None:
    one, two = Meter(), Meter()
    one.add(("a", "b"), torch.tensor([1.0, 2.0]))
    one.add(("a", "b"), torch.tensor([2.0, 4.0]))
    two.restore(one.state(), torch.device("cpu"))
    two.add(("a", "b"), torch.tensor([6.0, 0.0]))
    assert two.means() == {"a": 3.0, "b": 2.0}
    assert one.means() == {"a": 1.5, "b": 3.0}
