"""Heads that are the law of a noise: known sizes are obeyed, unknown ones are found from noisy data alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hvae.distributions import Camera
from hvae.errors import HvaeError
from hvae.levels.likelihoods import head
from hvae.levels.noise import LEAST


def law(kind: str, raw: Tensor, **numbers: float) -> Camera:
    found = head(kind, (1, 4, 5), 256, **numbers).double()(raw)
    assert isinstance(found, Camera)
    return found


@pytest.mark.parametrize("kind", ["noise", "noise-global"])
def test_the_variance_grows_with_the_signal(kind: str) -> None:
    raw = torch.linspace(-3, 2, 20, dtype=torch.float64).view(1, 1, 4, 5)
    found = law(kind, raw, sigma=0.1, gain=0.02)
    torch.testing.assert_close(found.signal, (raw + 1) / 2)
    torch.testing.assert_close(found.scale**2, 0.01 + 0.02 * found.signal.clamp_min(0), rtol=1e-5, atol=0)
    alone = law(kind, raw, sigma=0.1)
    torch.testing.assert_close(alone.scale, torch.full_like(raw, 0.1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("sigma", [1e-5, 1e-4])
def test_a_scale_is_never_below_the_least(sigma: float) -> None:
    assert bool((law("noise", torch.zeros(1, 1, 4, 5).double(), sigma=sigma).scale >= LEAST).all())


def test_sizes_are_found_from_noisy_data() -> None:
    """The signal is known here, so that sigma and gain alone are to be found: 0.06 and 0.03."""
    torch.manual_seed(0)
    signal = torch.linspace(0.05, 0.95, 20, dtype=torch.float64).view(1, 1, 4, 5).expand(2000, 1, 4, 5)
    x = Camera(signal, (0.06**2 + 0.03 * signal).sqrt(), 256).sample()
    unknown = head("noise-global", (1, 4, 5), 256, sigma=0.2, gain=0.2).double()
    optimiser = torch.optim.LBFGS(unknown.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -unknown(2 * signal - 1).log_prob(x).mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    variance, gain = (number.item() for number in unknown.noise())
    assert variance**0.5 == pytest.approx(0.06, rel=0.05) and gain == pytest.approx(0.03, rel=0.05)


@pytest.mark.parametrize("kind", ["noise", "noise-global"])
@pytest.mark.parametrize(
    ("numbers", "words"),
    [({"sigma": 0.0}, "sigma above 0"), ({"sigma": -1.0}, "sigma above 0"), ({"gain": -0.1}, "gain of 0 or more")],
)
def test_impossible_sizes_are_refused(kind: str, numbers: dict[str, float], words: str) -> None:
    with pytest.raises(HvaeError, match=words):
        head(kind, (1, 4, 5), 256, **numbers)
