"""Flows in a walk: public outputs, bounds and gradients against closed forms, temperature, and where they stand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from families import FAMILIES, SHAPE, data, family
from torch import Tensor, nn

from hvae import build, mode, prior, run
from hvae.config import LadderConfig, LVAEConfig, ObjectiveConfig, VAEConfig
from hvae.config.flow import FlowConfig
from hvae.distributions import Flowed, Normal, standard_normal
from hvae.errors import HvaeError
from hvae.models import TopDown
from hvae.models.flows import Flows
from hvae.nn.flows import Flow, Inverted, Invertible, zuko_maps
from hvae.objectives import build as objective
from hvae.site import Visit
from hvae.walk import Evidence

SMALL = {"transforms": 2, "hidden": (6,), "bins": 3}


# --- The recorded outputs of zuko, through our law


@pytest.mark.parametrize(
    ("case", "kind", "transforms", "bins"),
    [
        ("zuko_maf", "affine", 3, 2),
        ("zuko_nsf", "spline", 3, 5),
        ("zuko_nsf_coupling", "spline-coupling", 3, 4),
        ("zuko_iaf_inverse_maf", "affine", 2, 2),
    ],
)
def test_the_recorded_flows(data_root: Path, case: str, kind: str, transforms: int, bins: int) -> None:
    """Densities, their inverse and the log-determinant, a value far in the tail included."""
    place = data_root.parent / "parity" / "next" / case / f"{case}.npz"
    if not place.is_file():
        pytest.skip(f"needs the recording {place}")
    file = {key: torch.from_numpy(np.atleast_1d(array)) for key, array in np.load(place).items()}
    prefix = "param/transform.transforms."
    weights = {f"maps.{key.removeprefix(prefix)}": t for key, t in file.items() if key.startswith(prefix)}
    flow = Flow(zuko_maps(kind, 4, 3, transforms=transforms, hidden=(10, 10), bins=bins))
    flow.load_state_dict(weights)
    down = Inverted(flow.double())
    context = file["context"]
    law = Flowed(
        standard_normal(file["x"], (4,)), partial(down.forward, context=context), partial(down.inverse, context=context)
    )
    z, log_det = flow(file["x"], context)
    close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
    close(z, file["z"])
    close(log_det.sum(1), file["log_abs_det"])
    close(log_det.sum(1), file["slogdet_of_autograd_jacobian"])
    close(law.log_prob(file["x"]).sum(1), file["log_prob"])
    drawn, inverse_log_det = down(file["eps"], context)
    close(drawn, file["x_from_eps"])
    close(law.log_prob(drawn).sum(1), file["log_prob_of_x_from_eps"])
    close((law.base.log_prob(file["eps"]) - inverse_log_det).sum(1), file["log_prob_of_x_from_eps"])
    assert file["x"].abs()[0].max() > 5  # beyond a spline's bins


# --- Bounds and gradients: an affine map of a Gaussian is a Gaussian


class Affine(Invertible):
    """z e^a + b, of each channel by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.randn(channels, dtype=torch.float64)) for _ in "ab")

    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return z * self.a.exp() + self.b, self.a.expand_as(z)

    def inverse(self, value: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return (value - self.b) * (-self.a).exp(), self.a.expand_as(value)

    def moved(self, law: Normal) -> Unlisted:
        return Unlisted(law.loc * self.a.exp() + self.b, law.scale * self.a.exp())


class Unlisted(Normal):
    """A Gaussian whose divergences have no closed form, as those of flows have none."""


class Known(nn.Module):
    """The same laws as `Flows` of affine maps, in closed form."""

    def __init__(self, prior: Affine, posterior: Affine) -> None:
        super().__init__()
        self.prior, self.posterior = prior, posterior

    def forward(self, visit: Visit, evidence: Evidence) -> Visit:
        return lambda site: visit(
            site if site.data else replace(site, p=self.prior.moved(site.p), q=self.posterior.moved(site.q))
        )


def affine_vae() -> TopDown:
    torch.manual_seed(0)
    model = build(FAMILIES["vae-mlp"], SHAPE, bits=1).double().eval()
    model.flows = Flows({"z1": Affine(3)}, {"z1": Affine(3)})
    return model


@pytest.mark.parametrize(
    ("kind", "samples"), [("elbo", 1), ("elbo", 3), ("iwae", 3), ("stl", 1), ("stl", 3), ("dreg", 3)]
)
def test_every_objective_has_the_loss_and_the_gradient_of_the_known_laws(kind: str, samples: int) -> None:
    goal, x = objective(ObjectiveConfig(kind=kind, samples=samples)), data()
    losses, gradients = [], []
    for known in (False, True):
        model = affine_vae()
        if known:
            model.flows = Known(model.flows.prior["z1"], model.flows.posterior["z1"])
        torch.manual_seed(1)
        loss = goal(run(model, goal.draw, model.evidence(x).repeat(goal.samples)), 0).total
        losses.append(loss.detach())
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    torch.testing.assert_close(*losses)
    assert any(g.abs().max() > 1e-3 for g in gradients[0][-4:])  # those of both maps
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["affine", "spline-coupling"])
def test_the_path_gradient_is_that_of_the_elbo_in_the_mean(kind: str) -> None:
    """Of every weight of the posterior's flow, over draws; where the flow is no affine map there is no closed form."""
    config = VAEConfig(latent=2, widths=(6,), flow=FlowConfig(posterior=kind, transforms=2, hidden=(4,), bins=3))
    torch.manual_seed(0)
    model = build(config, SHAPE, bits=1).double().eval()
    weights = list(model.flows.parameters())
    for weight in weights:
        weight.data.mul_(3.0)
    x = data(1).expand(200, *SHAPE)

    def gradient(name: str) -> Tensor:
        goal = objective(ObjectiveConfig(kind=name))
        loss = goal(run(model, goal.draw, model.evidence(x).repeat(goal.samples)), 0).total
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])

    elbo, path = (torch.stack([gradient(name) for _ in range(60)]) for name in ("elbo", "stl"))
    error = ((elbo.var(0) + path.var(0)) / len(elbo)).sqrt()
    moving = error > 1e-9
    assert moving.sum() > 10
    assert ((elbo.mean(0) - path.mean(0)).abs()[moving] < 5 * error[moving]).all()
    torch.testing.assert_close(elbo[:, ~moving], path[:, ~moving], rtol=0, atol=1e-6)


