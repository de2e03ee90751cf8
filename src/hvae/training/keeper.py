"""Selection of the averaged weights of a run: the last ones, or those of the best validation."""

from __future__ import annotations

from math import inf

from torch import nn

from hvae.errors import HvaeError
from hvae.training.saving import BestState, Weights


class Best:
    """The averaged weights at the validation with the highest ELBO so far; the last ones while there was none.

    Like early stopping, without stopping: the weights before overfitting are kept.  `used` is False for runs that keep
    their last weights; then nothing is ever copied.

    >>> best = Best(used=True)
    >>> layer = nn.Linear(1, 1)
    >>> best.offer(-100.0, 10, layer), best.offer(-101.0, 20, layer)
    (True, False)
    >>> best.step
    10
    """

    def __init__(self, used: bool) -> None:
        self.used, self.elbo, self.step = used, -inf, 0
        self._weights: Weights | None = None

    def offer(self, elbo: float, step: int, average: nn.Module) -> bool:
        """Keep a copy of these weights if none were better (NaN never is); whether they were kept."""
        better = self.used and elbo > self.elbo
        if better:
            self.elbo, self.step = elbo, step
            self._weights = {name: t.detach().clone() for name, t in average.state_dict().items()}
        return better

    def weights(self, average: nn.Module) -> Weights:
        """The selected weights."""
        return average.state_dict() if self._weights is None else self._weights

    def state(self) -> BestState:
        return {"elbo": self.elbo, "step": self.step, "weights": self._weights}

    def restore(self, state: BestState, average: nn.Module) -> None:
        """Take up the state of an earlier run.  Raises HvaeError for weights that `average` could not have."""
        if not self.used:
            return
        weights, own = state["weights"], average.state_dict()
        if weights is not None and {n: t.shape for n, t in weights.items()} != {n: t.shape for n, t in own.items()}:
            raise HvaeError("the checkpoint is damaged, or its best weights are of another model; train from the start")
        self.elbo, self.step, self._weights = state["elbo"], state["step"], weights
