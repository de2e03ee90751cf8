"""Levels, parameters, FLOPs and memory, against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from families import FAMILIES, SHAPE, TIMED, family
from processes import finished
from rich.console import Console
from torch import Tensor, nn

from hvae.config.vqvae import RQVAEConfig
from hvae.datum import Datum
from hvae.distributions import Bernoulli, Normal
from hvae.errors import HvaeError
from hvae.inspection import inspect
from hvae.inspection.costs import CPU_FIXED, CPU_SLACK
from hvae.inspection.summary import count
from hvae.objectives import IWAE
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model
from hvae.zoo import build

X, Z = 6, 2


class Linear(Model):
    """One latent of Z numbers, two linear maps and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.shape = (X,)
        self.up, self.levels = nn.Linear(X, Z), nn.ModuleDict({"z1": nn.Linear(Z, X)})
        self.register_buffer("one", torch.ones(1))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"z1": self.up(datum.x)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        p = Normal(self.one.new_zeros(evidence.n, Z), self.one.new_ones(evidence.n, Z))
        q = None if evidence.x is None else Normal(evidence.features["z1"], p.scale)
        z = visit(Site("z1", p, q))
        x = evidence.x
        return visit(Site("x", Bernoulli(self.levels["z1"](z)), value=x, data=True))


def test_a_tiny_model_by_hand() -> None:
    found = inspect(Linear(), batch=10)
    up, down = X * Z + Z, Z * X + X
    assert [(level.name, level.shape, level.dims, level.parameters) for level in found.levels] == [
        ("z1", (Z,), Z, down)
    ]
    assert (found.parameters, found.shared) == (up + down, up)
    # Two products, a multiplication and an addition each; the rest is not counted.
    assert found.flops == 2 * X * Z + 2 * Z * X
    assert found.training_flops == 3 * found.flops
    memory = found.memory
    assert memory.weights == memory.average == 4 * (up + down + 1)
    assert memory.moments == 2 * 4 * (up + down)
    assert memory.workspace == int(CPU_SLACK * memory.step + CPU_FIXED)
    assert memory.peak == memory.weights + memory.moments + memory.average + memory.step + memory.workspace


class Added(nn.Linear):
    """A linear map as a product that is added in place."""

    def forward(self, z: Tensor) -> Tensor:
        return (z.new_zeros(len(z), X) + self.bias).addmm_(z, self.weight.t())


def test_products_that_add_in_place_are_counted() -> None:
    model = Linear()
    model.levels["z1"] = Added(Z, X)
    assert inspect(model, batch=10).flops == inspect(Linear(), batch=10).flops


MEASURE = """
import sys, tempfile, torch
import hvae
from hvae.data import load
from hvae.objectives import ELBO
torch.set_num_threads(1)
config = hvae.preset("digits", {"model.groups": "2,2", "model.width": 32, "train.steps": 3, "train.batch": 384,
                                "train.accelerator": "cpu", "train.valid_every": 0})
data = load(config.data)
model = hvae.build(config.model, shape=data.shape, bits=data.bits)
found = hvae.inspect(model, config.train.batch).memory
import lightning
print(hvae.fit(model, ELBO(), data.train, config.train, tempfile.mkdtemp()).peak_memory, found.peak - found.weights)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a process")
def test_the_predicted_peak_is_within_a_quarter_of_a_runs() -> None:
    # A process of its own: the peak of this one is that of all tests before.
    done = finished("-c", MEASURE)
    assert done.returncode == 0, done.stderr
    measured, predicted = map(int, done.stdout.split())
    assert measured > 150e6
    assert 0.75 * measured < predicted < 1.25 * measured


def test_what_backward_needs_is_at_least_what_it_must_keep() -> None:
    batch = 10_000
    memory = inspect(Linear(), batch=batch).memory
    # z for the weights of the decoder, the logits for the likelihood, the noise of z.
    assert memory.activations >= 4 * batch * (Z + X + Z)
    assert memory.step > memory.activations


def test_memory_grows_with_rows_and_falls_off_the_cpu() -> None:
    model = build(FAMILIES["ladder-residual"], shape=SHAPE, bits=1)
    small, large = inspect(model, 64).memory, inspect(model, 128).memory
    assert large.activations == pytest.approx(2 * small.activations, rel=0.02)
    assert inspect(model, 64, device="cuda").memory.workspace == 0
    assert inspect(model, 16, objective=IWAE(4)).memory.activations > inspect(model, 16).memory.activations
    half = inspect(model, 64, device="cuda", precision="bf16").memory
    assert half.activations < small.activations


def test_recomputation_saves_activations() -> None:
    kept, recomputed = (
        inspect(build(FAMILIES[name], shape=SHAPE, bits=1), 32).memory
        for name in ("ladder-residual", "ladder-recomputed")
    )
    assert recomputed.activations < kept.activations


@pytest.mark.parametrize("name", ["vae-mlp", "markov-conv", "lvae-mlp-precision", "vlae-conv", "ladder-recomputed"])
def test_every_family_is_inspected_and_left_as_it_was(name: str) -> None:
    model = build(FAMILIES[name], shape=SHAPE, bits=1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.eval()
    found = inspect(model, 8)
    depth = len(found.levels)
    assert [level.name for level in found.levels] == [f"z{l}" for l in range(depth, 0, -1)]
    assert found.shared + sum(level.parameters for level in found.levels) == found.parameters
    assert all(level.parameters > 0 for level in found.levels)
    assert not model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", list(TIMED))
def test_walks_in_time_are_inspected_whatever_they_ask_of_their_choices(name: str) -> None:
    """A walk may go another way where all are taught, and tensors without storage do not say whether they are."""
    summary = inspect(family(name).float(), 2)
    assert summary.parameters > 0 and summary.memory.peak > 0


def test_codes_of_sound_that_training_shortens_are_inspected() -> None:
    config = RQVAEConfig(codes=4, dims=2, width=4, hidden=4, stride=2, depth=2, dropout=0.5)
    assert len(inspect(build(config, shape=(16, 1), bits=16), 2).levels) == 2


def test_the_table_names_each_level() -> None:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(inspect(Linear(), batch=4))
    text = console.export_text()
    assert "z1" in text and "total" in text and "3 x forward" in text


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(HvaeError, match="batch: expected at least 1, got 0"):
        inspect(Linear(), batch=0)


def test_counts_for_people() -> None:
    assert [count(n) for n in (0, 999, 1500, 2.5e6, 3e9)] == ["0", "999", "1.5 k", "2.5 M", "3 G"]
