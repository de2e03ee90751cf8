"""The stochastic recurrent network: what it conditions on, and a public implementation's recorded numbers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from recorded import StepNoise, close, layer, linears, part, place, recorded, same_gradients, swapped
from torch import Tensor, nn

from hvae import Datum, build, given, mode, run
from hvae.config import SRNNConfig
from hvae.models.recurrent import Recurrent
from hvae.nn.recurrence import OneLater, skip

STEPS, WIDTH = 7, 6


@pytest.mark.parametrize(("timing", "lag"), [("paper", 1), ("released", 2)])
def test_what_a_step_sees_of_the_data(timing: str, lag: int) -> None:
    """With the latents held: priors change from `lag` steps on, and every posterior, which looks ahead."""
    config = SRNNConfig(latent=3, state=6, width=5, timing=timing)
    model, at = build(config, (STEPS, WIDTH), bits=1).double().eval(), 2
    x = torch.bernoulli(torch.full((2, STEPS, WIDTH), 0.4, dtype=torch.float64))
    other = x.clone()
    other[:, at] = 1 - other[:, at]
    latents = model(x, mode).values()
    a, b = (run(model, given(latents), model.evidence(data)) for data in (x, other))
    for t in range(STEPS):
        assert torch.equal(a["z", t].p.loc, b["z", t].p.loc) == (t < at + lag)
        assert not torch.equal(a["z", t].q.scale, b["z", t].q.scale)
    assert torch.equal(a["x"].p.mean()[:, : at + lag], b["x"].p.mean()[:, : at + lag])


# --- JakobHavtorn/benchmarking-lvms, whose timing depends on how it is called


def weights(model: Recurrent, arrays: dict[str, Tensor]) -> dict[nn.Parameter, Tensor]:
    """Published arrays, of weights or of gradients, by the parameter of ours that they belong to."""
    found = {}
    for own, name in ((model.level.prior, "prior"), (model.level.posterior, "posterior")):
        # Theirs are of [d, z] and [a, z], ours of [d, z] and [z, a].
        for line, k in zip(linears(own), ("0", "2", "4", "6.params"), strict=True):
            turned = name == "posterior" and k == "0"
            found |= layer(arrays, line, f"{name}.{k}", change=lambda w, turned=turned: swapped(w, 4) if turned else w)
    found |= layer(arrays, linears(model.leave)[0], "decoder", change=lambda w: swapped(w, 3))  # of [z, d]
    past = model.past.network if isinstance(model.past, OneLater) else model.past
    for own, name in ((past, "d_forward_recurrent"), (model.reader.network, "a_backward_recurrent")):
        found |= {weight: arrays[f"{name}.{key}"] for key, weight in own.named_parameters()}
    return found


def mlp() -> nn.Sequential:
    hidden = [part for a in (7, 5, 5) for part in (nn.Linear(a, 5), nn.LeakyReLU())]
    return nn.Sequential(*hidden, nn.Linear(5, 6))


@pytest.mark.parametrize("timing", ["paper", "released"])
def test_the_published_terms(timing: str) -> None:
    file = recorded(f"srnn_{timing}")
    model = build(SRNNConfig(latent=3, state=4, width=6, timing=timing), (STEPS, WIDTH), bits=1)
    model.embed, model.leave = nn.Identity(), nn.Linear(7, 6)
    model.level.prior.network, model.level.posterior.network = mlp(), nn.Sequential(skip(4), mlp())
    for side in (model.level.prior, model.level.posterior):
        side.positive = lambda raw: F.softplus(raw, beta=math.log(2) / (1 - 1e-6)) + 1e-6
    place(model.double(), weights(model, part(file, "param/")))

    evidence = model.evidence(Datum(file["x"], lengths=file["length"]))
    trace = run(model, StepNoise(file["eps_time_major"].transpose(0, 1)), evidence)
    close(trace.series("z"), file["z"])
    for t in range(STEPS):
        q, p = trace["z", t].q, trace["z", t].p
        for ours, name in ((q.loc, "q_mean"), (q.scale, "q_std"), (p.loc, "p_mean"), (p.scale, "p_std")):
            close(ours, file[name][:, t])
    close(trace["x"].p.each.logits.unflatten(0, (3, 7)), file["logits"])
    close(trace.log_likelihood(), file["log_px"])
    close(trace.rates()["z"], file["kl"])
    close(trace.elbo(), file["elbo"])
    loss = -trace.elbo().sum() / file["length"].sum()
    close(loss[None], file["loss"])
    loss.backward()
    same_gradients(weights(model, part(file, "grad/")))
