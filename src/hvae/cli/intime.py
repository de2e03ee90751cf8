"""What hvae compress says of a file of sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.cli.voice import Voice, table
from hvae.screen.numbers import counted

if TYPE_CHECKING:
    from hvae.coding import CompressedSeries
    from hvae.study.compress import Compression

NAMES = {"zlib": "zlib, all at once", "flac": "FLAC, a file each"}


def show(voice: Voice, coded: CompressedSeries, result: Compression, title: str) -> None:
    """Where the bits went, and what other formats take."""
    account, total = coded.account, 8 * len(coded.content)
    rows = table("", "bits a value", "bytes", title=title)
    for name, bits in {"on the stack, net": account.net, "minus the ELBO, one draw each": account.elbo}.items():
        rows.add_row(f"{name} (of those by the model)", "", f"{bits / 8:,.0f}")
    rows.add_row("the file", f"{total / coded.values:.4f}", f"{total // 8:,}")
    for name, size in result.rivals.items():
        rows.add_row(NAMES[name], f"{8 * size / coded.values:.4f}", f"{size:,}")
    voice.show(rows)
    checked = f", {coded.check_seconds:.1f} s of them to check" if coded.check_seconds else ", not checked"
    failed = (
        f"; kept without the model, since they did not come back: {counted(coded.kept, 'block')}" if coded.kept else ""
    )
    seeds = f"the stacks begin with {account.seeds:,} of {counted(account.images, 'sequence')}, deflated"
    voice.show(f"in the order of time; {seeds}; {coded.seconds:.1f} s{checked}{failed}")
