"""The recorded VDVAE: its weights in our model, its images and its noise.  See tests/fixtures/record_vdvae.py.

Shapes: `B` batch; `D` latent channels; `C H W` an image.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from fixtures.record_vdvae import SIZES, load, thin, weights
from torch import Tensor

from hvae.checkpoints.vdvae import convert, infer, published_shapes
from hvae.config.vdvae import PUBLISHED, VDVAEConfig
from hvae.distributions import Normal
from hvae.draw import Draw, Drawn, posterior
from hvae.models import TopDown
from hvae.site import Site
from hvae.zoo import build
from hvae.zoo.vdvae import level_names

__all__ = ["CONFIG", "DIMS", "TOLD", "Noise", "load", "named_noise", "recorded", "theirs", "thin"]

_CIFAR10 = PUBLISHED["cifar10"]
TOLD = VDVAEConfig(encoder=SIZES["enc_blocks"], decoder=SIZES["dec_blocks"], shift=_CIFAR10.shift, scale=_CIFAR10.scale)
"""What the weights do not carry."""
CONFIG = VDVAEConfig(**{**vars(TOLD), "width": 16, "latent": 4, "mixtures": 3, "bottleneck": 0.5})
DIMS = 3 * 32 * 32


def theirs() -> dict[str, Tensor]:
    """The weights under their published names."""
    return weights(published_shapes(CONFIG))


def recorded() -> TopDown:
    """Our model with the recorded weights."""
    config, shape, bits = infer(theirs(), TOLD)
    model = build(config, shape, bits)
    model.load_state_dict(convert(theirs(), config))
    return model.eval()


def named_noise() -> dict[str, Tensor]:
    """The recorded normal draws by level, each (B, D, h, w)."""
    file = load("vdvae_tiny.npz")
    return {name: file[f"noise/{i}"] for i, name in enumerate(level_names(CONFIG))}


class Noise(Draw):
    """z = mu + t sigma * noise from q where there is one, else from p; the noise by level.  Data are drawn freely."""

    def __init__(self, noise: Mapping[str, Tensor], t: float = 1.0) -> None:
        self.noise, self.t = noise, t

    def __call__(self, site: Site) -> Drawn:
        if site.data:
            return posterior(site)
        law = (site.q or site.p).tempered(self.t)
        assert isinstance(law, Normal)
        return Drawn(torch.addcmul(law.loc, law.scale, self.noise[site.name]), law)
