r"""Coding of rounded latents, top level first, without bits-back; every prefix of levels is decodable.

    encode:  walk on the data; of each level send k = round(mu_q - mu_p), go on with z = mu_p + k
    decode:  walk on nothing; read k of each level that is there, and z = mu_p where nothing is

A symbol k has the mass of its bin, $\Phi((k + 1/2) / \sigma_p) - \Phi((k - 1/2) / \sigma_p)$, in integers.  Duan, Lu,
Ma and Zhu 2022, arXiv 2208.13056, sec. 3.

Or with dither, numbers u in [-1/2, 1/2) that both sides know: k = round(mu_q - mu_p - u), z = mu_p + k + u.  Then z is
distributed as in training, mu_q plus uniform noise, and the mean size of a file is the rate of training to the bit
(Ziv 1985; Agustsson and Theis 2020, arXiv 2006.09952, sec. 3).  Rounding alone is the better the longer a model was
trained; an encoder tries both, and the file says which it is.

Shapes: `B` rows; `N` all elements of a value, (B, ...) flattened; `E` edges.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.curves import UNIT, Floats, Ints, normal
from hvae.coding.entropy.forms import Rounded
from hvae.coding.entropy.laws import form
from hvae.coding.entropy.numerics import calm, noise
from hvae.coding.entropy.queue import Reader, Writer
from hvae.coding.entropy.steady import Parameters, Uncodable, flat
from hvae.coding.entropy.symbols import Cumulative
from hvae.coding.files.classic import Levels
from hvae.datum import Context
from hvae.draw import Draw, Drawn, mode
from hvae.errors import HvaeError
from hvae.site import Site
from hvae.walk import Evidence, Model, device_of, run

HALF = 1 << 11
"""Symbols lie between -HALF and HALF - 1: a residue beyond is cut off to them, in the encoder's walk too."""


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


Dither = Callable[[str, int], Floats]
"""Dither of `count` symbols of a level, in [-1/2, 1/2)."""


def plain(name: str, count: int) -> Floats:
    """No dither."""
    return np.zeros(count)


def shaken(name: str, count: int) -> Floats:
    """Fixed pseudo-random dither, different for every level."""
    words = hashlib.shake_256(b"hvae dither " + name.encode()).digest(4 * count)
    return np.frombuffer(words, dtype="<u4") / 2**32 - 0.5


DITHERS: tuple[Dither, ...] = (plain, shaken)


class Residues(Cumulative):
    """Integers, plus a dither, around the mean of a Gaussian that is blurred by their width; symbol 0 is -HALF."""

    size = 2 * HALF

    def __init__(self, scale: Floats, dither: Floats) -> None:
        self.scale, self.dither, self.total = scale, dither, np.full(len(scale), UNIT)

    def cumulative(self, index: Ints) -> Ints:
        return normal()((index - HALF - 0.5 + self.dither[:, None]) / self.scale[:, None])

    def write(self, writer: Writer, symbols: Ints) -> None:
        def digit(masses: Floats, shift: int) -> Ints:
            digits = (symbols >> shift) & (masses.shape[1] - 1)
            writer.write(masses, digits)
            return digits

        self._walk(digit)

    def read(self, reader: Reader) -> Ints:
        return self._walk(lambda masses, shift: reader.read(masses))


class _Sending(Draw):
    """Rounds the levels of `names`; the others are at the mean of their prior, as in the decoder."""

    def __init__(self, names: Collection[str], dither: Dither) -> None:
        self.names, self.dither, self.chunks = names, dither, dict[str, Chunk]()

    def __call__(self, site: Site) -> Drawn:
        if site.auxiliary:
            return mode(site)  # a choice of the walk itself, which both sides make alike
        law = _law(site)
        if site.name not in self.names:
            return _middle(site, law)
        assert site.q is not None, f"a walk on data knows the q of {site.name}"
        dither = self.dither(site.name, len(law.loc))
        residue = np.rint(flat(site.q.mean()) - law.loc - dither).clip(-HALF, HALF - 1).astype(np.int64)
        writer = Writer()
        Residues(law.scale, dither).write(writer, residue + HALF)
        self.chunks[site.name] = Chunk(writer.words().astype("<u4").tobytes(), _crc(residue))
        return Drawn(_value(site, law.loc + (residue + dither)), site.q)


