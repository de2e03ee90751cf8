"""Maps of codes as pictures: which code stands where.

Shapes: `B` batch; `K` codes; `D` numbers of a code; `h w` a map.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.distributions.codebook import ChosenCodes, Codes
from hvae.distributions.independent import IndependentCodes
from hvae.draw import posterior
from hvae.walk import Model, glimpse, run, still


def has_codes(model: Model) -> bool:
    """Whether a level of the model draws from a codebook."""
    return any(isinstance(record.p, Codes) for record in glimpse(model).latents)


def code_maps(model: Model, images: Tensor | Datum, *, seed: int = 0) -> dict[str, Tensor]:
    """The codes of some images in colour, by level, top first: {name: (B, 3, h, w)} in [0, 1].

    A code has one colour in all maps of its level, and codes that lie close to each other have colours that do
    (`colours`).  Of a level that draws its codes they are the most probable ones.  Levels without codes, or whose codes
    lie on no map, are left out.

    >>> from hvae.config.vqvae import VQVAEConfig
    >>> from hvae.zoo import build
    >>> model = build(VQVAEConfig(codes=8, dims=4, width=4, hidden=2), shape=(1, 8, 8))
    >>> code_maps(model, torch.rand(5, 1, 8, 8))["z1"].shape
    torch.Size([5, 3, 2, 2])
    """
    with still(model, seed):
        latents = run(model, posterior, model.evidence(images)).latents
    laws = {record.name: record.q for record in latents if isinstance(record.q, ChosenCodes | IndependentCodes)}
    return {name: colours(q.book)[q.index].movedim(-1, 1) for name, q in laws.items() if q.index.ndim == 3}


def colours(book: Tensor) -> Tensor:
    """A colour for each code, (K, D) -> (K, 3) in [0, 1]: its ranks along the three directions of most variance.

    >>> colours(torch.tensor([[0.0], [5.0], [1.0]]))
    tensor([[0.0000, 0.5000, 0.5000],
            [1.0000, 0.5000, 0.5000],
            [0.5000, 0.5000, 0.5000]])
    """
    centred = (book - book.mean(0)).double()
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    places = centred @ directions[:3].T  # (K, up to 3)
    # The sign of a direction is free: its largest entry points up, so that colours are the same on every machine.
    sign = torch.take_along_dim(directions[:3], directions[:3].abs().argmax(1, keepdim=True), 1).sign().T
    ranks = (places * sign).argsort(0).argsort(0).float() / max(1, len(book) - 1)
    grey = ranks.new_full((len(book), 3 - ranks.shape[1]), 0.5)
    return torch.cat([ranks, grey], 1).to(book.device)
