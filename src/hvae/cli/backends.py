"""The option that says what computes."""

from __future__ import annotations

from hvae.cli.parser import Parser
from hvae.study.backends import NAMES, PLAIN

HELP = (
    "what computes walks: " + ", ".join(NAMES) + "; others than torch get a graph, converted once for you and compared "
    f"with torch on the first batch; where it differs, or there is none, torch computes and a line says why [{PLAIN}]"
)


def add_backend(command: Parser) -> None:
    """Add --backend to a command."""
    command.add_argument("--backend", default=PLAIN, metavar="B", help=HELP)
