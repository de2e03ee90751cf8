r"""Bits-back coding of sequences, by any model that is timed.

    encode:  walk on the data, popping each latent with its q;  walk on nothing with these latents and these data, so
             that each p is the decoder's;  push every site with its p, last known first
    decode:  walk on nothing, popping each site with its p, in the order of time;  walk again on the result, its latents
             given;  push every latent with its q, last known first

The second walk of the encoder goes step by step where generation does: a model that reads all of its data at once
would visit them in another order, and compute their laws in other batches.  Net bits a sequence are
$-\log_2 p(x, z) + \log_2 q(z \mid x)$, whose mean is minus the ELBO of the whole (see `bitsback`).

Shapes: `B` sequences of one length; `T` steps; `...` one step.
"""

from __future__ import annotations

from torch import Tensor

from hvae.coding.entropy.stack import Stack
from hvae.coding.lossless.bitsback import Receiver, Sender, code_of, in_order, proposal, push_data
from hvae.coding.lossless.book import Book
from hvae.condition import Context
from hvae.draw import given
from hvae.site import Pin, pin
from hvae.walk import Model, Trace, glimpse, run

DATA = "x"


def encode(model: Model, stack: Stack, x: Tensor, book: Book, context: Context | None = None) -> Trace:
    """Encode x, (B, T, ...), onto the stack.  Raises Exhausted when the stack has too few initial bits."""
    sender = Sender(stack, book)
    trace = run(model, sender, model.evidence(x, context))
    values = {**_latents(trace), **_data(model, x)}
    again = run(model, given(values), model.nothing(len(x), context, steps=x.shape[1]))
    for record in reversed(in_order(again, "p")):
        if record.data:
            push_data(stack, record.law, record.value)
        else:
            code_of(record, record.law, book).push(stack, sender.symbols[record.key])
    return trace


def decode(model: Model, stack: Stack, n: int, steps: int, book: Book, context: Context | None = None) -> Tensor:
    """Decode n sequences of so many steps from the stack, (n, T, ...), and return the borrowed bits."""
    receiver = Receiver(stack, book)
    first = run(model, receiver, model.nothing(n, context, steps=steps))
    assert first.x is not None
    again = run(model, given(_latents(first)), model.evidence(first.x, context))
    for record in reversed(in_order(again, "q")):
        # What a walk chooses for itself, such as the steps that it hears, is certain, and has no bits.
        if not (record.data or record.auxiliary):
            code_of(record, proposal(record), book).push(stack, receiver.symbols[record.key])
    return first.x


def _latents(trace: Trace) -> dict[Pin, Tensor]:
    return {pin(record.key): record.value for record in trace.latents}


def _data(model: Model, x: Tensor) -> dict[Pin, Tensor]:
    """The data as generation visits them: at once, or step by step."""
    at_once = (DATA, None) in glimpse(model).records
    return {DATA: x} if at_once else {(DATA, t): one for t, one in enumerate(x.unbind(1))}
