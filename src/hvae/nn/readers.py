"""What inference reads of a sequence: a feature of each step, or of the whole.

A reader of steps is (u (B, T, U), c (B, T, C), lengths) -> (B, T, E), what inference may know of each step; `Summary`
is one of the whole.  `truncate`: steps of a piece from which gradients do not leave (0: no pieces).

Shapes: `B` batch; `T` steps; `U` inputs, `C` what is known of the past, `E` features of a step; `H` hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hvae.nn.pieces import over_pieces


class ReadNow(nn.Module):
    """e_t = u_t: the step itself (a filter, for the state knows the past)."""

    def forward(self, u: Tensor, c: Tensor, lengths: Tensor | None) -> Tensor:
        return u


class ReadForward(nn.Module):
    """e_t = f(e_{t-1}, u_t): the step and all before it."""

    def __init__(self, network: nn.Module, truncate: int = 0) -> None:
        super().__init__()
        self.network, self.truncate = network, truncate

    def forward(self, u: Tensor, c: Tensor, lengths: Tensor | None) -> Tensor:
        return over_pieces(self.network, u, torch.arange(u.shape[1], device=u.device), self.truncate)


class ReadBackward(nn.Module):
    """e_t = f(e_{t+1}, [u_t, c_t]): the step and all after it, from the last step that exists.

    The state after the end of a sequence is zero, or learned if a `width` is given (of a recurrence without memory).
    """

    def __init__(self, network: nn.Module, width: int | None = None, truncate: int = 0) -> None:
        super().__init__()
        self.network, self.truncate = network, truncate
        self.end = None if width is None else nn.Parameter(torch.zeros(width))

    def forward(self, u: Tensor, c: Tensor, lengths: Tensor | None) -> Tensor:
        carry = None if self.end is None else self.end.expand(1, u.shape[0], -1).contiguous()
        after = _end(u, lengths) - torch.arange(u.shape[1], device=u.device)  # which step each one hears of
        e = over_pieces(self.network, reversed_in_time(torch.cat([u, c], 2), lengths), after, self.truncate, carry)
        return reversed_in_time(e, lengths)


def _end(u: Tensor, lengths: Tensor | None) -> Tensor | int:
    """The first step that a series (B, T, U) does not have, an int or (B, 1)."""
    return u.shape[1] if lengths is None else lengths[:, None]


class ReadBoth(nn.Module):
    """Two readers side by side: e_t of the one, then of the other."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, u: Tensor, c: Tensor, lengths: Tensor | None) -> Tensor:
        return torch.cat([self.first(u, c, lengths), self.second(u, c, lengths)], 2)


def reversed_in_time(u: Tensor, lengths: Tensor | None) -> Tensor:
    """Each series (B, T, U) of a batch back to front within its own length; its own inverse.  Padding stays behind.

    >>> reversed_in_time(torch.tensor([[[1.0], [2.0], [0.0]]]), torch.tensor([2])).flatten()
    tensor([2., 1., 0.])
    """
    if lengths is None:
        return u.flip(1)
    step = torch.arange(u.shape[1], device=u.device)
    place = torch.where(step < lengths[:, None], lengths[:, None] - 1 - step, step)  # (B, T)
    return u.take_along_dim(place[:, :, None], 1)


class Summary(nn.Module):
    """The last states of two recurrences, one forward and one backward: (u (B, T, U), lengths) -> (B, 2 H)."""

    def __init__(self, forward: nn.Module, backward: nn.Module) -> None:
        super().__init__()
        self.there, self.back = forward, backward

    def forward(self, u: Tensor, lengths: Tensor | None) -> Tensor:
        series = (self.there(u)[0], self.back(reversed_in_time(u, lengths))[0])
        return torch.cat([_last(h, lengths) for h in series], 1)


class ReadBars(nn.Module):
    """Bars of `bar` steps, each by itself, then all of them in their order: (u (B, T, U), lengths) -> two features.

    The first is of the whole, what `across` makes of the second, (B, K, E), what `within` and `bars` make of each bar.
    """

    def __init__(self, bar: int, within: nn.Module, bars: nn.Module, across: nn.Module) -> None:
        super().__init__()
        self.bar, self.within, self.bars, self.across = bar, within, bars, across

    def forward(self, u: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        n, steps = u.shape[:2]
        count = -(-steps // self.bar)
        full = torch.full((n,), steps, device=u.device) if lengths is None else lengths
        inside = (full[:, None] - self.bar * torch.arange(count, device=u.device)).clamp(0, self.bar)  # (B, K)
        bars = nn.functional.pad(u, (0, 0, 0, count * self.bar - steps)).unflatten(1, (count, self.bar)).flatten(0, 1)
        each = self.bars(self.within(bars, inside.flatten())).unflatten(0, (n, count))  # (B, K, E)
        return self.across(each, (inside > 0).sum(1)), each


class WithBars(nn.Module):
    """The features of the levels of the whole, and beside them that of each bar under the name of its level."""

    def __init__(self, name: str, climb: nn.Module) -> None:
        super().__init__()
        self.name, self.climb = name, climb

    def forward(self, both: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        whole, bars = both
        return {self.name: bars, **self.climb(whole)}


def _last(h: Tensor, lengths: Tensor | None) -> Tensor:
    """The last step that exists, of (B, T, H); the first of an empty sequence."""
    if lengths is None:
        return h[:, -1]
    return h.take_along_dim((lengths - 1).clamp(min=0)[:, None, None], 1)[:, 0]
