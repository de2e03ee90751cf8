"""What hvae compress says of a file without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hvae.cli.voice import Voice, table
from hvae.screen.numbers import counted

if TYPE_CHECKING:
    from hvae.coding import Compressed
    from hvae.study.compress import Compression


def show(voice: Voice, coded: Compressed, result: Compression, title: str) -> None:
    """Where the bits went, and what other formats take."""
    account, dims, total = coded.account, coded.dims, 8 * len(coded.content)
    rows = table("", "bits a dimension", "bytes", title=title)
    parts = {
        f"minus the ELBO, one draw an image +- {_percent(account.spread, account.elbo)}": account.elbo,
        "by the trace of the walks": account.trace,
        "on the stack, net": account.net,
    }
    for name, bits in parts.items() if coded.chained and coded.order != "classic" else ():
        rows.add_row(name, f"{bits / coded.chained:.4f}", f"{bits / 8:,.0f}")
    rows.add_row("the file", f"{total / dims:.4f}", f"{total / 8:,.0f}")
    for name, size in result.rivals.items():
        form = {"png": "PNG, one by one", "webp": "WebP lossless, one by one", "gzip": "gzip, all at once"}[name]
        rows.add_row(form, f"{8 * size / dims:.4f}", f"{size:,}")
    voice.show(rows)
    voice.show(_notes(coded))


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "0 %"


def _notes(coded: Compressed) -> str:
    account = coded.account
    checked = f", {coded.check_seconds:.1f} s of them to check" if coded.check_seconds else ", not checked"
    time = f"{coded.seconds:.1f} s{checked}"
    if coded.order == "classic" or not coded.chained:
        return f"kept as PNG, WebP or zlib: the model would have cost more; {time}"
    failed = (
        f"; kept without the model, since they did not come back: {counted(coded.kept, 'block')}" if coded.kept else ""
    )
    seeds = f"the stacks begin with {account.seeds:,} of {counted(account.images, 'image')} in a classic format"
    begun = f"the stacks of {counted(coded.blocks, 'block')} begin with {account.start / 8:,.0f} bytes in all"
    first = f"the first one holds {account.first / 8:,.0f} bytes after its first image"
    return f"order {coded.order}; {seeds}; {begun}; {first}; {time}{failed}"
