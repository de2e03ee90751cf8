"""LAMB: Adam's direction, with a step per tensor in proportion to the length of its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Lamb(Optimizer):
    r"""Layer-wise adaptive moments for large batches.

    $$r = \frac{\hat m}{\sqrt{\hat v}+\epsilon} + \lambda w, \qquad w \leftarrow w - \eta\,\frac{\|w\|}{\|r\|}\,r$$

    with Adam's bias-corrected moments.  You et al. 2020, arXiv 1904.00962, algorithm 2, with phi the identity; where
    a norm is zero (fresh biases) the ratio is 1, else such a tensor would never leave zero.

    >>> w = nn.Parameter(torch.tensor([3.0, 4.0]))
    >>> w.grad = torch.tensor([1.0, -1.0])
    >>> _ = Lamb([w], lr=0.1).step()
    >>> w.data                          # r = (1, -1), the ratio is 5 / sqrt(2)
    tensor([2.6464, 4.3536])
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step on every parameter that has a gradient."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            weights: list[Tensor] = [w for w in group["params"] if w.grad is not None]
            # A weight that had no gradient in some step is younger, and its bias correction differs.
            for age in dict.fromkeys(self._age(w) for w in weights):
                self._update(group, [w for w in weights if self.state[w]["step"] == age])
        return loss

    def _age(self, w: Tensor) -> int:
        if not self.state[w]:
            self.state[w] = {"step": 0, "mean": torch.zeros_like(w), "square": torch.zeros_like(w)}
        return self.state[w]["step"]

    def _update(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        (b1, b2), states = group["betas"], [self.state[w] for w in weights]
        gradients = [w.grad for w in weights if w.grad is not None]
        means, squares = [s["mean"] for s in states], [s["square"] for s in states]
        age = states[0]["step"] + 1
        for state in states:
            state["step"] = age
        torch._foreach_lerp_(means, gradients, 1 - b1)
        torch._foreach_mul_(squares, b2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - b2)
        update = _direction(means, squares, 1 - b1**age, 1 - b2**age, group["eps"])
        torch._foreach_add_(update, weights, alpha=group["weight_decay"])
        torch._foreach_mul_(update, _ratios(weights, update))
        torch._foreach_add_(weights, update, alpha=-group["lr"])


def _direction(means: list[Tensor], squares: list[Tensor], c1: float, c2: float, eps: float) -> list[Tensor]:
    roots = torch._foreach_sqrt(squares)
    torch._foreach_div_(roots, c2**0.5)
    torch._foreach_add_(roots, eps)
    update = torch._foreach_div(means, c1)
    torch._foreach_div_(update, roots)
    return list(update)


def _ratios(weights: list[Tensor], update: list[Tensor]) -> list[Tensor]:
    lengths = torch.stack(torch._foreach_norm(weights))
    steps = torch.stack(torch._foreach_norm(update))
    ratio = torch.where((lengths > 0) & (steps > 0), lengths / steps, torch.ones_like(steps))
    return list(ratio.unbind())
