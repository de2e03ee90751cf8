"""The toy in time against its closed form: what rests on it rests on this."""

from __future__ import annotations

import math

import torch
from toys import StateSpace

from hvae.distributions import Bernoulli
from hvae.draw import posterior, prior
from hvae.walk import run


def test_every_draw_of_the_exact_posterior_weighs_log_p() -> None:
    model = StateSpace()
    x = run(model, prior(), n=5).x.detach()
    torch.testing.assert_close(model(x).log_weight(), model.log_evidence(x))


def test_a_posterior_that_is_off_stays_below_log_p() -> None:
    model = StateSpace()
    torch.nn.init.constant_(model.shift, 0.25)
    x = run(model, prior(), n=2).x.detach()
    log_w = run(model, posterior, model.evidence(x).repeat(2000)).log_weight().view(2, 2000)
    assert (log_w.mean(1) < model.log_evidence(x) - 0.5).all()
    torch.testing.assert_close(log_w.logsumexp(1) - math.log(2000), model.log_evidence(x), atol=0.5, rtol=0)


def test_binary_data_have_their_shape_and_steps() -> None:
    model = StateSpace((1, 6, 5), Bernoulli)
    trace = run(model, prior(), n=4)
    assert trace.x.shape == (4, 1, 6, 5) and set(trace.x.unique().tolist()) <= {0.0, 1.0}
    assert [record.step for record in trace.latents] == [0, 1, 2]
    assert model(trace.x).log_weight().isfinite().all()