def test_records_say_where_a_divergence_is_sampled() -> None:
    assert family("lvae-flow")(data()).estimators() == {"z2": "analytic", "z1": "sampled"}


# --- Where flows stand


def test_other_weights_start_as_without_flows() -> None:
    built = []
    for kind in ("none", "affine"):
        torch.manual_seed(0)
        built.append(build(LVAEConfig(latents=(3, 2), widths=(8, 6), flow=FlowConfig(posterior=kind)), SHAPE, 1))
    plain, pushed = (model.state_dict() for model in built)
    assert {key for key in pushed if key not in plain} == {key for key in pushed if key.startswith("flows.posterior.z")}
    assert all(torch.equal(pushed[key], plain[key]) for key in plain)


@pytest.mark.parametrize(("context", "depends"), [("evidence", True), ("none", False)])
def test_a_posteriors_map_hears_of_the_data_through_its_context(context: str, depends: bool) -> None:
    flow = FlowConfig(posterior="affine", context=context, **SMALL)
    for config in (
        VAEConfig(latent=3, widths=(8,), flow=flow),
        LadderConfig(groups=(1,), width=8, latent=2, flow=flow),
    ):
        model = build(config, SHAPE, bits=1).double().eval()
        q = model(data(2), mode)["z1"].q
        log_det = q.forward(torch.zeros_like(q.base.loc))[1]
        assert torch.equal(log_det[0], log_det[1]) != depends


def test_a_cold_prior_gives_the_image_of_the_bases_mean() -> None:
    model = family("vae-flow")
    z = run(model, prior(0.0), n=3)["z1"].value
    p = run(model, prior(), n=3)["z1"].p
    torch.testing.assert_close(z, p.forward(torch.zeros(3, 3, dtype=torch.float64))[0])


def test_a_ladder_with_flows_takes_images_of_any_size() -> None:
    flow = FlowConfig(prior="spline", posterior="affine", **SMALL)
    config = LadderConfig(groups=(1, 1), width=8, latent=2, start="everywhere", flow=flow)
    small, large = (build(config, shape, bits=1) for shape in ((1, 8, 8), (1, 12, 16)))
    large.load_state_dict(small.state_dict())
    assert torch.isfinite(large(torch.rand(2, 1, 12, 16).round()).elbo()).all()


# --- What is refused


@pytest.mark.parametrize("config", [VAEConfig, LVAEConfig, LadderConfig])
def test_unknown_levels_are_named(config: type[VAEConfig | LVAEConfig | LadderConfig]) -> None:
    with pytest.raises(HvaeError, match=r"^model.flow.levels: no level named 'z9'; .*Known: .*z1"):
        build(config(flow=FlowConfig(posterior="affine", levels=("z9",))), (1, 8, 8), bits=1)


def test_levels_without_a_flow_to_place_are_refused() -> None:
    with pytest.raises(HvaeError, match="there is no flow to place; set model.flow.posterior or"):
        FlowConfig(levels=("z1",))
    with pytest.raises(HvaeError, match="expected all or names of levels, got all,z1"):
        FlowConfig(prior="affine", levels=("all", "z1"))
