from __future__ import annotations

import json

import pytest
import torch
from linear_gaussian import BottomUpGaussian, LinearGaussian, TopDownGaussian
from torch import Tensor, nn

from hvae.config.objective import FreeBitsConfig, ObjectiveConfig
from hvae.datum import Datum
from hvae.distributions import Normal, standard_normal
from hvae.draw import posterior, prior
from hvae.errors import HvaeError
from hvae.metrics import activity
from hvae.metrics.diagnosis import verdict
from hvae.metrics.information import LevelActivity
from hvae.site import Site
from hvae.walk import Evidence, Model, Visit, run


def with_widths(model: LinearGaussian, *widths: float) -> LinearGaussian:
    nn.init.constant_(model.width, 0)
    model.width.data.copy_(torch.tensor(widths))
    return model


def drawn_from(model: LinearGaussian, n: int = 4000) -> tuple[Tensor, ...]:
    torch.manual_seed(2)
    return run(model, prior(), n=n).x.detach().split(1000)


@pytest.mark.parametrize("walk", [TopDownGaussian, BottomUpGaussian])
def test_a_unit_the_data_do_not_see_is_not_active(walk: type[LinearGaussian]) -> None:
    model = with_widths(walk(1, latent=3), 1.0, 0.0, 0.5)
    level = activity(model, drawn_from(model), 2).levels["z1"]
    assert level.dims == level.channels == 3
    assert level.active_dims == level.active_channels == level.used_dims == level.used_channels == 2
    assert level.state == "alive"


def test_activity_crosses_its_threshold_where_theory_says() -> None:
    # Var_x(E[z]) = w^2 / (w^2 + S^2) with S = 0.5: 0.01 lies at w = 0.0503.
    model = with_widths(TopDownGaussian(1, latent=2), 0.040, 0.062)
    assert activity(model, drawn_from(model, 20_000), 2).levels["z1"].active_dims == 1


def test_the_noise_of_upper_draws_is_no_activity() -> None:
    # z1's mean follows the draw of z2, which knows nothing: 4 draws leave a variance of 0.81 / 4 unless corrected.
    model = with_widths(TopDownGaussian(2, latent=2), 0.0, 0.0)
    result = activity(model, drawn_from(model), 4)
    assert [(level.active_dims, level.state) for level in result.levels.values()] == [(0, "collapsed")] * 2
    assert result.verdict.startswith("Both levels are collapsed")


def test_rates_agree_with_the_trace() -> None:
    model = TopDownGaussian(2)
    x = torch.randn(30, 5, dtype=torch.float64)
    level = activity(model, x.split(8), 300).levels["z1"]
    rate = run(model, posterior, model.evidence(x).repeat(300)).rates()["z1"].detach().mean()
    assert level.rate_nats == pytest.approx(float(rate), rel=0.02)
    assert level.rate_nats_per_dim == pytest.approx(level.rate_nats / 2)


class Spatial(Model):
    """Two channels on a 2 x 2 grid: q moves with x at every place of channel 0, and at one place of channel 1."""

    shape = (1, 2, 2)

    def features(self, datum: Datum) -> dict[str, Tensor]:
        corner = datum.x * torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=datum.x.dtype)
        return {"z1": torch.cat([datum.x, 0.17 * corner], 1)}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        like = torch.zeros(evidence.n, 1, dtype=torch.float64)
        p = standard_normal(like, (2, 2, 2))
        q = None if evidence.x is None else Normal(evidence.features["z1"], torch.ones_like(p.loc))
        z = visit(Site("z1", p, q))
        return visit(Site("x", Normal(z[:, :1], torch.ones_like(z[:, :1])), value=evidence.x, data=True))


def test_dimensions_and_channels_are_counted_apart() -> None:
    x = torch.randn(5000, 1, 2, 2, dtype=torch.float64)
    level = activity(Spatial(), x.split(1000), 2).levels["z1"]
    # The corner of channel 1 varies by 0.17^2 = 0.029 and the mean over its four places by 0.007.
    assert (level.dims, level.active_dims) == (8, 5)
    assert (level.channels, level.active_channels) == (2, 1)
    # Rates: half a nat of variance 1, and 0.0145 in the corner.
    assert (level.used_dims, level.used_channels) == (5, 1)


def level(state: str, **changes: float) -> LevelActivity:
    used = {"alive": 9, "weak": 0.5, "collapsed": 0}[state]
    sizes = dict(dims=10, channels=10, active_dims=used, active_channels=used, used_dims=used, used_channels=used)
    return LevelActivity(**sizes, rate_nats=used, rate_nats_per_dim=used / 10, state=state, **changes)


def test_verdicts_name_levels_and_advise() -> None:
    alive, weak, gone = level("alive"), level("weak"), level("collapsed")
    assert verdict({"z2": alive, "z1": alive}) == "All levels (z2, z1) are used."
    top = verdict({"z3": gone, "z2": gone, "z1": alive})
    assert top.startswith("2 of 3 levels are collapsed (z3, z2)")
    assert "objective.warmup.length" in top and "objective.free_bits.nats" in top and "model.posterior" in top
    low = verdict({"z2": alive, "z1": gone})
    assert low.startswith("1 of 2 levels is collapsed (z1)")
    assert "leave these out" in low
    assert "objective.beta" in verdict({"z1": gone})
    assert "z2 is weak" in verdict({"z2": weak, "z1": alive}) and "No level is collapsed" in verdict({"z2": weak})


def test_nobody_is_advised_to_do_what_was_done() -> None:
    gone, alive = level("collapsed"), level("alive")
    free = ObjectiveConfig(free_bits=FreeBitsConfig(nats=1.0))
    for levels in ({"z2": gone, "z1": alive}, {"z2": alive, "z1": gone}):
        assert "free bits" in verdict(levels) and "free bits" not in verdict(levels, objective=free)


def test_what_speaks_against_a_level_is_said_and_it_is_not_called_used() -> None:
    said = verdict({"z2": level("alive"), "z1": level("alive")}, {"z1": "the bound is worse with it"})
    assert said == "No level is collapsed. z1 is in doubt: the bound is worse with it."


def test_results_are_plain_json_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    result = activity(TopDownGaussian(2), drawn_from(TopDownGaussian(2)), 2, progress=lambda *at: told.append(at))
    assert told[-1] == (8, 8)
    assert list(json.loads(json.dumps(result.to_dict()))["levels"]) == ["z2", "z1"]


def test_faults_are_one_line() -> None:
    x = torch.randn(4, 5, dtype=torch.float64)
    with pytest.raises(HvaeError, match="samples: expected at least 2"):
        activity(TopDownGaussian(1), [x], 1)
    with pytest.raises(HvaeError, match="at least 2 data"):
        activity(TopDownGaussian(1), [x[:1]])
    with pytest.raises(HvaeError, match="got no batch"):
        activity(TopDownGaussian(1), [])
