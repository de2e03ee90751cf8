from __future__ import annotations

import io

import pytest
from rich.console import Console

from hvae.train import display as module
from hvae.train.display import LiveDisplay, NoDisplay, PlainDisplay, Progress, display

ROW = {"loss": 80.5, "rate/z2": 3.0, "rate/z1": 21.0, "valid/elbo": -82.0}


def test_plain_lines_have_the_time_left_and_every_rate(capsys: pytest.CaptureFixture[str]) -> None:
    PlainDisplay().show(Progress(10, 100, 75.0, 2000.0, ROW))
    out, err = capsys.readouterr()
    assert out == "", "a command's own output must stay clean"
    assert err.splitlines() == [
        "step 10/100 · loss 80.50 · valid elbo -82.00 · 2,000 data/s · 1:15 left · nats: z2 3.00 z1 21.00"
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
    for part in ("step 10/100", "1:15 left", "z2", "3.000", "z1", "21.000", "█", "something happened"):
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


@pytest.mark.parametrize(
    ("speaks", "terminal", "kind"),
    [
        (True, True, LiveDisplay),
        (True, False, PlainDisplay),
        (False, True, NoDisplay),
    ],
)
def test_the_right_one_is_chosen(monkeypatch: pytest.MonkeyPatch, speaks: bool, terminal: bool, kind: type) -> None:
    monkeypatch.setattr(module, "Console", lambda stderr: Console(file=io.StringIO(), force_terminal=terminal))
    assert type(display(speaks)) is kind
