"""A class-conditional VAE, p(x | z, y) p(z): Kingma et al. 2014, arXiv 1406.5298, as a model of one's own.

python examples/own/conditional_vae.py [--steps 300] [--out runs/own-cvae]
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from demo import demo
from torch import Tensor, nn

from hvae import Condition, Datum, Evidence, Model, Site
from hvae.distributions import Bernoulli, Normal, standard_normal
from hvae.site import Visit


class ConditionalVAE(Model):
    """The label goes into the encoder and into the decoder; the latent says everything else."""

    def __init__(self, shape: tuple[int, ...], classes: int = 10, dims: int = 8, hidden: int = 64) -> None:
        super().__init__()
        self.shape, self.classes, self.dims = tuple(shape), classes, dims
        self.conditions = {"label": Condition(classes=classes)}
        pixels = torch.Size(shape).numel()
        self.read = nn.Sequential(nn.Linear(pixels + classes, hidden), nn.SiLU(), nn.Linear(hidden, 2 * dims))
        self.write = nn.Sequential(nn.Linear(dims + classes, hidden), nn.SiLU(), nn.Linear(hidden, pixels))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        return {"z1": self.read(torch.cat([datum.x.flatten(1), self.one_hot(datum.context["label"])], 1))}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        y, raw = self.one_hot(evidence.context["label"]), evidence.feature("z1")
        q = None if raw is None else Normal(raw[:, : self.dims], raw[:, self.dims :].clamp(-5, 3).exp())
        z = visit(Site("z1", standard_normal(y, (self.dims,)), q))
        return visit(evidence.site(Bernoulli(self.write(torch.cat([z, y], 1)).unflatten(1, self.shape))))

    def one_hot(self, label: Tensor) -> Tensor:
        return F.one_hot(label, self.classes).to(self.read[0].weight)


if __name__ == "__main__":
    demo(ConditionalVAE((1, 8, 8)), "own-cvae", context={"label": torch.arange(10)})
