r"""Rounded latents as symbols: integers around the mean of p, with the masses of a Gaussian that is blurred by a bin.

Or with dither, numbers u in [-1/2, 1/2) that both sides know: k = round(mu_q - mu_p - u), z = mu_p + k + u.  Then z is
distributed as in training, mu_q plus uniform noise, and the mean size of a file is the rate of training to the bit
(Ziv 1985; Agustsson and Theis 2020, arXiv 2006.09952, sec. 3).  Rounding alone is the better the longer a model was
trained; an encoder tries both, and the file says which it is.

Shapes: `N` all elements of a value, (B, ...) flattened; `E` edges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hvae.coding.entropy.curves import UNIT, Floats, Ints, normal
from hvae.coding.entropy.forms import Rounded
from hvae.coding.entropy.numerics import noise
from hvae.coding.entropy.steady import flat
from hvae.coding.entropy.symbols import Cumulative
from hvae.coding.lossy.level import Choose, Level, Seen
from hvae.site import Site

HALF = 1 << 11
"""Symbols lie between -HALF and HALF - 1: a residue beyond is cut off to them, in the encoder's walk too."""

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


class Residual(Level):
    """The integers of one level around the mean of its p, with a dither."""

    def __init__(self, site: Site, form: Rounded, dither: Dither) -> None:
        self.site, self.law = site, form.parameters
        self.dither = dither(site.name, len(self.law.loc))

    def middle(self) -> Tensor:
        return self._value(self.law.loc)

    def symbols(self) -> Ints:
        assert self.site.q is not None, f"a walk on data knows the q of {self.site.name}"
        residue = np.rint(flat(self.site.q.mean()) - self.law.loc - self.dither)
        return residue.clip(-HALF, HALF - 1).astype(np.int64) + HALF

    def decided(self, choose: Choose) -> tuple[Ints, Tensor]:
        symbols = choose(Residues(self.law.scale, self.dither))
        return symbols, self._value(self.law.loc + ((symbols - HALF) + self.dither))

    def packed(self, symbols: Ints) -> bytes:
        return (symbols - HALF).astype("<i2").tobytes()

    def probed(self, view: Seen) -> Tensor:
        view(np.stack(self.law).astype("<f8").tobytes())
        return self._value(self.law.loc + noise(len(self.law.loc)).astype(np.int64) % 5 - 2)

    def _value(self, z: Floats) -> Tensor:
        assert self.site.p is not None
        like = self.site.p.mean()
        return torch.from_numpy(z).reshape(like.shape).to(like.dtype)
