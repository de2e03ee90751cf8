"""The variational diffusion model against recorded numbers of the published code, and its own promises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from recorded import Arrays, close, part, place, recorded
from torch import Tensor, nn

from hvae import build, given, mode, run
from hvae.config import VDMConfig
from hvae.distributions import Steps, Visits
from hvae.draw import Draw, Drawn
from hvae.models.conditioning import Entry
from hvae.models.diffusion import Diffusion
from hvae.nn.noise import Monotone
from hvae.site import Site
from hvae.walk import Trace

RECORDED = Path(__file__).parents[3] / "shared" / "parity" / "next"
CASES = ("vdm_toy", "vdm_unet")
SHAPE = (3, 4, 4)


class Fixed(nn.Module):
    """sigma z + 0.1 alpha tanh(2 z - z one column to the left), less z: what is left to say of the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing, self.level = nn.Parameter(torch.zeros(0)), nn.Identity()

    def forward(self, z: Tensor, level: Tensor) -> Tensor:
        gamma = (-13.3 + 18.3 * level)[:, None, None, None]
        a, s = torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma).sqrt()
        return s * z + 0.1 * a * torch.tanh(2 * z - z.roll(1, 3)) - z


def case(name: str) -> Arrays:
    folder = RECORDED / name / f"{name}.npz"
    if not folder.is_file():
        pytest.skip(f"the recorded outputs {folder} are not here")
    return recorded(folder)


def images(t: Tensor) -> Tensor:
    """Channels before height and width."""
    return t.movedim(-1, -3)


def model(name: str, arrays: Arrays, steps: int) -> Diffusion:
    config = VDMConfig(steps=steps, widths=(32,), blocks=1, walked=10)
    built = build(config, SHAPE, bits=8).double().eval()
    assert isinstance(built, Diffusion)
    ends = part(arrays, "param/gamma/")
    if name == "vdm_toy":
        built.network = Fixed()
        place(built, {built.schedule.b: ends["b"], built.schedule.w: ends["w"]})
    else:
        place(
            built,
            {
                **weights(built, part(arrays, "param/score_model/")),
                built.schedule.b: ends["b"],
                built.schedule.w: ends["w"],
            },
        )
    return built


def linear(arrays: Arrays, name: str, own: nn.Linear | nn.Conv2d) -> dict[nn.Parameter, Tensor]:
    kernel = arrays[f"{name}/kernel"]
    laid = kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.t()
    found = {own.weight: laid.reshape(laid.shape + own.weight.shape[laid.ndim :])}
    return found | ({own.bias: arrays[f"{name}/bias"]} if own.bias is not None else {})


def norm(arrays: Arrays, name: str, own: nn.GroupNorm) -> dict[nn.Parameter, Tensor]:
    return {own.weight: arrays[f"{name}/scale"], own.bias: arrays[f"{name}/bias"]}


def block(arrays: Arrays, name: str, own: nn.Module) -> dict[nn.Parameter, Tensor]:
    found = {
        **norm(arrays, f"{name}/GroupNorm_0", own.norm),
        **linear(arrays, f"{name}/conv1", own.first),
        **linear(arrays, f"{name}/cond_proj", own.hear),
        **norm(arrays, f"{name}/GroupNorm_1", own.norm_again),
        **linear(arrays, f"{name}/conv2", own.second),
    }
    return found | ({} if isinstance(own.skip, nn.Identity) else linear(arrays, f"{name}/nin_shortcut", own.skip))


def weights(built: Diffusion, arrays: Arrays) -> dict[nn.Parameter, Tensor]:
    """Of the published score network, whose 33rd input of the time is a condition that is always zero."""
    net = built.network
    arrays = {**arrays, "dense0/kernel": arrays["dense0/kernel"][:-1]}
    asked = {
        f"mid.attn_1/qkv/{what}": torch.cat([arrays[f"mid.attn_1/{one}/{what}"] for one in "qkv"], -1)
        for what in ("kernel", "bias")
    }
    return {
        **linear(arrays, "dense0", net.level.first),
        **linear(arrays, "dense1", net.level.second),
        **linear(arrays, "conv_in", net.enter),
        **block(arrays, "down.block_0", net.down[0][0]),
        **block(arrays, "mid.block_1", net.before),
        **norm(arrays, "mid.attn_1/GroupNorm_0", net.middle.norm),
        **linear(asked, "mid.attn_1/qkv", net.middle.ask),
        **linear(arrays, "mid.attn_1/proj_out", net.middle.out),
        **block(arrays, "mid.block_2", net.after),
        **block(arrays, "up.block_0", net.up[0][0]),
        **block(arrays, "up.block_1", net.up[0][1]),
        **norm(arrays, "GroupNorm_0", net.norm),
        **linear(arrays, "conv_out", net.leave),
    }


