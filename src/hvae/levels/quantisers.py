r"""Which code stands for an encoder's output: the nearest one, or one that is drawn by distance.

Shapes: `B` batch; `K` codes; `D` numbers of a code; `P` positions, (h, w).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hvae.distributions import full
from hvae.distributions.codebook import ChosenCodes, Codes, codes_at
from hvae.distributions.independent import IndependentCodes
from hvae.nn.codebook import Book, affinities

Gradient = Callable[[Tensor, Tensor], Tensor]
"""(encoder output, code), (B, D, *P) both, to the code with a gradient of the encoder output."""


def constant(z: Tensor, code: Tensor) -> Tensor:
    """The code itself, without a gradient of the encoder output."""
    return code.detach()


class Quantiser(nn.Module, ABC):
    """q over the codes of a book, given an encoder's output."""

    @abstractmethod
    def forward(self, z: Tensor, book: Book) -> Codes:
        """Encoder output (B, D, *P) to q."""


class Nearest(Quantiser):
    r"""All mass on the nearest code.

    $$k = \arg\min_j \lVert z_e - e_j \rVert, \qquad
      \text{penalty} = w \sum_{\text{positions}} \Big( f\, \overline{(\mathrm{sg}[z_e] - e_k)^2}
        + \beta\, \overline{(z_e - \mathrm{sg}[e_k])^2} \Big)$$

    van den Oord et al. 2017, arXiv 1711.00937, eq. (3), bars for means over the numbers of a code, f the `fit` of the
    book: 1 where gradients move its codes.  Arguments: `gradient` of the choice; `commitment` beta; `weight` w in nats,
    the values of a datum for each position: then a mean square of the latent weighs beta times what a mean square of
    the data under a Gaussian of variance 1/2 does.
    """

    def __init__(self, gradient: Gradient, *, commitment: float, weight: float) -> None:
        super().__init__()
        self.gradient, self.commitment, self.weight = gradient, commitment, weight

    def forward(self, z: Tensor, book: Book) -> ChosenCodes:
        point, index = book(z)
        code = codes_at(book.codes, index)
        pull = self.weight * self.commitment * _squares(point - code.detach())
        penalty = pull + self.weight * book.fit * _squares(point.detach() - code) if book.fit else pull
        committed = pull if self.commitment else None
        return ChosenCodes(book.codes, index, self.gradient(point, code), penalty, committed)


class Drawn(Quantiser):
    r"""A code drawn by its distance: stochastic quantisation.

    $$q(k \mid x) = \mathrm{softmax}_k\Big( -\frac{\lVert z_e - e_k \rVert^2}{2 s^2} \Big)$$

    Takida et al. 2022, arXiv 2205.07547, eq. (4), and for hierarchies 2024, arXiv 2401.00365, with one learned s a
    level.  There the continuous z_e + s n is a variable of the model too; here it is summed out, so that the rate is
    KL(q || p) over codes alone, log K - H(q) under the uniform prior: the ELBO of the same q without the gap that a
    further variable opens, and without a commitment.  Codes, s and encoder learn from this ELBO by the relaxed gradient
    of the draw.  Codes start normal and s at 1/2: encoder outputs, small at first, may then become any of them.

    Argument: `relaxation`, the temperature of the gradient.
    """

    def __init__(self, relaxation: float) -> None:
        super().__init__()
        self.relaxation = relaxation
        self.log_scale = nn.Parameter(torch.tensor(0.5).log())

    def forward(self, z: Tensor, book: Book) -> IndependentCodes:
        logits = affinities(z, book.codes) / (2 * full(self.log_scale)).exp()
        return IndependentCodes(book.codes, logits, book.search, self.relaxation)


def _squares(t: Tensor) -> Tensor:
    """Mean squares over the numbers of a code: (B, D, *P) -> (B, 1, *P)."""
    return t.square().mean(1, keepdim=True)
