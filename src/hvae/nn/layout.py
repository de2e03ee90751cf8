"""Where the numbers of a map lie in memory while a network learns.

Shapes: `B` batch; `C` channels; `h w` space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelsLast(nn.Module):
    """The same map, (B, C, h, w), its channels last in memory in training with gradients on a CPU, else as it lies.

    Convolutions, sums and activations hand the order on, so that one such module serves all that follows it; but every
    map that joins them must have it too, since a sum of maps in two orders takes four times as long.  What is
    evaluated, generated and coded, in evaluation mode or without gradients, does not depend on this module.

    >>> maps = torch.zeros(2, 3, 5, 4)
    >>> layout = ChannelsLast()
    >>> layout(maps).stride(), layout.eval()(maps).stride()
    ((60, 1, 12, 3), (60, 20, 4, 1))
    """

    def forward(self, h: Tensor) -> Tensor:
        learning = self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        return _moved(h) if learning and h.device.type == "cpu" else h


def _moved(h: Tensor) -> Tensor:
    # Not `contiguous(memory_format=channels_last)`: of a single channel that changes no stride, and a convolution
    # takes the map for one in plain order.
    if h.stride(1) == 1 and h.movedim(1, -1).is_contiguous():
        return h
    return h.movedim(1, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 1)
