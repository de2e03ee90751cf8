"""Recurrent networks: one step at a time on a flat state, or over all steps of a batch at once.

A flat state is what is carried from step to step, side by side: for a GRU its hidden state h, for an LSTM the memory c
and then h.  What others read of it, h, always comes last.

Shapes: `B` batch; `T` steps; `U` inputs, `C` what is known of the past; `H` hidden; `S` state.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hvae.errors import unknown


class LSTMStep(nn.Module):
    """One step of an LSTM on the state [c, h]: (u, s) -> s."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(inputs, width)

    def forward(self, u: Tensor, s: Tensor) -> Tensor:
        c, h = s.chunk(2, 1)
        h, c = self.cell(u, (h, c))
        return torch.cat([c, h], 1)


_STEPS: dict[str, Any] = {"gru": nn.GRUCell, "lstm": LSTMStep}
_WHOLE: dict[str, Any] = {
    "gru": nn.GRU,
    "lstm": nn.LSTM,
    "rectifier": lambda inputs, width, **more: nn.RNN(inputs, width, nonlinearity="relu", **more),
}


def step_cell(kind: str, inputs: int, width: int) -> nn.Module:
    """One step of a named recurrence, (u (B, U), s (B, S)) -> s (B, S).  Raises HvaeError for an unknown name.

    >>> step_cell("lstm", 3, 4)(torch.zeros(2, 3), torch.zeros(2, 8)).shape
    torch.Size([2, 8])
    """
    if kind not in _STEPS:
        raise unknown("cell", kind, _STEPS)
    cell: nn.Module = _STEPS[kind](inputs, width)
    return cell


def memory_size(kind: str, width: int) -> int:
    """How many numbers of a flat state come before h: the memory of an LSTM, none of a GRU."""
    return width if kind == "lstm" else 0


def over_time(kind: str, inputs: int, width: int) -> nn.Module:
    """A named recurrence over all steps at once, (u (B, T, U), carry or None) -> (h (B, T, H), carry).

    Raises HvaeError for an unknown name.

    >>> over_time("gru", 3, 4)(torch.zeros(2, 5, 3))[0].shape
    torch.Size([2, 5, 4])
    """
    if kind not in _WHOLE:
        raise unknown("cell", kind, _WHOLE)
    network: nn.Module = _WHOLE[kind](inputs, width, batch_first=True)
    return network


class Without(nn.Module):
    """A state but for the numbers from `start` to `stop`."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, s: Tensor) -> Tensor:
        rest = s[:, self.stop :]
        return rest if self.start == 0 else torch.cat([s[:, : self.start], rest], 1)

    def extra_repr(self) -> str:
        return f"{self.start}, {self.stop}"


def skip(count: int) -> Without:
    """A state but for its first so many numbers.

    >>> skip(1)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[2., 3.]])
    """
    return Without(0, count)


class After(nn.Module):
    """The state takes in a step once its latent is known: m = [state, v of the step before], and c -> state.

    $$s = f([c, v], s)$$
    """

    def __init__(self, cell: nn.Module, size: int) -> None:
        super().__init__()
        self.cell, self.size = cell, size

    def forward(self, m: Tensor, c: Tensor) -> Tensor:
        state: Tensor = self.cell(torch.cat([c, m[:, self.size :]], 1), m[:, : self.size])
        return state


# --- What is known after a step: (u, carry) -> (c, carry), as `over_time` has it


class LastInput(nn.Module):
    """The step itself: the state of the walk remembers the rest."""

    def forward(self, u: Tensor, carry: None = None) -> tuple[Tensor, None]:
        return u, None


class NoInput(nn.Module):
    """Nothing but the latents: c is (B, T, 0)."""

    def forward(self, u: Tensor, carry: None = None) -> tuple[Tensor, None]:
        return u[..., :0], None


class OneLater(nn.Module):
    """What a network makes of the steps before this one: it hears of each one step later, and of zeros first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, u: Tensor, carry: tuple[Tensor, Any] | None = None) -> tuple[Tensor, tuple[Tensor, Any]]:
        last, inner = (torch.zeros_like(u[:, :1]), None) if carry is None else carry
        c, inner = self.network(torch.cat([last, u[:, :-1]], 1), inner)
        return c, (u[:, -1:], inner)


