from __future__ import annotations

import io
import math
import re
import sys
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from hvae.training import display as module
from hvae.training.display import LiveDisplay, NoDisplay, NotebookDisplay, PlainDisplay, Progress, display

ROW = {"loss": 80.5, "rate/z2": 3.0, "rate/z1": 21.0, "valid/elbo": -82.0}


def test_plain_lines_have_the_time_left_and_every_rate(capsys: pytest.CaptureFixture[str]) -> None:
    PlainDisplay().show(Progress(10, 100, 75.0, 2000.0, ROW))
    out, err = capsys.readouterr()
    assert out == "", "a command's own output must stay clean"
    assert err.splitlines() == [
        "step 10/100, 10 % · loss 80.50 nats · valid -ELBO 82.00 nats · 2,000 data/s · 1:15 left"
        " · nats: z2 3.000 z1 21.00"
    ]


def test_plain_lines_stay_short_with_many_levels(capsys: pytest.CaptureFixture[str]) -> None:
    row = {f"rate/z{i}": 1.0 for i in range(40)}
    PlainDisplay().show(Progress(1, 2, 1.0, 1.0, row))
    assert "and 32 more" in capsys.readouterr().err


def test_live_table_shows_each_level() -> None:
    out = io.StringIO()
    live = LiveDisplay(Console(file=out, force_terminal=True, width=100))
    with live.open():
        live.show(Progress(10, 100, 75.0, 2000.0, ROW))
        live.note("something happened")
    text = out.getvalue()
    for part in ("step 10/100", "1:15 left", "z2", "3.000", "z1", "21.00", "█", "something happened"):
        assert part in text


def test_live_table_hides_what_does_not_fit() -> None:
    out = io.StringIO()
    live = LiveDisplay(Console(file=out, force_terminal=True, width=100, height=60))
    with live.open():
        live.show(Progress(1, 2, 1.0, 1.0, {f"rate/z{i}": float(i) for i in range(40)}))
    assert "16 more levels" in out.getvalue()


def test_it_is_due_again_only_after_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    shown = PlainDisplay()
    assert shown.due()
    shown.show(Progress(1, 2, 1.0, 1.0, {}))
    now += 4.9
    assert not shown.due()
    now += 0.2
    assert shown.due()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_live_table_cuts_no_number(width: int) -> None:
    out = io.StringIO()
    live = LiveDisplay(Console(file=out, force_terminal=True, width=width, color_system=None))
    row = {"loss": 17224.2, "valid/elbo": -17224.2, **{f"rate/z{i}": 15749.35 + i for i in range(9)}}
    with live.open():
        live.show(Progress(98765, 100000, 75.0, 17224.2, row))
    text = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", out.getvalue()).replace("\r", "\n")
    seen = set(text.split())
    assert {"98,765/100,000,", "17,224", "1:15", *(f"z{i}" for i in range(9)), "15,749", "15,757", "level"} <= seen
    assert all(len(line.rstrip()) <= width for line in text.splitlines())


def test_it_speaks_before_anything_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    PlainDisplay().show(Progress(1, 100000, 3725.0, 120.0, {}))
    assert capsys.readouterr().err == "step 1/100,000, 0 % · 120 data/s · 1:02:05 left\n"


def test_what_is_not_finite_breaks_no_display() -> None:
    out = io.StringIO()
    live = LiveDisplay(Console(file=out, force_terminal=True, width=80, color_system=None))
    with live.open():
        live.show(Progress(1, 2, math.inf, 1.0, {"loss": math.nan, "rate/z2": math.inf, "rate/z1": math.nan}))
    assert "loss not finite" in out.getvalue() and "? left" in out.getvalue()


def test_a_notebook_renews_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    place = SimpleNamespace(update=lambda text, raw: shown.append("again " + text["text/plain"]))

    def first(text: dict[str, str], raw: bool, display_id: bool) -> SimpleNamespace:
        shown.append(text["text/plain"])
        return place

    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=first))
    notebook = NotebookDisplay()
    for step in (1, 2):
        notebook.show(Progress(step, 4, 9.0, 100.0, ROW))
    assert "step 1/4, 25 %" in shown[0] and "z2" in shown[0] and "━" in shown[0] and "\x1b" not in shown[0]
    assert shown[1].startswith("again step 2/4, 50 %")


@pytest.mark.parametrize(
    ("speaks", "where", "kind"),
    [
        (True, {"force_terminal": True}, LiveDisplay),
        (True, {"force_terminal": False}, PlainDisplay),
        (True, {"force_jupyter": True}, NotebookDisplay),
        (False, {"force_terminal": True}, NoDisplay),
    ],
)
def test_the_right_one_is_chosen(
    monkeypatch: pytest.MonkeyPatch, speaks: bool, where: dict[str, bool], kind: type
) -> None:
    monkeypatch.setattr(module, "Console", lambda stderr: Console(file=io.StringIO(), **where))
    assert type(display(speaks)) is kind
