"""A top-down walk over maps of codes of a signal of any length: a codec of sound.

Shapes: `n`, `B` rows; `T` steps; `S` values of a step; `P` positions of codes, one for each `stride` steps; `D` numbers
of a code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.datum import Datum
from hvae.distributions import OverTime
from hvae.levels.heads import Head
from hvae.models.coded import Booked, books_of
from hvae.models.conditioning import Conditioning
from hvae.models.fewer import Fewer
from hvae.nn.begin import initialise
from hvae.range import UNIT
from hvae.site import Visit
from hvae.walk import Evidence, device_of

SILENCE = 0.5
"""What follows a signal in [0, 1]."""


class CodedSignal(Booked):
    r"""Codes of a signal, the top level first, each of what those above it have left.

    $$h_L = 0, \qquad h_{l-1} = h_l + z_l, \qquad x \sim p(x \mid \text{leave}(h_0))$$

    Encoder and decoder hear the past alone, so that a signal among longer ones has the codes that it has by itself.
    A position exists where a step of it does: others cost nothing.

    Arguments: `shape`, (T, S) with the usual number of steps; `stride`, steps a position; `dims` D; `enter`, the signal
    (B, S, T) -> (B, D, P); `levels`, top first; `fewer`, which levels training leaves out; `condition`, how one
    enters them; `leave`, (B, D, P) -> raw parameters (B, R, T); `head`, raw (N, R) -> the law of a step.
    """

    limits = UNIT
    timed = True

    def __init__(
        self,
        shape: Sequence[int],
        *,
        stride: int,
        dims: int,
        enter: nn.Module,
        levels: Sequence[nn.Module],
        fewer: Fewer,
        condition: Conditioning,
        leave: nn.Module,
        head: Head,
    ) -> None:
        super().__init__()
        self.shape, self.stride, self.dims = tuple(shape), stride, dims
        self.levels = nn.ModuleDict({str(level.name): level for level in levels})
        self.books = books_of(self.levels)
        self.condition, self.conditions = condition, condition.conditions
        self.enter, self.fewer, self.leave, self.head = enter, fewer, leave, head

    def prepare(self, datum: Datum) -> None:
        self.condition.prepare(datum)
        initialise(self, lambda: self(datum))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"signal": self.enter(self._padded(datum).movedim(1, 2)), **self.condition.features(datum)}

    def _padded(self, datum: Datum) -> Tensor:
        """The signals (B, T, S) with silence behind them, up to a whole position."""
        x = datum.x
        if datum.lengths is not None:
            within = torch.arange(x.shape[1], device=x.device) < datum.lengths[:, None]
            x = torch.where(within[:, :, None], x, SILENCE)
        return F.pad(x, (0, 0, 0, -x.shape[1] % self.stride), value=SILENCE)

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        steps = evidence.steps or self.shape[0]
        places = math.ceil(steps / self.stride)
        h = torch.zeros(evidence.n, self.dims, places, device=device_of(self), dtype=next(self.parameters()).dtype)
        signal, codes = evidence.feature("signal"), self._existing(self.fewer(visit, evidence), evidence, places)
        entry = self.condition(codes, evidence)
        for name, level in self.levels.items():
            h = level(h, entry.evidence(name, signal), entry)
        raw = self.leave(h)[..., :steps].movedim(1, 2)  # (n, T, R)
        law = OverTime(self.head(raw.flatten(0, 1)), steps)
        return visit(evidence.site(law) if evidence.x is None else evidence.sequence(law))

    def _existing(self, visit: Visit, evidence: Evidence, places: int) -> Visit:
        """A visit of codes, whose positions behind the end of a signal cost nothing."""
        if evidence.lengths is None:
            return visit
        first = self.stride * torch.arange(places, device=evidence.lengths.device)
        within = (first < evidence.lengths[:, None])[:, None]  # (n, 1, P)
        # A choice of the walk itself is one of a row, and has no positions.
        return lambda site: visit(site if site.auxiliary else replace(site, mask=within))
