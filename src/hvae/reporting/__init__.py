"""The report: one page that shows a person what a model has learnt.

Names are loaded when they are first used: what a report is made of costs nothing without the libraries that draw it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.lazy import lazy

if TYPE_CHECKING:
    from hvae.reporting.data import (
        Agreement,
        Headline,
        History,
        LevelNumbers,
        Passage,
        Picture,
        ReportData,
        Sheet,
        Verdict,
        history,
        read_history,
    )
    from hvae.reporting.easel import pictures
    from hvae.reporting.write import render, write_report

__all__ = [
    "Agreement",
    "Headline",
    "History",
    "LevelNumbers",
    "Passage",
    "Picture",
    "ReportData",
    "Sheet",
    "Verdict",
    "history",
    "pictures",
    "read_history",
    "render",
    "write_report",
]

_DATA = ("Agreement", "Headline", "History", "LevelNumbers", "Passage", "Picture", "ReportData", "Sheet", "Verdict")
_PLACES = {
    "data": (*_DATA, "history", "read_history"),
    "easel": ("pictures",),
    "write": ("render", "write_report"),
}

__getattr__ = lazy("hvae.reporting", _PLACES)
