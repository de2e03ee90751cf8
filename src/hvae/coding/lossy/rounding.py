r"""Levels coded top first, without bits-back; every prefix of them is decodable.

    encode:  walk on the data; of each level send the symbols nearest to q, go on with the value that they name
    decode:  walk on nothing; read the symbols of each level that is there, and take the middle of p where nothing is

Rounded latents send k = round(mu_q - mu_p) for z = mu_p + k, with the mass of its bin,
$\Phi((k + 1/2) / \sigma_p) - \Phi((k - 1/2) / \sigma_p)$, in integers (Duan, Lu, Ma and Zhu 2022, arXiv 2208.13056,
sec. 3); maps of codes send their indices with the masses of p (van den Oord et al. 2017, arXiv 1711.00937, sec. 3.3).

Shapes: `B` rows; `C H W` a picture.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.curves import Ints
from hvae.coding.entropy.forms import Form, Rounded
from hvae.coding.entropy.numerics import calm
from hvae.coding.entropy.queue import Reader, Writer
from hvae.coding.entropy.registry import Listed, form
from hvae.coding.entropy.steady import Uncodable
from hvae.coding.entropy.symbols import Cumulative
from hvae.coding.files.classic import Levels
from hvae.coding.lossy.codes import Indices
from hvae.coding.lossy.level import Level
from hvae.coding.lossy.residues import Dither, Residual, plain
from hvae.condition import Context
from hvae.datum import Datum
from hvae.draw import Draw, Drawn, mode
from hvae.errors import HvaeError
from hvae.site import Site
from hvae.walk import Model, glimpse, run


class Chunk(NamedTuple):
    """One level of some pictures: its bytes, and the CRC-32 of its symbols."""

    payload: bytes
    content: int


class Sent(NamedTuple):
    """The result of encoding: chunks by level, the decoded picture, nats by level, and the training objective."""

    chunks: dict[str, Chunk]
    levels: Levels
    nats: dict[str, float]
    elbo: float


class _Sending(Draw):
    """Sends the levels of `names`; the others are at the middle of their prior, as in the decoder."""

    def __init__(self, names: Collection[str], dither: Dither) -> None:
        self.names, self.dither, self.chunks = names, dither, dict[str, Chunk]()

    def __call__(self, site: Site) -> Drawn:
        if site.auxiliary:
            return mode(site)  # a choice of the walk itself, which both sides make alike
        level = _level(site, self.dither)
        if site.name not in self.names:
            return Drawn(level.middle(), site.p)
        writing = _Writing(level.symbols())
        symbols, value = level.decided(writing)
        self.chunks[site.name] = Chunk(writing.payload(), zlib.crc32(level.packed(symbols)))
        return Drawn(value, site.q)


class _Writing:
    """Chooses the next of some symbols, and writes them."""

    def __init__(self, symbols: Ints) -> None:
        self.symbols, self.at, self.writer = symbols, 0, Writer()

    def __call__(self, code: Cumulative) -> Ints:
        start, self.at = self.at, self.at + len(code.total)
        part = self.symbols[start : self.at]
        code.write(self.writer, part)
        return part

    def payload(self) -> bytes:
        return self.writer.words().astype("<u4").tobytes()


class _Receiving(Draw):
    """Decodes the available levels; the others are at the middle of p, and the data at its mean."""

    def __init__(self, chunks: Mapping[str, Chunk], dither: Dither) -> None:
        self.chunks, self.dither = chunks, dither

    def __call__(self, site: Site) -> Drawn:
        assert site.p is not None, f"a walk on nothing knows the p of {site.name}"
        if site.data:
            return Drawn(site.p.mean(), site.p)
        if site.auxiliary:
            return mode(site)
        level = _level(site, self.dither)
        there = site.name in self.chunks
        return Drawn(_received(level, self.chunks[site.name], site.name) if there else level.middle(), site.p)


class _Drawing(Draw):
    """Fixed pseudo-random symbols; records every parameter that a file depends on."""

    def __init__(self) -> None:
        self.seen = hashlib.sha256()

    def __call__(self, site: Site) -> Drawn:
        assert site.p is not None
        if site.data:
            self.seen.update(_levels(site.p.mean(), 8).tobytes())
            return Drawn(site.p.mean(), site.p)
        if site.auxiliary:
            return mode(site)
        return Drawn(_level(site, plain).probed(self.seen.update), site.p)


def encode(
    model: Model,
    levels: Levels,
    names: Collection[str],
    bits: int,
    dither: Dither = plain,
    context: Context | None = None,
    lengths: Tensor | None = None,
) -> Sent:
    """Pictures, (B, C, H, W) of integers, or sound, (B, T, S) of these `lengths`, as the chunks of the levels `names`;
    `model` is still, of their shape."""
    sending = _Sending(names, dither)
    with calm():
        x = torch.from_numpy(levels).double() / (2**bits - 1)
        trace = run(model, sending, model.evidence(Datum(x, lengths=lengths), context))
        nats = {name: float(rate.sum()) for name, rate in trace.rates().items() if name in sending.chunks}
        pixels = _levels(trace.observed[-1].law.mean(), bits)
        return Sent(sending.chunks, pixels, nats, float(trace.log_likelihood().sum()) - sum(nats.values()))


def decode(
    model: Model,
    chunks: Mapping[str, Chunk],
    n: int,
    bits: int,
    dither: Dither = plain,
    context: Context | None = None,
    lengths: Tensor | None = None,
) -> Levels:
    """The pictures, (n, C, H, W), or sound of these `lengths`, (n, T, S), that the chunks of any upper levels show.

    Raises HvaeError for damaged ones."""
    with calm():
        trace = run(model, _Receiving(chunks, dither), replace(model.nothing(n, context), lengths=lengths))
        return _levels(trace.observed[-1].law.mean(), bits)


def fingerprint(model: Model, context: Context | None = None) -> bytes:
    """8 bytes that differ on a machine that computes other probabilities, of any level, or another picture."""
    drawing = _Drawing()
    with calm():
        run(model, drawing, n=1, context=context)
    return drawing.seen.digest()[:8]


def forms(model: Model) -> dict[str, Form]:
    """What each level of a model is to this codec, top first; none if the model cannot be used for lossy coding."""
    latents = glimpse(model).latents
    each = {record.name: form(record.p) for record in latents}
    own: dict[str, Form] = {name: one for name, one in each.items() if isinstance(one, Rounded | Listed)}
    return own if len(own) == len(latents) and not any(r.late or r.step is not None for r in latents) else {}


def quantised(model: Model) -> list[str]:
    """The levels of a model, top first; empty if the model cannot be used for lossy coding."""
    return list(forms(model))


def psnr(a: Sequence[Levels], b: Sequence[Levels], bits: int) -> float:
    r"""The mean over pictures of $10 \log_{10} (1 / \text{MSE})$ in dB, of values in [0, 1]; at most 100 a picture.

    >>> round(psnr([np.zeros((1, 2, 2), dtype=np.uint8)], [np.ones((1, 2, 2), dtype=np.uint8)], 8), 2)
    48.13
    """
    top = 2**bits - 1
    errors = [np.mean(((one.astype(np.float64) - other) / top) ** 2) for one, other in zip(a, b, strict=True)]
    return float(np.mean([-10 * np.log10(max(error, 1e-10)) for error in errors]))


def _level(site: Site, dither: Dither) -> Level:
    own = form(site.p)
    if isinstance(own, Rounded):
        return Residual(site, own, dither)
    if isinstance(own, Listed):
        return Indices(site, own)
    raise Uncodable(
        f"expected level {site.name} to be made for rounding, or of codes, got {site.p!r}; train a qresvae model"
    )


def _received(level: Level, chunk: Chunk, name: str) -> Tensor:
    if len(chunk.payload) % 4:
        raise HvaeError(f"level {name} is no whole number of words; the file is damaged")
    reader = Reader(np.frombuffer(chunk.payload, dtype="<u4").astype(np.uint32))

    def read(code: Cumulative) -> Ints:
        symbols = code.read(reader)
        if (symbols >= code.size).any():
            raise HvaeError(f"level {name} names a code beyond the {code.size} there are; the file is damaged")
        return symbols

    symbols, value = level.decided(read)
    reader.check_end()
    if zlib.crc32(level.packed(symbols)) != chunk.content:
        raise HvaeError(
            f"level {name} decodes to other values than were sent; the file is damaged, or of another model"
        )
    return value


def _levels(x: Tensor, bits: int) -> Levels:
    """Pictures or sound in about [0, 1] as integers."""
    kind = torch.uint8 if bits <= 8 else torch.int32
    return (x.clamp(0, 1) * (2**bits - 1)).round().to(kind).numpy()
