"""What the columns of a table hold, in the words of `model.columns`.  No torch here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hvae.errors import HvaeError, short

REAL, WHOLE, NAME = "real", "whole", "name"
COLUMNS = "columns"
"""The likelihood of tables: to each column a law of its own."""
PARQUET = ".parquet"
TABLES = (".csv", PARQUET)
"""How the names of their files end."""
MOST_NAMES, MOST_WHOLES = 1000, 1 << 14
"""Names, and whole numbers, of one column."""
MOST_ALL = 1 << 20
_KIND = re.compile(r"real|(whole|name):([1-9][0-9]{0,5})")


def count_of(kind: str) -> int:
    """How many numbers or names a column has; 0 for real ones.

    >>> count_of("real"), count_of("whole:90"), count_of("name:3")
    (0, 90, 3)
    """
    return int(kind.partition(":")[2] or 0)


def check_columns(likelihood: str, columns: Sequence[str]) -> None:
    """Raises HvaeError for a column of no such kind, and for columns of another likelihood."""
    for kind in columns:
        match = _KIND.fullmatch(kind)
        most = {WHOLE: MOST_WHOLES, NAME: MOST_NAMES}.get(kind.partition(":")[0], 0)
        if not match or count_of(kind) > most or kind == "whole:1":
            raise HvaeError(
                f"model.columns: expected real, whole:L of 2 to {MOST_WHOLES:,} numbers, or name:K of up to "
                f"{MOST_NAMES:,} names, got {short(kind)}; leave it out, the data say it"
            )
    names = [count_of(kind) for kind in columns if kind.startswith(NAME)]
    if len(names) * max(names, default=0) > MOST_ALL:
        raise HvaeError(
            f"model.columns: expected up to {MOST_ALL:,} names in all, columns of names times the most names of one, "
            f"got {len(names):,} times {max(names):,}; leave columns out"
        )
    if columns and likelihood != COLUMNS:
        raise HvaeError(
            f"model.columns: read by model.likelihood columns alone, and it is {likelihood}; leave one of them out"
        )
