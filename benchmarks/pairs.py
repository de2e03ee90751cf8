"""Every pair that `bench.py` measures: ours, and the same by hand or by the released code.

A side is a function without arguments that builds its model and returns one round of its work.  Both are started with
the same seed, and the numbers that they return are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path

import backends
import biva_step
import diffusion_step
import iwae_speed
import ladder_step
import mlps
import nvae_step
import sequence_step
import torch
import vdvae_step
import walk_overhead
from alternating import Pair, Work
from torch import Tensor

from hvae.config import VRNNConfig, preset
from hvae.config.condition import ConditionConfig
from hvae.config.model import LadderConfig, ModelConfig
from hvae.config.train import TrainConfig
from hvae.datum import Datum
from hvae.deploy import Backend
from hvae.draw import posterior, prior
from hvae.objectives import ELBO
from hvae.runs.source import expected_shape
from hvae.training.loss import Batch, LossStep
from hvae.training.optimisers import optimiser
from hvae.walk import Model, run
from hvae.zoo import build

MNIST = (1, 28, 28)
Loss = Callable[[Model, Tensor], Tensor]


def ink(n: int, *shape: int) -> Tensor:
    return torch.bernoulli(torch.full((n, *shape), 0.3))


def step(config: ModelConfig, shape: tuple[int, ...], x: Callable[[], Tensor], loss: Loss, lr: float) -> Work:
    """A training step: the loss, its gradient, and Adam as the library has it."""
    model, data = build(config, shape, 1), x()
    model.prepare(Datum(data))
    adam = optimiser(TrainConfig(lr=lr), model.parameters())

    def work() -> float:
        adam.zero_grad(set_to_none=True)
        total = loss(model, data)
        total.backward()
        adam.step()
        return total.item()

    return work


def by_walk(model: Model, x: Tensor) -> Tensor:
    return -run(model, posterior, model.evidence(x)).elbo().mean()


def walks() -> Iterator[Pair]:
    """The walk over the same networks in a loop of one's own."""
    for groups, width, batch in (((2, 3, 3), 32, 32), ((2, 3, 3), 16, 8), ((0, 4, 4), 48, 16)):
        ladder = LadderConfig(groups=groups, width=width)
        sides = [
            partial(step, ladder, MNIST, partial(ink, batch, *MNIST), loss, 1e-5)
            for loss in (walk_overhead.by_walk, walk_overhead.by_hand)
        ]
        yield Pair(f"walk/{','.join(map(str, groups))}/{width}/{batch}", *sides, aim=1 / 1.02)
    for name, config in mlps.MLPS.items():
        sides = [
            partial(step, config, MNIST, partial(ink, 128, *MNIST), f, 1e-5) for f in (by_walk, mlps.BY_HAND[name])
        ]
        yield Pair(f"mlp/{name}", *sides, aim=1 / 1.1)
    rolls, vrnn = (100, sequence_step.NOTES), VRNNConfig(latent=32, state=32, width=32)
    sides = [partial(step, vrnn, rolls, partial(ink, 16, *rolls), f, 1e-5) for f in (by_walk, sequence_step.by_hand)]
    yield Pair("vrnn/100", *sides, aim=1 / 1.15)


def weights(name: str, how: str) -> Work:
    """IW-5000 of four data (Sonderby et al. 2016), or as many passes of the decoder with the likelihood of each."""
    model = build(mlps.MLPS[name], MNIST, 1).eval()
    with torch.no_grad():
        work = iwae_speed.Work(model, ink(4, *MNIST), samples=5000, rows=1000)

    def round_() -> float:
        with torch.no_grad():
            getattr(work, how)()
        return 0.0

    return round_


def bounds() -> Iterator[Pair]:
    for name in ("vae", "lvae", "markov"):
        yield Pair(f"iwae/{name}", partial(weights, name, "bound"), partial(weights, name, "scored"), 1 / 1.08)


def conditional(with_it: bool) -> Work:
    config = preset("mnist-ladder-class")
    shape, bits = expected_shape(config)
    model = config.model if with_it else replace(config.model, condition=ConditionConfig())
    loss = LossStep(build(model, shape, bits), ELBO())
    adam = optimiser(TrainConfig(lr=1e-5), loss.parameters())
    batch = Batch(Datum(ink(32, *shape), {"label": torch.arange(32) % 10}))

    def work() -> float:
        adam.zero_grad(set_to_none=True)
        total, _ = loss(batch, 0)
        total.backward()
        adam.step()
        return total.item()

    return work


def diffusion(how: Callable[..., object], *words: int) -> Work:
    config = preset("cifar10-vdm")
    shape, bits = expected_shape(config)
    model = build(config.model, shape, bits)
    x = torch.randint(0, 256, (4, *shape)) / 255
    sampling = bool(words)

    def work() -> float:
        how(model.eval(), *words) if sampling else how(model, x)
        return 0.0

    return work


