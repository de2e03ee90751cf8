"""Reconstructions from all latents, or from the top levels only.

Shapes: `N` images; `K` numbers of levels kept; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvae.counts import wholes
from hvae.datum import Datum
from hvae.draw import Draw, posterior, prior
from hvae.explore.frame import CHUNK, context_of, decode, encode, levels, of_levels, top
from hvae.walk import Model, still


def reconstruct(
    model: Model, x: Tensor | Datum, *, draw: Draw = posterior, seed: int | None = None, chunk: int = CHUNK
) -> Tensor:
    r"""The mean of p(x given z) for z inferred from the data.

    $$z \sim q(z \mid x), \qquad \text{picture} = \mathbb{E}[x \mid z]$$

    Arguments: `x`, (N, C, H, W) in [0, 1], or a Datum; `draw`, how latents are chosen (`mode` for no noise).
    Returns (N, C, H, W) in [0, 1].  Raises HvaeError for data of another shape.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> reconstruct(model, torch.rand(5, 1, 4, 4)).shape
    torch.Size([5, 1, 4, 4])
    """
    with still(model, seed):
        return decode(model, encode(model, x, draw, chunk), len(x), context=context_of(model, x), chunk=chunk)


def from_top(
    model: Model,
    x: Tensor | Datum,
    *,
    counts: Sequence[int] | None = None,
    rest: Draw = prior(),
    seed: int | None = None,
    chunk: int = CHUNK,
) -> Tensor:
    r"""Reconstructions from the top k levels for every k, the lower levels sampled from the prior.

    $$z_{>L-k} \sim q(\cdot \mid x), \qquad z_{\le L-k} \sim p(\cdot \mid z_{>L-k})$$

    All k share one sample of the posterior.

    Arguments: `x`, (N, C, H, W) in [0, 1], or a Datum; `counts`, the numbers of levels kept (all of 0 to L by default);
    `rest`, how the other levels are chosen: `prior(t)`, or `mode`.
    Returns (K, N, C, H, W) in [0, 1]: k = 0 is independent of the data, k = L is a full reconstruction.
    Raises HvaeError for a count the model does not have.

    >>> from hvae.config.model import LVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(LVAEConfig(latents=(4, 2), widths=(8, 8)), shape=(1, 4, 4), bits=1)
    >>> from_top(model, torch.rand(5, 1, 4, 4), rest=prior(0.7)).shape
    torch.Size([3, 5, 1, 4, 4])
    """
    names = levels(model)
    tops = [top(model, k) for k in (range(len(names) + 1) if counts is None else wholes("counts", counts, None))]
    with still(model, seed):
        values, context = encode(model, x, chunk=chunk), context_of(model, x)
        rows = [
            decode(model, of_levels(group, values), len(x), context=context, otherwise=rest, chunk=chunk)
            for group in tops
        ]
    return torch.stack(rows)
