"""What a condition costs in a training step: the same ladder with and without one, CPU time, alternating.

    python benchmarks/condition_step.py [--preset mnist-ladder-class] [--batch 32] [--rounds 100]

A step is the loss, its gradients and the update of the weights by the optimiser of the library; both models see the
same data and one thread, and their steps alternate.  For each way in which the condition may enter two ratios of
process times are printed: of the fastest tenth of the steps (what a quiet machine takes), and the median over pairs of
steps that follow each other, with its quartiles.  Below 1.03 is the aim for the default, film.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from hvae.config.condition import ConditionConfig
from hvae.config.model import ModelConfig
from hvae.config.presets import preset
from hvae.config.train import TrainConfig
from hvae.datum import Datum
from hvae.objectives import ELBO
from hvae.runs.source import expected_shape
from hvae.training.loss import Batch, LossStep
from hvae.training.optimisers import optimiser
from hvae.zoo import build


def stepper(config: ModelConfig, shape: tuple[int, ...], bits: int, batch: Batch) -> Callable[[], float]:
    """A training step that tells the seconds of processor time it took."""
    torch.manual_seed(0)
    loss = LossStep(build(config, shape=shape, bits=bits), ELBO())
    moments = optimiser(TrainConfig(), loss.parameters())

    def step() -> float:
        start = time.process_time()
        moments.zero_grad(set_to_none=True)
        loss(batch, 0)[0].backward()
        moments.step()
        return time.process_time() - start

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="mnist-ladder-class")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = preset(args.preset)
    shape, bits = expected_shape(config)
    x = torch.randint(2**bits, (args.batch, *shape)) / (2**bits - 1)
    batch = Batch(Datum(x, {"label": torch.arange(args.batch) % config.model.condition.classes}))
    plain = stepper(replace(config.model, condition=ConditionConfig()), shape, bits, batch)
    for how in ("add", "film", "concat"):
        condition = replace(config.model.condition, how=how)
        conditional = stepper(replace(config.model, condition=condition), shape, bits, batch)
        pairs = [(conditional(), plain()) for _ in range(args.rounds + 3)][3:]
        low, middle, high = statistics.quantiles([one / other for one, other in pairs], n=4)
        with_it, without = (statistics.quantiles(times, n=10)[0] for times in zip(*pairs, strict=True))
        fastest = f"{with_it / without:.3f} of {1e3 * without:.1f} ms"
        print(f"{how:<7} fastest tenth {fastest}; median {middle:.3f} [{low:.3f}, {high:.3f}]", flush=True)


if __name__ == "__main__":
    main()
