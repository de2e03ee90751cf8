"""The ladder above causal convolutions: what a step hears, what a latent changes, and its parts by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae import build, given, mode, names, posterior, run
from hvae.config import STCNConfig
from hvae.models.causal import CausalLadder
from hvae.nn.dilated import CausalGroups, CausalLayer
from hvae.site import Pin, pin

STEPS, KEYS = 9, 4


def ladder(**more: object) -> CausalLadder:
    torch.manual_seed(0)
    config = STCNConfig(latents=(3, 2, 2), width=5, dilations=(1, 2), **more)
    return build(config, (STEPS, KEYS), bits=1).double().eval()


def rolls(n: int = 2) -> Tensor:
    return torch.bernoulli(torch.full((n, STEPS, KEYS), 0.4, dtype=torch.float64))


def latents(model: CausalLadder, x: Tensor) -> dict[Pin, Tensor]:
    return {pin(record.key): record.value for record in model(x, mode).latents}


def test_a_causal_layer_by_hand() -> None:
    layer, u = CausalLayer(2, kernel=3, dilation=2).double(), torch.randn(1, 7, 2, dtype=torch.float64)
    kernel, bias, t = layer.hear.weight, layer.hear.bias, 5
    raw = bias + kernel[:, :, 2] @ u[0, t] + kernel[:, :, 1] @ u[0, t - 2]  # of step t - 4 too:
    raw = raw + kernel[:, :, 0] @ u[0, t - 4]
    signal, gate = raw.chunk(2)
    torch.testing.assert_close(layer(u)[0][0, t], u[0, t] + layer.answer(signal.tanh() * gate.sigmoid()))


@pytest.mark.parametrize("cuts", [(1,) * STEPS, (4, 5), (2, 1, 6)])
def test_a_carry_continues_the_whole(cuts: tuple[int, ...]) -> None:
    network = CausalGroups(3, 4, groups=2, kernel=3, dilations=(1, 3)).double()
    u, carry, parts = torch.randn(2, STEPS, 3, dtype=torch.float64), None, []
    for piece in u.split(list(cuts), 1):
        part, carry = network(piece, carry)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), network(u)[0])


def test_the_higher_a_level_the_further_back_it_hears() -> None:
    network, t = CausalGroups(3, 4, groups=3, kernel=2, dilations=(1, 2)).double(), 11
    u = torch.randn(1, 12, 3, dtype=torch.float64, requires_grad=True)
    d = network(u)[0]
    for l, reach in enumerate((4, 7, 10)):
        (gradient,) = torch.autograd.grad(d[0, t, l].sum(), u, retain_graph=True)
        assert (gradient[0].abs().sum(1) > 0).tolist() == [s > t - reach for s in range(12)]
    assert network.reach == 10


def test_what_a_datum_and_a_latent_change() -> None:
    """A datum its own posteriors, and priors after it; a latent the levels below and the data of its own step."""
    model, x, t = ladder(), rolls(), 4
    assert names(model) == ["z3", "z2", "z1"]
    other = x.clone()
    other[:, t] = 1 - other[:, t]
    values = latents(model, x)
    a, b = (run(model, given(values), model.evidence(data)) for data in (x, other))
    for record in a.latents:
        twin = b.records[record.key]
        assert torch.equal(record.p.loc, twin.p.loc) == (record.step <= t)
        assert torch.equal(record.q.loc, twin.q.loc) == (record.step < t)
    assert torch.equal(a["x"].p.mean(), b["x"].p.mean())
    moved = {**values, ("z2", t): values["z2", t] + 1}
    c = run(model, given(moved), model.evidence(x))
    changed = [record.key for record in a.latents if not torch.equal(record.p.loc, c.records[record.key].p.loc)]
    assert changed == [("z1", t)]
    steps = (a["x"].p.mean() - c["x"].p.mean()).abs().amax((0, 2)) > 0
    assert steps.tolist() == [step == t for step in range(STEPS)]


def test_the_data_see_all_latents_or_the_lowest() -> None:
    for dense in (True, False):
        model, x = ladder(dense=dense), rolls()
        values = latents(model, x)
        moved = {**values, ("z3", 2): values["z3", 2] + 1}
        a, b = (run(model, given(some), model.evidence(x))["x"].p.mean() for some in (values, moved))
        assert torch.equal(a, b) != dense


def test_the_posterior_is_a_message_times_the_prior() -> None:
    model, x = ladder(), rolls()
    trace, level = run(model, posterior, model.evidence(x)), model.levels["z1"]
    record, above, t = trace["z1", 3], trace["z2", 3].value, 3
    now = model.evidence(x).features["now"]
    message = level.posterior.network(torch.cat([now[:, t, 0], above], 1))
    loc, scale = message[:, :3], level.posterior.positive(message[:, 3:])
    precision = scale**-2 + record.p.scale**-2
    torch.testing.assert_close(record.q.scale, precision**-0.5)
    torch.testing.assert_close(record.q.loc, (loc * scale**-2 + record.p.loc * record.p.scale**-2) / precision)
