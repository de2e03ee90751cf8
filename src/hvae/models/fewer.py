"""Levels that training leaves out, so that one model is several: quantiser dropout.

Shapes: `n` rows; `L` levels; `...` a latent's own shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hvae.distributions.keep import KeepFirst
from hvae.modules import every
from hvae.site import Site, Visit
from hvae.walk import Evidence

KEPT = "depth"
"""The site of the levels that a row keeps."""


class Fewer(nn.Module):
    r"""In some rows of training the levels below a random one are at the mode of their prior, as in a shorter file.

    $$z_l \leftarrow k_l\, z_l + (1 - k_l)\, \text{mode}\; p(z_l \mid \cdot),
      \qquad k \sim \text{KeepFirst(rate)}$$

    A file that was cut, or a reconstruction from the top levels, then shows what the decoder has learnt to read.  The
    gradient of a level left out is that of the level as it is: the encoder of the first codes alone learns too.

    Arguments: `names` of the levels, the top first; `rate`, the share of rows; at 0 every walk is as before.
    """

    def __init__(self, names: Sequence[str], rate: float) -> None:
        super().__init__()
        self.names, self.rate = tuple(names), rate

    def forward(self, visit: Visit, evidence: Evidence) -> Visit:
        """The visits of one walk."""
        if not self.rate or evidence.x is None:
            return visit
        law = KeepFirst(evidence.x.new_zeros(evidence.n, len(self.names)), self.rate)
        keep = visit(Site(KEPT, law, law, auxiliary=True))
        return visit if every(keep) else lambda site: self._shortened(visit, site, keep)

    def _shortened(self, visit: Visit, site: Site, keep: Tensor) -> Tensor:
        value = visit(site)
        if site.name not in self.names:
            return value
        assert site.p is not None, "a walk down knows the prior of a level"
        rows = keep[:, self.names.index(site.name)].view(-1, *[1] * (value.ndim - 1))
        return torch.where(rows > 0, value, site.p.mode() + (value - value.detach()))

    def extra_repr(self) -> str:
        return f"{self.names}, rate={self.rate}"
