"""Deterministic numerics for coding, and fingerprints that detect machines that disagree.

Encoder and decoder must compute the same probabilities.  Guaranteed by: a copy of the model in double precision, in
evaluation mode, on the CPU, on one thread, without gradients or autocast; batches of the same rows on both sides (the
file says how many each step has); parameters rounded before they are used (`steady`), and integer tables from there on
(`curves`).  So files decode on any number of threads and, but for a chance of about 1e-7 an image, on another processor
or build of torch; there the fingerprint, or at the latest the check of every block, refuses before a byte is written.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.stack import Words
from hvae.condition import Context
from hvae.errors import HvaeError, entries
from hvae.walk import Model
from hvae.weights import digest

IDENTITY = 16
"""Bytes that tell one model from another."""
Build = Callable[[tuple[int, ...]], Model]
"""A shape (C, H, W) to an untrained model of a configuration."""


@contextmanager
def calm() -> Iterator[None]:
    """One thread, no gradients, no autocast; the number of threads is restored afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_num_threads(threads)


def still(model: Model) -> Model:
    """A copy of the model for coding: double precision, evaluation mode, on the CPU.  The model itself is untouched."""
    own: Model = copy.deepcopy(model).cpu().double().eval().requires_grad_(False)
    return own


def settled(model: Model, context: Context | None) -> dict[str, Tensor]:
    """The context of all pictures of a file, {name: (1, ...)}, in double precision.

    Raises HvaeError when the model's context is missing, or has more than one value.
    """
    rows = model.nothing(1, entries(context)).context
    return {name: row.double() if row.is_floating_point() else row for name, row in rows.items()}


def resized(model: Model, build: Build | None, shape: tuple[int, ...]) -> Model:
    """The model with the same weights for data of another shape.  Raises HvaeError when the weights depend on the
    shape."""
    with torch.random.fork_rng(devices=[]):
        other = None if build is None else build(shape).double()
    own = model.state_dict()
    if other is None or {k: v.shape for k, v in other.state_dict().items()} != {k: v.shape for k, v in own.items()}:
        raise HvaeError(
            f"the weights of this model are those of images of {tuple(model.shape)} alone; compress images (or tiles) "
            "of that size, or train a ladder with --model.start everywhere, or codes with --model.prior uniform"
        )
    other.load_state_dict(own)
    return still(other)


def identity(model: Model, description: Mapping[str, object]) -> bytes:
    """A 16-byte hash of the weights and the description."""
    return bytes.fromhex(digest(model.state_dict(), description))[:IDENTITY]


def noise(count: int) -> Words:
    """`count` fixed pseudo-random words: the initial bits where no other data can be borrowed."""
    return np.frombuffer(hashlib.shake_256(b"hvae stack").digest(4 * count), dtype="<u4").astype(np.uint32)
