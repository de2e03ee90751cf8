"""The hall on its own: names that recur in time, conditions, errors of names, sites known in two halves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hvae.distributions import Normal, standard_normal
from hvae.draw import Draw, Drawn, each, given, mode, posterior, prior, replay
from hvae.errors import HvaeError
from hvae.site import Site, Visit
from hvae.walk import Evidence, Model, Trace, names, run


class InTime(Model):
    """Three steps of one latent and one datum each: z_t drifts from z_{t-1}, x_t looks at z_t."""

    def __init__(self) -> None:
        super().__init__()
        self.shape, self.steps = (3,), 3
        self.drift = nn.Parameter(torch.tensor(0.9, dtype=torch.float64))

    def features(self, x: Tensor, cond: Tensor | None) -> dict[str, Tensor]:
        return {"cond": x if cond is None else x + cond}

    def walk(self, visit: Visit, evidence: Evidence | None, n: int) -> Tensor:
        z, xs = self.drift.new_zeros(n), []
        for t in range(self.steps):
            p = Normal(self.drift * z, torch.ones_like(z))
            seen = None if evidence is None else evidence.features["cond"][:, t]
            q = None if seen is None else Normal((seen + p.loc) / 2, 0.5 * torch.ones_like(z))
            z = visit(Site("z", p, q, step=t))
            x = None if evidence is None else evidence.x[:, t]
            xs.append(visit(Site("x", Normal(z, torch.ones_like(z)), value=x, step=t, data=True)))
        return torch.stack(xs, 1)  # (n, T)


def x(n: int = 4) -> Tensor:
    return torch.randn(n, 3, dtype=torch.float64)


def test_steps_of_one_name_are_kept_apart_and_summed() -> None:
    trace = InTime()(x())
    assert [key for key, side in trace.visits if side == "p"] == [(n, t) for t in range(3) for n in ("z", "x")]
    assert list(trace.rates()) == ["z"]
    torch.testing.assert_close(trace.rates()["z"], sum(record.rate() for record in trace.latents))
    torch.testing.assert_close(trace.elbo(), trace.log_likelihood() - trace.rates()["z"])
    assert names(InTime()) == ["z"]


def test_replay_follows_steps() -> None:
    model, data = InTime(), x()
    trace = model(data)
    again = run(model, replay(trace.keyed_values()), model.evidence(data))
    torch.testing.assert_close(again.log_weight(), trace.log_weight())


def test_a_name_of_many_steps_is_not_one_record() -> None:
    with pytest.raises(HvaeError, match="variable of one step"):
        InTime()(x())["z"]


def test_conditions_reach_the_features_and_are_repeated() -> None:
    model, data = InTime(), x(2)
    cond = torch.ones(2, 3, dtype=torch.float64)
    evidence = model.evidence(data, cond).repeat(2)
    assert torch.equal(evidence.cond, torch.ones(4, 3, dtype=torch.float64))
    assert torch.equal(evidence.features["cond"][0], data[0] + 1)
    assert model.evidence(data).repeat(3).cond is None


def test_unused_names_raise_wherever_they_hide() -> None:
    model = InTime()
    hidden = each({"z": given({"y": torch.zeros(1)}, prior())}, prior())
    for draw in (given({"y": torch.zeros(1)}, prior()), each({"zz": prior()}, prior()), hidden):
        with pytest.raises(HvaeError, match=r"no level named '\w+'.*Known: z, x"):
            run(model, draw)


def test_given_without_evidence_costs_its_prior_alone() -> None:
    z = torch.full((1,), 0.5, dtype=torch.float64)
    trace = run(InTime(), given({"z": z}, mode))
    record = trace.latents[0]
    assert record.proposal is None and record.divergence()[1] == "given"
    torch.testing.assert_close(record.log_weight(), record.p.log_prob(z))
    torch.testing.assert_close(record.rate(), -record.p.log_prob(z))


def test_a_site_learns_its_other_side_and_keeps_its_value() -> None:
    ones = torch.ones(1)
    q, p = standard_normal(ones, (1,)), Normal(ones[:, None], ones[:, None])
    first = Site("z", q=q, value=ones, proposal=q)
    second = Site("z", p=p).knowing(first)
    assert second.q is q and second.p is p and second.value is ones and second.late
    assert not Site("z", p=p, q=q).late


def test_a_draw_of_ones_own() -> None:
    class Zero(Draw):
        def __call__(self, site: Site) -> Drawn:
            assert site.p is not None
            return Drawn(torch.zeros_like(site.p.mode()), site.p)

    assert not run(InTime(), Zero(), n=3).x.any()


def test_weights_scale_what_a_site_costs() -> None:
    one = torch.ones(2, dtype=torch.float64)
    p, q = Normal(one, one), Normal(0 * one, one)
    trace = Trace()
    for name, weight in (("a", 1.0), ("b", 3.0)):
        trace.note(Site(name, p, q, weight=weight), one, q)
    rates = trace.rates()
    torch.testing.assert_close(rates["b"], 3 * rates["a"])
    torch.testing.assert_close(trace["b"].log_weight(), 3 * trace["a"].log_weight())


def test_posterior_without_evidence_is_the_prior() -> None:
    trace = run(InTime(), posterior, n=2)
    assert all(record.proposal is record.p for record in trace.latents)
