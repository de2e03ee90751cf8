r"""Dilated causal convolutions over time: features of a step from it and those before it, further back in each layer.

    a_t = b + sum_i V_i h_{t - i r},   h'_t = h_t + W (tanh(a^1_t) * sigmoid(a^2_t))      van den Oord et al. 2016,
                                                                                         arXiv 1609.03499, sec. 2.1-2.4

All steps at once, or the next ones after a carry: what each layer has last heard.

Shapes: `B` batch; `T` steps; `U` inputs; `W` width; `L` groups of layers; `K` kernel, `r` dilation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class CausalLayer(nn.Module):
    """A gated convolution around an identity, (u (B, T, W), carry (B, (K - 1) r, W) or None) -> (h as u, carry)."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.hear, self.answer = nn.Conv1d(width, 2 * width, kernel, dilation=dilation), nn.Linear(width, width)

    def forward(self, u: Tensor, carry: Tensor | None = None) -> tuple[Tensor, Tensor]:
        before = u.new_zeros(len(u), self.reach, u.shape[2]) if carry is None else carry
        whole = torch.cat([before, u], 1)
        signal, gate = self.hear(whole.transpose(1, 2)).transpose(1, 2).chunk(2, 2)
        return u + self.answer(signal.tanh() * gate.sigmoid()), whole[:, whole.shape[1] - self.reach :]


class CausalGroups(nn.Module):
    """L groups of causal layers, one above the other, each of which leaves its last features.

    (u (B, T, U), carry or None) -> (d (B, T, L, W), carry), the group nearest the data first; layers of a group have
    the `dilations` given.  `reach`: how many steps the last features depend on, their own among them.

    >>> network = CausalGroups(3, 4, groups=2, kernel=2, dilations=(1, 2))
    >>> network(torch.zeros(5, 6, 3))[0].shape, network.reach
    (torch.Size([5, 6, 2, 4]), 7)
    """

    def __init__(self, inputs: int, width: int, *, groups: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.enter, self.each = nn.Linear(inputs, width), len(dilations)
        self.layers = nn.ModuleList(
            CausalLayer(width, kernel, dilation) for _ in range(groups) for dilation in dilations
        )
        self.reach = 1 + groups * (kernel - 1) * sum(dilations)

    def forward(self, u: Tensor, carry: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
        h, features, after = self.enter(u), [], []
        before = [None] * len(self.layers) if carry is None else carry
        for layer, last in zip(self.layers, before, strict=True):
            h, inputs = layer(h, last)
            features.append(h)
            after.append(inputs)
        return torch.stack(features[self.each - 1 :: self.each], 2), after