def delayed(c: Tensor) -> Tensor:
    """A series (B, T, C) one step later, after a zero.

    >>> delayed(torch.tensor([[[1.0], [2.0], [3.0]]])).flatten()
    tensor([0., 1., 2.])
    """
    return nn.functional.pad(c, (0, 0, 1, 0))[:, :-1]


class Lags(nn.Module):
    r"""What each number of a step owes to its own last ones, and the size of what they leave.

    $$x_{t+1} = o_{t+1} + s \odot e_{t+1}, \qquad o_{t+1} = \sum_{k=1}^K a_k \odot x_{t+1-k}$$

    with the first step in the place of those before it.  A law of e, the rest in units of its standard deviation s, is
    then one of x: e ~ N(0, 1) makes an autoregression, which is where training starts.  Of the first step nothing is
    known: o = 0 and s = 1.

    >>> lags = Lags(2, 1)
    >>> lags.begin(torch.tensor([[[1.0], [2.0], [4.0], [8.0], [16.0]]]), None)
    >>> lags.locations(torch.tensor([[[4.0], [8.0]]]))[0, -1].round()
    tensor([16.], grad_fn=<RoundBackward0>)
    """

    scale: Tensor

    def __init__(self, order: int, size: int) -> None:
        super().__init__()
        self.order = order
        self.weight = nn.Parameter(torch.eye(order)[0, :, None].repeat(1, size))  # (K, D), the last step first
        self.register_buffer("scale", torch.ones(size))

    def _past(self, x: Tensor) -> Tensor:
        """The last K steps of each number, (B, T, D, K), the last one first."""
        before = x[:, :1].expand(-1, self.order - 1, -1)
        return torch.cat([before, x], 1).unfold(1, self.order, 1).flip(3)

    def locations(self, x: Tensor) -> Tensor:
        """o of the step after each, (B, T, D) -> (B, T, D)."""
        return torch.einsum("btdk,kd->btd", self._past(x), self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(o, s) of the step after each, (B, T, D) -> (B, T, 2, D)."""
        o = self.locations(x)
        return torch.stack([o, self.scale.expand_as(o)], 2)

    def first(self, n: int) -> Tensor:
        """(o, s) of the first step, (n, 1, 2, D)."""
        zeros = self.weight.new_zeros(n, 1, len(self.scale))
        return torch.stack([zeros, torch.ones_like(zeros)], 2)

    @torch.no_grad()
    def begin(self, x: Tensor, lengths: Tensor | None) -> None:
        """Start from the weights that predict these data best, by least squares, and from what they leave."""
        within = torch.ones(x.shape[:2]) if lengths is None else torch.arange(x.shape[1]) < lengths.cpu()[:, None]
        weights = within[:, 1:].to(x.device, torch.float64)
        if not weights.any():
            return  # sequences of one step say nothing of the next
        past, target = self._past(x)[:, :-1].double(), x[:, 1:].double()
        gram = torch.einsum("btdi,btdj,bt->dij", past, past, weights)
        gram = gram + LEAST_SQUARE * weights.sum() * torch.eye(self.order, dtype=gram.dtype, device=x.device)
        moments = torch.einsum("btdi,btd,bt->di", past, target, weights)
        self.weight.copy_(torch.linalg.solve(gram, moments).T)
        rest = target - torch.einsum("btdk,kd->btd", past, self.weight.double())
        variance = torch.einsum("btd,bt->d", rest.square(), weights) / weights.sum()
        self.scale.copy_(variance.clamp_min(LEAST_SQUARE).sqrt())


LEAST_SQUARE = 1e-6
"""Added to the mean square of each number, for those that never move have no best weights; least variance of a rest."""


# --- From one vector to a sequence


class FirstCarry(nn.Module):
    """A vector to what `over_time` is to carry into the first step: h_0 (and c_0) = W z."""

    def __init__(self, kind: str, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width + memory_size(kind, width))
        self.width = width

    def forward(self, z: Tensor) -> Tensor | tuple[Tensor, ...]:
        parts = self.linear(z)[None].split(self.width, 2)  # each (1, B, H)
        return parts[0] if len(parts) == 1 else tuple(part.contiguous() for part in parts)
