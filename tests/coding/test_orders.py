"""Every family x both orders: bit-exact, the stack restored, and as short as the trace says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from families import FAMILIES, data, family
from torch import Tensor, nn

from hvae.coding.entropy.bins import Relative
from hvae.coding.entropy.numerics import calm, noise, still
from hvae.coding.entropy.stack import Exhausted, Stack
from hvae.coding.entropy.steady import Uncodable
from hvae.coding.lossless import bitsback, bitswap
from hvae.coding.lossless.book import Book, calibrate
from hvae.datum import Datum
from hvae.distributions import Bernoulli, Denoising, Distribution, Fixed, Flowed, Normal, standard_normal
from hvae.draw import posterior, replay
from hvae.levels import gaussian
from hvae.site import Site, Visit
from hvae.walk import Chain, Evidence, Model, Record, Trace, run

pytestmark = pytest.mark.filterwarnings("ignore")

WORDS = 4000


def flows(model: Model) -> bool:
    return any(
        isinstance(r.q, Flowed) or type(r.p) not in (Normal, Denoising)
        for r in run(model, posterior, model.evidence(data())).latents
    )


def has_context(model: Model) -> bool:
    """Coded as well, in tests/coding/test_context_and_steps.py: its latents are no Gaussians with bins."""
    return any(isinstance(r.q, Fixed) for r in run(model, posterior, model.evidence(data())).latents)


CODABLE = [name for name in FAMILIES if not flows(family(name))]
FLOWING = [name for name in FAMILIES if name not in CODABLE and not has_context(family(name))]
CHAINS = [name for name in CODABLE if isinstance(family(name), Chain)]
CASES = [(name, bitsback) for name in CODABLE] + [(name, bitswap) for name in CHAINS]


def by_mass(record: Record, law: Distribution | None, book: Book) -> float:
    """-log2 of the mass that a law gives to the bins of a value, summed: by formula, not by table."""
    assert isinstance(law, Normal)
    bins = book.bins(record)
    flat = record.value.reshape(-1)
    index = np.arange(bins.size)[None].repeat(len(flat), 0)
    chosen = np.abs(np.stack([bins.centres(i) for i in index.T], 1) - flat.numpy()[:, None]).argmin(1)
    edges = torch.from_numpy(bins.edges(chosen[:, None] + np.arange(2)))
    t = (edges - law.loc.reshape(-1, 1)) / law.scale.reshape(-1, 1)
    # In the upper tail both values are nearly one: there the difference is taken of the lower tail's.
    t = torch.where(t[:, :1] > 0, -t.flip(1), t)
    return -float(torch.special.ndtr(t).diff(dim=1).clamp(min=2.0**-30).log2().sum())


def ideal(trace: Trace, book: Book) -> float:
    latents: float = sum(by_mass(r, r.p, book) - by_mass(r, r.q, book) for r in trace.latents)
    return latents - float(trace.log_likelihood().sum()) / math.log(2)


@pytest.mark.parametrize(("name", "order"), CASES, ids=lambda case: case if isinstance(case, str) else case.__name__)
def test_round_trip_and_cost(name: str, order) -> None:
    model, x = family(name), data(6)
    with calm():
        book = calibrate(model, model.evidence(x))
        stack, expected = Stack.start(noise(WORDS)), 0.0
        before = stack.bits
        for part in x.split(2):
            expected += ideal(order.encode(model, stack, part, book), book)
        assert stack.bits - before == pytest.approx(expected, rel=5e-3, abs=4)
        stack = Stack.resume(stack.words())
        back = [order.decode(model, stack, 2, book) for _ in range(3)][::-1]
    assert torch.equal(torch.cat(back), x)
    assert np.array_equal(stack.ending(), noise(WORDS))


@pytest.mark.parametrize("name", FLOWING)
def test_flows_are_refused_with_advice(name: str) -> None:
    model = family(name)
    with pytest.raises(Uncodable, match="train with Gaussians"):
        calibrate(model, model.evidence(data(2)))


@pytest.mark.parametrize("name", ["vae-mlp", "vlae-mlp", "markov-mlp"])
def test_fine_bins_cost_what_the_densities_say(name: str) -> None:
    model, x = family(name), data(16)
    with calm():
        book = calibrate(model, model.evidence(x), fineness=32)
        stack = Stack.start(noise(WORDS))
        before = stack.bits
        trace = bitsback.encode(model, stack, x, book)
    assert stack.bits - before == pytest.approx(-float(trace.log_weight().sum()) / math.log(2), rel=1e-2)


def test_popped_latents_are_draws_of_the_posterior() -> None:
    """The mean cost is minus the ELBO: over many images it must come out, whatever the bins."""
    model, x = family("vae-mlp"), data(2000)
    with calm():
        book = calibrate(model, model.evidence(x[:16]), fineness=16)
        stack = Stack.start(noise(20_000))
        before = stack.bits
        bitsback.encode(model, stack, x, book)
        elbo = run(model, posterior, model.evidence(x)).elbo()
    assert stack.bits - before == pytest.approx(-float(elbo.sum()) / math.log(2), rel=1e-2)


def test_bit_swap_borrows_one_level_where_bb_ans_borrows_all() -> None:
    model, x = family("markov-mlp"), data(8)
    loans = []
    with calm():
        book = calibrate(model, model.evidence(x))
        for order in (bitsback, bitswap):
            stack = Stack.start(noise(WORDS))
            before = stack.bits
            order.encode(model, stack, x, book)
            loans.append(before - stack.lowest)
    assert loans[1] < 0.7 * loans[0]


@pytest.mark.parametrize("name", CHAINS)
def test_both_orders_of_a_chain_visit_the_same_variables(name: str) -> None:
    """Swapped or not, the trace is one of the same model: its weight is that of a replay."""
    model, x = family(name), data(4)
    with calm():
        book = calibrate(model, model.evidence(x))
        trace = bitswap.encode(model, Stack.start(noise(WORDS)), x, book)
        again = run(model, replay(trace.values()), model.evidence(x))
    torch.testing.assert_close(again.log_weight(), trace.log_weight())
    torch.testing.assert_close(again.elbo(), trace.elbo())


@pytest.mark.parametrize(("name", "order"), [("vae-mlp", bitsback), ("markov-mlp", bitswap)])
def test_an_empty_stack_lends_nothing(name: str, order) -> None:
    model, x = family(name), data(2)
    with calm(), pytest.raises(Exhausted):
        order.encode(model, Stack.start(noise(1)), x, calibrate(model, model.evidence(x)))


class Recurrent(Model):
    """Latents and data by turns: z_t from what came before, then x_t from both; every name recurs with its step."""

    shape = (12,)

    def __init__(self) -> None:
        super().__init__()
        self.gen, self.inf, self.out = nn.Linear(4, 4), nn.Linear(7, 4), nn.Linear(6, 3)
        self.cell = nn.GRUCell(5, 4)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        h, found = self.gen.weight.new_zeros(evidence.n, 4), []
        for t, x in enumerate([None] * 4 if evidence.x is None else evidence.x.split(3, 1)):
            q = None if x is None else gaussian(self.inf(torch.cat([h, x], 1)), torch.exp)
            z = visit(Site("z1", gaussian(self.gen(h), torch.exp), q, step=t))
            found.append(visit(Site("x", Bernoulli(self.out(torch.cat([h, z], 1))), value=x, step=t, data=True)))
            h = self.cell(torch.cat([found[-1], z], 1), h)
        return torch.cat(found, 1)


def test_data_inside_the_walk_are_coded_step_by_step() -> None:
    torch.manual_seed(0)
    model, x = Recurrent().double(), torch.bernoulli(torch.full((9, 12), 0.4, dtype=torch.float64))
    with calm():
        book, stack = calibrate(model, model.evidence(x)), Stack.start(noise(WORDS))
        before = stack.bits
        expected = sum(ideal(bitsback.encode(model, stack, part, book), book) for part in x.split(3))
        assert stack.bits - before == pytest.approx(expected, rel=5e-3, abs=4)
        back = [bitsback.decode(model, stack, 3, book) for _ in range(3)][::-1]
    assert torch.equal(torch.cat(back), x)
    assert np.array_equal(stack.ending(), noise(WORDS))


def test_a_thinned_walk_is_refused_with_advice() -> None:
    law = standard_normal(torch.zeros(1), (2,))
    with pytest.raises(Uncodable, match="z3 stands for several variables"):
        bitsback.Sender(Stack.start(noise(9)), Book({"z3": Relative(4)}))(Site("z3", law, law, weight=10))


def test_a_model_in_training_mode_or_float32_is_not_touched() -> None:
    model = family("vae-mlp").float().train()
    made = still(model)
    assert model.training and next(model.parameters()).dtype == torch.float32
    assert not made.training and next(made.parameters()).dtype == torch.float64
