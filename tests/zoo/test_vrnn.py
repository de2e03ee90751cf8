"""The variational recurrent network: what it conditions on, and a public implementation's recorded numbers."""

from __future__ import annotations

import pytest
import torch
from recorded import StepNoise, close, layer, linears, part, place, recorded, rectified, same_gradients, swapped
from torch import Tensor

from hvae import Datum, build, given, mode, prior, run
from hvae.config import VRNNConfig
from hvae.errors import HvaeError
from hvae.models.recurrent import Recurrent

SMALL = {"latent": 3, "state": 6, "width": 5}
KINDS = {
    "vrnn": VRNNConfig(**SMALL),
    "lstm": VRNNConfig(**SMALL, cell="lstm"),
    "vrnn-i": VRNNConfig(**SMALL, prior="standard"),
    "storn": VRNNConfig(**SMALL, prior="standard", recurrence="storn"),
    "storn-lstm": VRNNConfig(**SMALL, recurrence="storn", cell="lstm"),
}
BATCH, STEPS, WIDTH = 3, 6, 4


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> Recurrent:
    torch.manual_seed(4)
    return build(KINDS[request.param], (STEPS, WIDTH), bits=1).double().eval()


def rolls() -> Tensor:
    return torch.bernoulli(torch.full((BATCH, STEPS, WIDTH), 0.4, dtype=torch.float64))


def changed(x: Tensor, t: int) -> Tensor:
    other = x.clone()
    other[:, t] = 1 - other[:, t]
    return other


def test_a_step_sees_its_past_and_inference_its_present(model: Recurrent) -> None:
    """p(z_t) and p(x_t) read x_{<t}, q(z_t) reads x_{<=t}: nothing ever reads what is to come."""
    x, t = rolls(), 3
    latents = model(x, mode).values()
    a, b = (run(model, given(latents), model.evidence(data)) for data in (x, changed(x, t)))
    for step in range(STEPS):
        same_p = all(torch.equal(getattr(a["z", step].p, n), getattr(b["z", step].p, n)) for n in ("loc", "scale"))
        same_q = torch.equal(a["z", step].q.loc, b["z", step].q.loc)
        assert same_q == (step < t)
        assert same_p == (step <= t or model_is_standard(model))
    logits = [trace["x"].p.mean() for trace in (a, b)]
    assert torch.equal(logits[0][:, : t + 1], logits[1][:, : t + 1])
    assert not torch.equal(logits[0][:, t + 1], logits[1][:, t + 1])


def model_is_standard(model: Recurrent) -> bool:
    return not list(model.level.prior.parameters())


@pytest.mark.parametrize("shape", [(1, 28, 28), (7,), (2, 3, 4, 5, 6)])
def test_what_is_no_sequence(shape: tuple[int, ...]) -> None:
    with pytest.raises(HvaeError, match="vrnn (needs sequences|of tokens)"):
        build(VRNNConfig(**SMALL), shape, bits=1)


def test_tokens() -> None:
    model = build(VRNNConfig(**SMALL, vocabulary=5), (STEPS,), bits=3)
    x = torch.randint(0, 5, (BATCH, STEPS)).float()
    assert model(x).elbo().shape == (BATCH,)
    assert set(run(model, prior(), n=9).x.unique().tolist()) <= set(range(5))
    with pytest.raises(HvaeError, match=r"expected values in \[0, 4\], got"):
        model(x + 1)


def test_training_starts_at_the_marginal_of_the_frames_that_exist() -> None:
    model, x = build(VRNNConfig(**SMALL), (STEPS, WIDTH), bits=1), torch.zeros(2, STEPS, WIDTH)
    x[0, :, 0], x[1, 2:] = 1.0, 1.0  # of which the last is padding
    model.prepare(Datum(x, lengths=torch.tensor([6, 2])))
    torch.testing.assert_close(linears(model.leave)[-1].bias.sigmoid()[0], torch.tensor(6.5 / 9))
    torch.testing.assert_close(model.embed[0].mean, torch.tensor([0.75, 0, 0, 0]))


# --- emited/VariationalRecurrentNeuralNetwork, as released (its GRU has no biases)

FILE = recorded("vrnn_bernoulli")
EPS = 1.1920928955078125e-07  # what the published code adds inside its logarithms


def weights(model: Recurrent, arrays: dict[str, Tensor]) -> dict[torch.nn.Parameter, Tensor]:
    """Published arrays, of weights or of gradients, by the parameter of ours that they belong to."""
    embed, inject, leave = linears(model.embed), linears(model.level.absorb), linears(model.leave)
    p, q, h = linears(model.level.prior), linears(model.level.posterior), model.enter.cell
    return {
        **layer(arrays, embed[0], "phi_x.0"),
        **layer(arrays, embed[1], "phi_x.2"),
        **layer(arrays, inject[0], "phi_z.0"),
        **layer(arrays, p[0], "prior.0"),
        **layer(arrays, p[1], "prior_mean", "prior_std.0"),
        **layer(arrays, q[0], "enc.0", change=lambda w: swapped(w, 10)),
        **layer(arrays, q[1], "enc.2"),
        **layer(arrays, q[2], "enc_mean", "enc_std.0"),
        **layer(arrays, leave[0], "dec.0", change=lambda w: swapped(w, 10)),
        **layer(arrays, leave[1], "dec.2"),
        **layer(arrays, leave[2], "dec_mean.0"),
        h.weight_ih: arrays["rnn.weight_ih_l0"],
        h.weight_hh: arrays["rnn.weight_hh_l0"],
    }


@pytest.fixture
def published() -> Recurrent:
    config = VRNNConfig(latent=4, state=10, width=10, layers=2, posterior="concat")
    model = rectified(build(config, (6, 7), bits=1).double())
    place(model, weights(model, part(FILE, "param/")))
    return model


def test_the_published_terms(published: Recurrent) -> None:
    x = FILE["x"].transpose(0, 1)
    trace = run(published, StepNoise(FILE["eps"].transpose(0, 1)), published.evidence(x))
    close(trace.series("z").transpose(0, 1), FILE["z"])
    close(trace["x"].p.mean().transpose(0, 1), FILE["dec_mean"])
    kl, nll = [], []
    for t in range(6):
        record = trace["z", t]
        q, p, dec = record.q, record.p, trace["x"].p.mean()[:, t]
        for ours, name in ((q.loc, "enc_mean"), (q.scale, "enc_std"), (p.loc, "prior_mean"), (p.scale, "prior_std")):
            close(ours, FILE[name][t])
        close(record.rate(), FILE["kl_per_step"][t], 1e-5)
        logs = 2 * torch.log(p.scale + EPS) - 2 * torch.log(q.scale + EPS)
        kl.append(0.5 * (logs + (q.scale**2 + (q.loc - p.loc) ** 2) / p.scale**2 - 1).sum(1))
        nll.append(-(x[:, t] * torch.log(dec + EPS) + (1 - x[:, t]) * torch.log(1 - dec - EPS)).sum(1))
    close(torch.stack(kl), FILE["kl_per_step"])
    close(torch.stack(nll), FILE["nll_per_step"])
    close(-trace.elbo().sum()[None], FILE["kl_total"] + FILE["nll_total"], 1e-4)
    torch.stack([*kl, *nll]).sum().backward()
    same_gradients(weights(published, part(FILE, "grad/")))


def test_the_published_samples(published: Recurrent) -> None:
    trace = run(published, StepNoise(FILE["sample/eps"].transpose(0, 1)), published.nothing(1, steps=5))
    close(trace.x[0], FILE["sample/mean"])
    close(trace.series("z").transpose(0, 1), FILE["sample/z"])
