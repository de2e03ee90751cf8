"""The bidirectional walk on a linear-Gaussian model, whose log p(x) and exact posterior are known.

    zL ~ N(0, 1);   z_{l,s} = a_s z_{l+1,s} + T eps  for both sides s, up and down (both from zL in stage L - 1)
    x = w_down W_down z1_down + w_up W_up z1_up + S eps

W has orthonormal columns, one for each coordinate of each side, so that coordinates are independent, and given the
stage above the two sides are as well: the factors of bidirectional inference are then enough for the exact posterior.

Shapes: `B` batch; `V` variables that a conditional sees; `D` coordinates; `X` data.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hvae.distributions import Normal
from hvae.draw import each, posterior, prior
from hvae.models.bidirectional import Bidirectional, Latent, Stage
from hvae.models.conditioning import Unconditional
from hvae.walk import Trace, names, run

D, X, S, T = 2, 6, 0.5, 0.6
SLOPE = {"down": 0.9, "up": -0.7}
WIDTH = {"down": 1.2, "up": 0.8}


class Sees(nn.Module):
    """N(sum of weighted variables, scale): (B, V, D) -> a Gaussian of (B, 1, D)."""

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(weight), nn.Parameter(scale)
        self.shift, self.spread = nn.Parameter(torch.zeros_like(scale)), nn.Parameter(torch.zeros_like(scale))

    def forward(self, h: Tensor) -> Normal:
        loc = (h * self.weight).sum(1, keepdim=True) + self.shift  # (B, 1, D)
        return Normal(loc, (self.scale * self.spread.exp()).expand_as(loc))


class Gather(nn.Module):
    """A climb in which nothing is forgotten: up and across are all that was seen and drawn so far."""

    def forward(self, up: Tensor, across: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        seen = across if below is None else torch.cat([up, across], 1)
        return seen, seen


class Beside(nn.Module):
    def forward(self, across: Tensor, d: Tensor) -> Tensor:
        return torch.cat([across, d], 1)


class Half(nn.Module):
    def forward(self, both: Tensor) -> Tensor:
        return both[:, : both.shape[1] // 2]


class Keep(nn.Module):
    def forward(self, start: Tensor, given: None) -> tuple[Tensor, None]:
        return start, None


class Project(nn.Module):
    """x to what it says of each side, (B, X) -> (B, 2, D): down, up."""

    def __init__(self, basis: Tensor) -> None:
        super().__init__()
        self.register_buffer("basis", basis)  # (2, X, D)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bx,sxd->bsd", x, self.basis)


class Emit(nn.Module):
    def __init__(self, basis: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", basis * torch.tensor([WIDTH["down"], WIDTH["up"]]).view(2, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        return torch.einsum("bsd,sxd->bx", z, self.weight)


class Noisy(nn.Module):
    def forward(self, loc: Tensor) -> Normal:
        return Normal(loc, torch.full_like(loc, S))


def basis() -> Tensor:
    random = torch.Generator().manual_seed(3)
    columns = torch.linalg.qr(torch.randn(X, 2 * D, generator=random, dtype=torch.float64))[0]
    return columns.view(X, 2, D).transpose(0, 1)  # (2, X, D)


def mixtures(depth: int) -> dict[str, Tensor]:
    """Each variable of one coordinate as weights of independent standard noises; "down" and "up" are what x says."""
    top, *noises = torch.eye(2 * depth + 1, dtype=torch.float64)
    found, draw = {f"z{depth}": top}, iter(noises)
    for side in ("down", "up"):
        above = top
        for l in reversed(range(1, depth)):
            above = found[f"z{l}-{side}"] = SLOPE[side] * above + T * next(draw)
        found[side] = WIDTH[side] * above + S * next(draw)
    return found


def sees(depth: int, name: str, given: list[str]) -> Sees:
    """The exact conditional of a variable, given others in this order."""
    known = mixtures(depth)
    a, b = known[name], torch.stack([known[other] for other in given])
    weight = torch.linalg.solve(b @ b.T, b @ a)  # (V,)
    scale = (a @ a - weight @ (b @ a)).sqrt()
    return Sees(weight[:, None].expand(-1, D).clone(), scale.expand(1, D).clone())


def model(depth: int) -> Bidirectional:
    seen, latents = ["down", "up"], {}
    for l in range(1, depth):
        above = [f"z{depth}"] if l == depth - 1 else [f"z{l + 1}-down", f"z{l + 1}-up"]
        p = {side: sees(depth, f"z{l}-{side}", above) for side in ("down", "up")}
        latents[f"z{l}-up"] = Latent(q=sees(depth, f"z{l}-up", seen), p=p["up"], inject=nn.Identity())
        latents[f"z{l}-down"] = Latent(q=sees(depth, f"z{l}-down", [*seen, *above]), p=p["down"])
        seen = [f"z{l}-up", *seen]
    latents[f"z{depth}"] = Latent(q=sees(depth, f"z{depth}", seen), inject=nn.Identity())
    stages = [Stage(climb=Gather(), merge=Beside(), descend=Keep(), join=nn.Identity()) for _ in range(depth - 1)]
    built = Bidirectional(
        (X,),
        enter=Project(basis()),
        stages=[*stages, Stage(climb=Gather(), merge=Half(), descend=Keep())],
        latents=latents,
        top=(1, D),
        leave=Emit(basis()),
        head=Noisy(),
        condition=Unconditional(),
    ).double()
    built.limits = None  # Gaussian data
    return built


def loosened(depth: int) -> Bidirectional:
    """A posterior that is off by so much at every latent."""
    loose = model(depth)
    for latent in loose.latents.values():
        nn.init.constant_(latent.q.shift, 0.3)
        nn.init.constant_(latent.q.spread, 0.2)
    return loose


def log_evidence(depth: int, x: Tensor) -> Tensor:
    known = mixtures(depth)
    z = torch.stack([known["z1-down"], known["z1-up"]])
    weight = Emit(basis()).weight.double()  # (2, X, D)
    cov = torch.einsum("sxd,st,tyd->xy", weight, z @ z.T, weight) + S**2 * torch.eye(X, dtype=torch.float64)
    return torch.distributions.MultivariateNormal(torch.zeros(X, dtype=torch.float64), cov).log_prob(x)


def bound(depth: int, x: Tensor, k: int, rows: int = 4000) -> Tensor:
    """The importance-weighted bound of each datum, (B,)."""
    loose = loosened(depth)
    with torch.no_grad():
        log_w = run(loose, posterior, loose.evidence(x).repeat(rows * k)).log_weight().view(len(x), rows, k)
    return (log_w.logsumexp(2) - torch.tensor(float(k)).log()).mean(1)


@pytest.fixture(params=[2, 3, 4])
def depth(request: pytest.FixtureRequest) -> int:
    return request.param


def data(n: int = 3) -> Tensor:
    return 2 * torch.randn(n, X, dtype=torch.float64)


def test_every_draw_of_the_exact_posterior_weighs_log_p(depth: int) -> None:
    x, exact = data(), model(depth)
    log_weight = run(exact, posterior, exact.evidence(x).repeat(5)).log_weight().view(3, 5)
    torch.testing.assert_close(log_weight, log_evidence(depth, x)[:, None].expand(3, 5))


def test_the_elbo_is_below_and_the_iwae_rises_to_log_p(depth: int) -> None:
    x = data()
    gaps = [(log_evidence(depth, x) - bound(depth, x, k)).mean() for k in (1, 4, 32)]
    assert gaps[0] > gaps[1] > gaps[2] > -0.01
    assert gaps[0] > 0.3 and gaps[2] < 0.25 * gaps[0]


def test_the_rates_in_closed_form_keep_the_elbo(depth: int) -> None:
    """A closed form for an up latent would be wrong: its p was formed after its value, and depends on it."""
    x, loose = data(1), loosened(depth)
    with torch.no_grad():
        trace = run(loose, posterior, loose.evidence(x).repeat(20_000))
    ups = {name for name in names(loose) if name.endswith("up")}
    assert trace.estimators() == {name: "sampled" if name in ups else "analytic" for name in loose.latents}
    difference = trace.elbo() - trace.log_weight()
    assert difference.mean().abs() < 4 * difference.std() / 20_000**0.5


def test_latents_in_order_and_how_often_they_are_visited(depth: int) -> None:
    exact = model(depth)
    below = [f"z{l}-{side}" for l in reversed(range(1, depth)) for side in ("down", "up")]
    assert names(exact) == [f"z{depth}", *below]
    visits = exact(data()).visits
    ups = [((f"z{l}-up", None), "q") for l in range(1, depth)]
    assert visits[: depth - 1] == ups
    assert visits[depth - 1 : depth + 1] == [((f"z{depth}", None), "q"), ((f"z{depth}", None), "p")]
    assert visits[depth + 1 : depth + 4] == [
        ((below[0], None), "q"),
        ((below[0], None), "p"),
        ((below[1], None), "p"),
    ]


def test_up_latents_redrawn_from_the_prior_cost_nothing(depth: int) -> None:
    exact = model(depth)
    ups = [name for name in names(exact) if name.endswith("up")]
    trace: Trace = run(exact, each(dict.fromkeys(ups, prior())), exact.evidence(data()))
    assert all(trace[name].rate().abs().max() == 0 for name in ups)
    assert trace.log_weight().isfinite().all()


def test_samples_have_the_covariance_of_the_density(depth: int) -> None:
    with torch.no_grad():
        x = run(model(depth), prior(), n=60_000).x
    entropy = -log_evidence(depth, x).mean()
    by_covariance = 0.5 * (torch.linalg.slogdet(torch.cov(x.T))[1] + X * (1 + torch.log(torch.tensor(2 * torch.pi))))
    torch.testing.assert_close(entropy, by_covariance, atol=0.03, rtol=0)