class _Receiving(Draw):
    """Decodes the available levels; the others and the data are at the mean of p."""

    def __init__(self, chunks: Mapping[str, Chunk], dither: Dither) -> None:
        self.chunks, self.dither = chunks, dither

    def __call__(self, site: Site) -> Drawn:
        assert site.p is not None, f"a walk on nothing knows the p of {site.name}"
        if site.data:
            return Drawn(site.p.mean(), site.p)
        if site.auxiliary:
            return mode(site)
        law = _law(site)
        if site.name not in self.chunks:
            return _middle(site, law)
        dither = self.dither(site.name, len(law.loc))
        residue = _residue(self.chunks[site.name], Residues(law.scale, dither), site.name)
        return Drawn(_value(site, law.loc + (residue + dither)), site.p)


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
        law = _law(site)
        self.seen.update(np.stack(law).astype("<f8").tobytes())
        residue = noise(len(law.loc)).astype(np.int64) % 5 - 2
        return Drawn(_value(site, law.loc + residue), site.p)


def encode(
    model: Model,
    levels: Levels,
    names: Collection[str],
    bits: int,
    dither: Dither = plain,
    context: Context | None = None,
) -> Sent:
    """Pictures, (B, C, H, W) of integers, as the chunks of the levels `names`; `model` is still, of their shape."""
    sending = _Sending(names, dither)
    with calm():
        x = torch.from_numpy(levels).double() / (2**bits - 1)
        trace = run(model, sending, model.evidence(x, context))
        nats = {name: float(rate.sum()) for name, rate in trace.rates().items() if name in sending.chunks}
        shown = _levels(trace.observed[-1].law.mean(), bits)
        return Sent(sending.chunks, shown, nats, float(trace.log_likelihood().sum()) - sum(nats.values()))


def decode(
    model: Model,
    chunks: Mapping[str, Chunk],
    n: int,
    bits: int,
    dither: Dither = plain,
    context: Context | None = None,
) -> Levels:
    """The pictures, (n, C, H, W), that the chunks of any upper levels show.  Raises HvaeError for damaged ones."""
    with calm():
        trace = run(model, _Receiving(chunks, dither), n=n, context=context)
        return _levels(trace.observed[-1].law.mean(), bits)


def fingerprint(model: Model, context: Context | None = None) -> bytes:
    """8 bytes that differ on a machine that computes other probabilities, of any level, or another picture."""
    drawing = _Drawing()
    with calm():
        run(model, drawing, n=1, context=context)
    return drawing.seen.digest()[:8]


def quantised(model: Model) -> list[str]:
    """The levels of a model, top first; empty if the model cannot be used for lossy coding."""
    device = device_of(model)
    context = {name: condition.placeholder(1, device) for name, condition in model.conditions.items()}
    with torch.no_grad():
        latents = run(model, mode, Evidence(1, context=context)).latents
    lossy = all(isinstance(form(r.p), Rounded) and not r.late and r.step is None for r in latents)
    return [record.name for record in latents] if lossy else []


def psnr(a: Sequence[Levels], b: Sequence[Levels], bits: int) -> float:
    r"""The mean over pictures of $10 \log_{10} (1 / \text{MSE})$ in dB, of values in [0, 1]; at most 100 a picture.

    >>> round(psnr([np.zeros((1, 2, 2), dtype=np.uint8)], [np.ones((1, 2, 2), dtype=np.uint8)], 8), 2)
    48.13
    """
    top = 2**bits - 1
    errors = [np.mean(((one.astype(np.float64) - other) / top) ** 2) for one, other in zip(a, b, strict=True)]
    return float(np.mean([-10 * np.log10(max(error, 1e-10)) for error in errors]))


def _law(site: Site) -> Parameters:
    own = form(site.p)
    if not isinstance(own, Rounded):
        raise Uncodable(f"expected level {site.name} to be made for rounding, got {site.p!r}; train a qresvae model")
    return own.parameters


def _middle(site: Site, law: Parameters) -> Drawn:
    return Drawn(_value(site, law.loc), site.p)


def _value(site: Site, z: Floats) -> Tensor:
    assert site.p is not None
    like = site.p.mean()
    return torch.from_numpy(z).reshape(like.shape).to(like.dtype)


def _residue(chunk: Chunk, code: Residues, name: str) -> Ints:
    if len(chunk.payload) % 4:
        raise HvaeError(f"level {name} is no whole number of words; the file is damaged")
    reader = Reader(np.frombuffer(chunk.payload, dtype="<u4").astype(np.uint32))
    residue = code.read(reader) - HALF
    reader.check_end()
    if _crc(residue) != chunk.content:
        raise HvaeError(
            f"level {name} decodes to other values than were sent; the file is damaged, or of another model"
        )
    return residue


def _crc(residue: Ints) -> int:
    return zlib.crc32(residue.astype("<i2").tobytes())


def _levels(x: Tensor, bits: int) -> Levels:
    """Pictures in about [0, 1] as integers."""
    return (x.clamp(0, 1) * (2**bits - 1)).round().to(torch.uint8).numpy()