@dataclass(frozen=True, eq=False)
class Noise(Draw):
    """Recorded noise of z_0 and of each z_t, and given times in [0, 1) or numbers of levels, (B,)."""

    first: Tensor
    above: Tensor
    times: Tensor

    def __call__(self, site: Site) -> Drawn:
        if isinstance(site.p, Visits):
            is_whole = isinstance(site.p, Steps)
            places = (self.times * site.p.total - 1e-9).ceil().long() - 1 if is_whole else self.times * site.p.total
            return Drawn(places[:, None], site.p.thinned(1))
        noise = {"first": self.first, "above": self.above}.get(site.name)
        law = site.q or site.p
        if site.value is not None:
            return Drawn(site.value, site.proposal)
        return Drawn(law.sample() if noise is None else law.loc + law.scale * noise, law)

    def thins(self) -> bool:
        return True


def terms(trace: Trace, top: str) -> dict[str, Tensor]:
    rates = trace.rates()
    return {
        "loss_recon": -trace.log_likelihood(),
        "loss_klz": rates.pop(top),
        "loss_diff": sum(rates.values()),
    }


def check(found: dict[str, Tensor], arrays: Arrays, at: str) -> None:
    for name, nats in found.items():
        torch.testing.assert_close(
            nats, arrays[f"{at}/{name}"], rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
        )


def walked(built: Diffusion, arrays: Arrays, at: Arrays, times: Tensor) -> Trace:
    x = images(at["x"]).double() / 255
    draw = Noise(images(at["eps_0"]), images(at["eps"]), times)
    return run(built, draw, built.evidence(x))


@pytest.mark.parametrize("steps", [0, 10, 100])
@pytest.mark.parametrize("name", CASES)
def test_three_terms_at_given_times(name: str, steps: int) -> None:
    arrays = case(name)
    built = model(name, arrays, steps)
    check(terms(walked(built, arrays, arrays, arrays["t"]), built.top), arrays, f"given_t/T{steps}")


@pytest.mark.parametrize("steps", [0, 10])
@pytest.mark.parametrize("name", CASES)
def test_antithetic_times(name: str, steps: int) -> None:
    arrays = case(name)
    built = model(name, arrays, steps)
    times = (arrays["antithetic/t0"] + torch.arange(4) / 4) % 1
    check(terms(walked(built, arrays, arrays, times), built.top), arrays, f"antithetic/T{steps}")


@pytest.mark.parametrize("steps", [10, 100])
@pytest.mark.parametrize("name", CASES)
def test_all_levels_of_one_image(name: str, steps: int) -> None:
    """Row i is the level at (i + 1) / T, with the weight T: their mean is the whole diffusion term."""
    arrays = case(name)
    built, chain = model(name, arrays, steps), part(arrays, f"chain/T{steps}/")
    rows = {"x": arrays["x"][:1].expand(steps, -1, -1, -1), **chain}
    found = terms(walked(built, arrays, rows, chain["t"]), built.top)
    check(found, arrays, f"chain/T{steps}")
    close(found["loss_diff"].mean(), chain["total_diffusion_nats"][0], atol=1e-9 * float(chain["total_diffusion_nats"]))


@pytest.mark.parametrize("name", CASES)
def test_ten_ancestral_steps(name: str) -> None:
    """Each from the recorded z above it: the random network makes a hundred of a rounding error at every step."""
    arrays = case(name)
    built, of = model(name, arrays, 10), part(arrays, "sample/")
    z = {f"z{level + 1}": images(of["z"])[9 - level] for level in range(10)}
    trace = run(built, given({built.top: images(of["z_1"]), **z}, mode), n=2)
    for level in range(10):
        law = trace[f"z{level + 1}"].p
        close(law.loc + law.scale * images(of["eps"])[9 - level], z[f"z{level + 1}"])
    assert torch.equal((trace.x * 255).round().long(), images(of["x_argmax"]))
    logits = trace["x"].p.logits[:, :, :, 0, 0].log_softmax(1).transpose(1, 2)  # (B, C, L)
    torch.testing.assert_close(logits, of["logits_of_first_pixel"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_the_score_alone(name: str) -> None:
    arrays = case(name)
    built, of = model(name, arrays, 10), part(arrays, "score/")
    z, gamma = images(of["z_t"]), of["gamma_t"][:, None, None, None]
    guess = built.denoised(z, gamma, Entry(lambda site: site.value))
    eps = (z - torch.sigmoid(-gamma).sqrt() * guess) / torch.sigmoid(gamma).sqrt()
    close(eps, images(of["eps_hat"]), atol=1e-8 * float(of["eps_hat"].abs().max()))
    close(built.schedule(arrays["gamma/t"]), arrays["gamma/gamma"])


def test_the_monotone_network() -> None:
    arrays = part(case("vdm_toy"), "nnet/")
    schedule = Monotone(-13.3, 5.0, 8).double()
    place(
        schedule,
        {
            schedule.line.b: arrays["param/l1/bias"],
            schedule.line.w: arrays["param/l1/kernel"][0],
            schedule.u: arrays["param/l2/kernel"][0],
            schedule.c: arrays["param/l2/bias"],
            schedule.v: arrays["param/l3/kernel"][:, 0],
        },
    )
    close(schedule(arrays["t"]), arrays["gamma"])
    close(schedule.slope(arrays["t"]), arrays["dgamma_dt"])
