"""Latents that have levels themselves: coded exactly, and for nothing where inference is certain."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hvae.coding import Codec, Picture, Uncodable, read
from hvae.coding.entropy.numerics import calm, noise, still
from hvae.coding.entropy.registry import symbolic
from hvae.coding.entropy.stack import Stack
from hvae.coding.entropy.symbols import Certain, Table
from hvae.coding.lossless import bitsback
from hvae.coding.lossless.book import calibrate
from hvae.datum import Datum
from hvae.distributions import Bernoulli, Categorical, standard_normal
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model

CODES, TOP = 6, 5


class Quantised(Model):
    """x -> z1, twelve codes of six that x decides (a vector-quantised level), and z2, four of five that are drawn."""

    shape = (1, 6, 6)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.up, self.top = nn.Linear(36, 12 * CODES), nn.Linear(36, 4 * TOP)
        self.down, self.out = nn.Linear(4, 12 * CODES), nn.Linear(16, 36)
        self.prior = nn.Parameter(torch.randn(TOP, 4))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        x = evidence.x
        flat = None if x is None else x.flatten(1)  # (B, 36)
        q2 = None if flat is None else Categorical(3 * self.top(flat).reshape(evidence.n, TOP, 4))
        z2 = visit(Site("z2", Categorical(self.prior.expand(evidence.n, TOP, 4)), q2))
        near = None if flat is None else self.up(flat).reshape(evidence.n, CODES, 12).argmax(1)  # (B, 12)
        q1 = None if near is None else Categorical(nn.functional.one_hot(near, CODES).mT.to(z2.dtype).log())
        z1 = visit(Site("z1", Categorical(self.down(z2).reshape(evidence.n, CODES, 12)), q1))
        logits = 2 * self.out(torch.cat([z1, z2], 1)).reshape(evidence.n, *self.shape)
        return visit(Site("x", Bernoulli(logits), value=x, data=True))


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 2, (count, 1, 6, 6), dtype=np.uint8)


def test_the_stack_returns_to_its_start_and_grows_by_the_weight() -> None:
    model, x = still(Quantised()), torch.from_numpy(pictures(60)).double()
    book, parts, expected = calibrate(model, model.evidence(x)), x.split(4), 0.0
    assert book.levels == {}  # no bins, as there is nothing to round
    start = noise(400)
    stack = Stack.start(start)
    before = stack.bits
    with calm():
        for part in parts:
            trace = bitsback.encode(model, stack, part, book)
            expected -= float(trace.log_weight().sum()) / math.log(2)
        assert stack.bits - before == pytest.approx(expected, rel=1e-3)
        for part in reversed(parts):
            assert torch.equal(bitsback.decode(model, stack, len(part), book), part)
    assert np.array_equal(stack.ending(), start)


def test_files_of_discrete_latents_come_back() -> None:
    codec = Codec(Quantised(), bits=1)
    made = codec.compress([Picture("a", one, 0) for one in pictures(300)])
    assert read(made.content).header.levels == {}
    back = codec.decompress(read(made.content))
    assert np.array_equal(np.stack([p.levels for p in back]), pictures(300))


def test_what_is_certain_touches_no_bit() -> None:
    known = Categorical(torch.eye(4, dtype=torch.float64)[None].log())  # (1, 4, 4)
    code, stack = symbolic(known).latent(), Stack.start(noise(8))
    before = stack.words()
    assert isinstance(code, Certain)
    found = code.pop(stack)
    code.push(stack, found)
    assert found.tolist() == [0, 1, 2, 3] and np.array_equal(stack.words(), before)


def test_a_symbol_costs_its_logarithm_and_none_beyond_the_last_is_drawn() -> None:
    law = Categorical(torch.tensor([[3.0, 0.0, -2.0]], dtype=torch.float64)[:, :, None].expand(1, 3, 4000))
    code, stack = symbolic(law).latent(), Stack.start(noise(4000))
    assert isinstance(code, Table)
    before = stack.bits
    symbols = code.pop(stack)
    assert set(symbols.tolist()) == {0, 1, 2}
    nats = -float(law.log_prob(torch.from_numpy(symbols)[None] / 2).sum())
    assert before - stack.bits == pytest.approx(nats / math.log(2), rel=1e-3)


def test_a_level_of_two_kinds_is_refused() -> None:
    class Mixed(Quantised):
        def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
            q = Categorical(torch.zeros(evidence.n, 3, 4))
            visit(Site("z1", standard_normal(torch.zeros(evidence.n), (4,)), q))
            return visit(Site("x", Bernoulli(torch.zeros(evidence.n, 1, 6, 6)), value=evidence.x, data=True))

    model = still(Mixed())
    with pytest.raises(Uncodable, match="expected Gaussian or categorical latents"):
        calibrate(model, model.evidence(torch.zeros(2, 1, 6, 6).double()))