def ladder(name: str, last: bool) -> Work:
    """A step of a preset with its channels last in memory, or in plain order."""
    shape, bits = ladder_step.DATA[name]
    model = build(preset(name).model, shape, bits)
    with torch.no_grad():
        x = run(model.eval(), prior(), n=16).x
    assert x is not None
    return ladder_step.step(model if last else ladder_step.plain(model), x, name)


def keys() -> Iterator[Pair]:
    """What a key costs or gains."""
    yield Pair("condition/film", partial(conditional, True), partial(conditional, False), 1 / 1.03, alike=False)
    step_ = [partial(diffusion, how) for how in (diffusion_step.step_by_walk, diffusion_step.step_by_hand)]
    yield Pair("vdm/step", *step_, aim=1 / 1.05)
    ways = diffusion_step.sampling_by_walk, diffusion_step.sampling_by_hand
    yield Pair("vdm/ten-steps", *(partial(diffusion, how, 4, 10) for how in ways), aim=1 / 1.05)
    for name in ("mnist-static-ladder", "cifar10-small"):
        yield Pair(f"ladder/{name}", partial(ladder, name, True), partial(ladder, name, False), 2.0)


def vdvae(side: str, folder: Path, kind: str, bf16: bool) -> Work:
    """One kind of work of VDVAE as published for CIFAR-10, by our code or by the released one (always in float32)."""
    words = argparse.Namespace(
        size="cifar10", batch=4, official=folder, recompute=False, bf16=bf16, side=side, device=torch.device("cpu")
    )
    return silent(getattr(vdvae_step.sides(words)[side], kind))


def nvae(side: str, folder: Path, kind: str, bf16: bool) -> Work:
    """The same of NVAE; the released code knows half precision too."""
    words = argparse.Namespace(
        size="cifar10", batch=2, official=folder, recompute=False, precision="bf16" if bf16 else "32", side=side
    )
    with redirect_stdout(sys.stderr):  # the released code prints
        return silent(nvae_step.both(words)[side][kind])


def walk_of(preset_name: str, rows: int, kind: str, backend: str) -> Work:
    """Sampling or evaluation of the same sizes as `--backend` does it, its conversion left out."""
    engine, model = Backend(backend, preset_name, print), backends.loaded(preset_name)
    work = partial(backends.tasks(model, rows)[kind], engine)
    with redirect_stdout(sys.stderr):
        work()
    return silent(work)


def silent(task: Callable[[], object]) -> Work:
    """A task that tells no number: that both sides agree is checked by vdvae_step.py and nvae_step.py."""

    def work() -> float:
        task()
        return 0.0

    return work


AIMS = {
    "vdvae": {"step": 1.3, "evaluate": 1.5, "sample": 1.3, "step/bf16": 3.0, "evaluate/bf16": 2.5, "sample/bf16": 2.5},
    "nvae": {"step": 1.7, "evaluation": 1.5, "sampling": 1.4, "step/bf16": 2.0},
}
BACKENDS = ("onnxruntime", "openvino")
BACKEND_AIMS = {
    "vdvae": (("sampling", "sample", 1.6), ("evaluation", "evaluate", 1.7)),
    "nvae": (("sampling", "sampling", 2.0), ("evaluation", "evaluation", 1.7)),
}
"""Our task, that of the released code, and the aim for two threads."""
ROWS = {"vdvae": 4, "nvae": 2}


def released(folders: Mapping[str, Path | None]) -> Iterator[Pair]:
    """Beside the released code, where a clone of it is at hand."""
    if biva := folders.get("biva"):
        for kind, aim in (("step", 1.2), ("evaluation", 1.3)):
            both = partial(biva_step.ours, kind, 2), partial(biva_step.official, biva, kind, 2)
            yield Pair(f"biva/{kind}", *both, aim=aim, alike=False, released=True)
    makers = {"vdvae": (vdvae, ("ours", "official")), "nvae": (nvae, ("hvae", "official"))}
    for name, (make, sides) in makers.items():
        folder = folders.get(name)
        for kind, aim in AIMS[name].items() if folder else ():
            task, _, half = kind.partition("/")
            ours, theirs = (partial(make, side, folder, task, bool(half)) for side in sides)
            yield Pair(f"{name}/{kind}", ours, theirs, aim, alike=False, released=True)
        for task, other, aim in BACKEND_AIMS[name] if folder else ():
            for backend in BACKENDS:
                ours = partial(walk_of, f"{name}-cifar10", ROWS[name], task, backend)
                theirs = partial(make, sides[1], folder, other, False)
                yield Pair(f"{name}/{task}/{backend}", ours, theirs, aim, alike=False, released=True)


def pairs(folders: Mapping[str, Path | None]) -> list[Pair]:
    return [*walks(), *bounds(), *keys(), *released(folders)]
