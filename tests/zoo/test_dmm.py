"""The deep Markov model: what it conditions on, and a public implementation's recorded numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Arrays, close, layer, linears, part, place, recorded, rectified
from torch import Tensor, nn
from torch.distributions import AffineTransform

from hvae import Datum, build, given, mode, run
from hvae.config import DMMConfig
from hvae.config.flow import FlowConfig
from hvae.models.recurrent import Recurrent
from hvae.walk import Trace

STEPS, WIDTH = 6, 4


@pytest.mark.parametrize(("reader", "sees_back"), [("right", False), ("both", True)])
def test_what_a_step_sees_of_the_data(reader: str, sees_back: bool) -> None:
    """Priors and likelihoods hear of the data through the latents alone, posteriors from the side they read."""
    config = DMMConfig(latent=3, state=6, width=5, transition=4, reader=reader)
    model, at = build(config, (STEPS, WIDTH), bits=1).double().eval(), 2
    x = torch.bernoulli(torch.full((2, STEPS, WIDTH), 0.4, dtype=torch.float64))
    other = x.clone()
    other[:, at] = 1 - other[:, at]
    latents = model(x, mode).values()
    a, b = (run(model, given(latents), model.evidence(data)) for data in (x, other))
    assert torch.equal(a["x"].p.mean(), b["x"].p.mean())
    for t in range(STEPS):
        assert torch.equal(a["z", t].p.loc, b["z", t].p.loc)
        assert torch.equal(a["z", t].q.loc, b["z", t].q.loc) == (t > at and not sees_back)


# --- The example of Pyro, examples/dmm.py


def weights(model: Recurrent, arrays: Arrays) -> dict[nn.Parameter, Tensor]:
    transition, q, leave = model.level.prior.network[1], linears(model.level.posterior), linears(model.leave)
    gate, proposed = linears(transition.gate), linears(transition.proposed)
    return {
        model.first.state: torch.cat([arrays["z_q_0"], arrays["z_0"]]),
        model.reader.end: arrays["h_0"].flatten(),
        **layer(arrays, gate[0], "trans.lin_gate_z_to_hidden"),
        **layer(arrays, gate[1], "trans.lin_gate_hidden_to_z"),
        **layer(arrays, proposed[0], "trans.lin_proposed_mean_z_to_hidden"),
        **layer(arrays, proposed[1], "trans.lin_proposed_mean_hidden_to_z"),
        **layer(arrays, transition.kept, "trans.lin_z_to_loc"),
        **layer(arrays, transition.scale, "trans.lin_sig"),
        **layer(arrays, q[0], "combiner.lin_z_to_hidden"),
        **layer(arrays, q[1], "combiner.lin_hidden_to_loc", "combiner.lin_hidden_to_scale"),
        **layer(arrays, leave[0], "emitter.lin_z_to_hidden"),
        **layer(arrays, leave[1], "emitter.lin_hidden_to_hidden"),
        **layer(arrays, leave[2], "emitter.lin_hidden_to_input"),
        **{weight: arrays[f"rnn.{key}"] for key, weight in model.reader.network.named_parameters()},
    }


def published(config: DMMConfig, arrays: Arrays, width: int) -> Recurrent:
    model = rectified(build(config, (STEPS, width), bits=1).double())
    place(model, weights(model, arrays))
    return model


def by_step(trace: Trace, lengths: Tensor, side: str) -> Tensor:
    """log q or log p of each latent, (B, T), and 0 beyond the end."""
    records = [trace["z", t] for t in range(int(lengths.max()))]
    return torch.stack([getattr(r, side).log_prob(r.value).sum(1) * r.mask for r in records], 1)


def test_the_published_terms() -> None:
    file = recorded("dmm")
    config = DMMConfig(latent=3, transition=6, width=5, state=8, cell="rectifier")
    model = published(config, part(file, "param/"), 7)
    latents = {("z", t): file["z"][:, t] for t in range(6)}
    trace = run(model, given(latents), model.evidence(Datum(file["x"], lengths=file["length"])))
    for t in range(6):
        q, p, exists = trace["z", t].q, trace["z", t].p, file["length"] > t
        for ours, name in ((q.loc, "q_loc"), (q.scale, "q_scale"), (p.loc, "p_loc"), (p.scale, "p_scale")):
            close(ours[exists], file[name][exists, t])
    for side in ("q", "p"):
        close(by_step(trace, file["length"], side), file[f"log_{side}"])
    close(trace.log_likelihood(), file["log_px"].sum(1))
    close(trace.log_weight(), file["elbo_per_sequence"])  # theirs is one sample of the bound
    close(-trace.log_weight().sum()[None] / file["length"].sum(), file["nats_per_frame_p1"])
    close(-(trace.log_weight() / file["length"]).mean()[None], file["nats_per_frame_p2"])


class Exponential(AffineTransform):
    """Theirs: x e^s + m, of which zuko bounds s softly and Pyro cuts it, here out of reach."""

    def __init__(self, shift: Tensor, log_scale: Tensor) -> None:
        super().__init__(shift, log_scale.exp())

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self(x), self.log_abs_det_jacobian(x, x)


def placed_flow(model: Recurrent, arrays: Arrays) -> None:
    """Their one affine autoregressive flow, whose last layer says all shifts, then all scales (zuko's, in pairs)."""
    (own,) = model.flows.posterior["z"].maps
    own.univariate = Exponential
    paired = torch.arange(6).view(2, 3).T.flatten()
    for linear, k, order in ((own.hyper[0], 0, slice(None)), (own.hyper[2], 1, paired)):
        theirs = part(arrays, f"iafs_modules.0.arn.layers.{k}.")
        linear.mask = theirs["mask"][order].bool()
        linear.weight.data, linear.bias.data = theirs["weight"][order], theirs["bias"][order]


def test_the_published_terms_with_a_flow(data_root: Path) -> None:
    place_of = data_root.parent / "parity" / "next" / "dmm_iaf" / "dmm_iaf.npz"
    if not place_of.is_file():
        pytest.skip(f"needs the recording {place_of}")
    file, flow = recorded(place_of), FlowConfig(posterior="affine", transforms=1, hidden=(6,), context="none")
    config = DMMConfig(latent=3, transition=6, width=5, state=8, cell="rectifier", flow=flow)
    arrays = part(file, "param/")
    model = published(config, arrays, 7)
    placed_flow(model, arrays)
    latents = {("z", t): file["z"][:, t] for t in range(6)}
    trace = run(model, given(latents), model.evidence(Datum(file["x"], lengths=file["length"])))
    for t in range(6):
        p, exists = trace["z", t].p, file["length"] > t
        close(p.loc[exists], file["p_loc"][exists, t])
        close(p.scale[exists], file["p_scale"][exists, t])
    for side in ("q", "p"):
        close(by_step(trace, file["length"], side), file[f"log_{side}"])
    close(trace.log_likelihood(), file["log_px"].sum(1))
    log_q, log_p = (by_step(trace, file["length"], side).sum(1) for side in ("q", "p"))
    close(trace.log_likelihood() + log_p - log_q, file["elbo_per_sequence"])


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_whole_evaluation_of_chorales(data_root: Path, split: str) -> None:
    """A small model of theirs, every latent at the mean of q, on all sequences of a split, longest first."""
    from scipy.io import loadmat

    place_of = data_root.parent / "parity" / "next" / "dmm_jsb" / "dmm_jsb.npz"
    roll_file = data_root / "poly_music" / "JSB_Chorales.mat"
    if not (place_of.is_file() and roll_file.is_file()):
        pytest.skip(f"needs the recording {place_of} and the data {roll_file}")
    file = recorded(place_of)
    rolls = [torch.from_numpy(roll).double() for roll in loadmat(roll_file)[f"{split}data"][0]]
    rolls.sort(key=len, reverse=True)
    lengths = torch.tensor([len(roll) for roll in rolls])
    assert torch.equal(lengths, file[f"{split}/zero_noise/length"])

    config = DMMConfig(latent=8, transition=16, width=16, state=24, cell="rectifier")
    model = published(config, part(file, "param/"), 88)
    data = Datum(nn.utils.rnn.pad_sequence(rolls, batch_first=True), lengths=lengths)
    with torch.no_grad():
        trace = model(data, mode)
    log_q, log_p = (by_step(trace, lengths, side).sum(1) for side in ("q", "p"))
    for ours, name in ((trace.log_likelihood(), "log_px"), (log_p, "log_p"), (log_q, "log_q")):
        theirs = file[f"{split}/zero_noise/{name}"]
        order = [sorted(t.tolist()) for t in (ours, theirs)]  # sequences of one length may come in any order
        close(*(torch.tensor(o, dtype=torch.float64) for o in order))
