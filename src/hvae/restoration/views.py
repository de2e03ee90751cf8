r"""A picture as it is, mirrored and turned by quarters: restorations of all of them agree with those of a turned one.

    mean over views v of  v^-1 restored(v x)            Timofte, Rothe and Van Gool 2016, arXiv 1511.02228: enhanced
                                                        prediction

Seen so, a restoration commutes with each view: of the turned picture it is the turned one, whatever the networks have
learnt, because the first 1, 2, 4 and 8 views are groups.

Shapes: `H W` a picture; `...` anything in front.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class View:
    """Pictures (..., H, W) mirrored left to right or not, then turned by so many quarters.

    >>> import torch
    >>> x = torch.tensor([[1, 2, 3], [4, 5, 6]])
    >>> View(1, mirrored=True)(x)
    tensor([[1, 4],
            [2, 5],
            [3, 6]])
    >>> View(1, mirrored=True).back(View(1, mirrored=True)(x)).equal(x)
    True
    """

    turns: int
    mirrored: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        return self._flipped(x).rot90(self.turns, (-2, -1))

    def back(self, x: Tensor) -> Tensor:
        """The picture that this is a view of."""
        return self._flipped(x.rot90(-self.turns, (-2, -1)))

    def size(self, picture: tuple[int, int]) -> tuple[int, int]:
        """Of the view of a picture of a size."""
        high, wide = picture
        return (wide, high) if self.turns % 2 else (high, wide)

    def _flipped(self, x: Tensor) -> Tensor:
        return x.flip(-1) if self.mirrored else x


VIEWS = tuple(View(turns, mirrored) for turns in (0, 2, 1, 3) for mirrored in (False, True))
"""As it is and mirrored; both upside down; all four turned by a quarter."""
GROUPS = (1, 2, 4, 8)
"""How many of the first views are a group."""
