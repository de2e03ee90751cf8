"""The report: one page that shows a person what a model has learnt."""

from hvae.reporting.data import (
    Agreement,
    Headline,
    History,
    LevelNumbers,
    Picture,
    ReportData,
    Sheet,
    Verdict,
    history,
    read_history,
)
from hvae.reporting.pictures import pictures
from hvae.reporting.write import render, write_report

__all__ = [
    "Agreement",
    "Headline",
    "History",
    "LevelNumbers",
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
