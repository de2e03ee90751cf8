"""NVAE, a deep hierarchical VAE of residual cells with batch norm; Vahdat and Kautz 2020, arXiv 2007.03898.

    p(z) = prod_l p(z_l | z_{>l}),   q(z | x) = prod_l q(z_l | z_{>l}, x)                             sec. 2
    q(z_l | .) = N(mu_p + dmu, sigma_p dsigma)                                                        sec. 3.2
    loss = -E[log p(x | z)] + beta sum_l gamma_l KL_l + lambda (sum_i sigma_1(W_i) + sum_j max|g_j|)  sec. 3.2

with the constants of the released code.  beta and gamma are the objective's (`warmup`, `balance`), and so is lambda
(`regulariser`); the sums it multiplies are the model's `regularisers()`.

`model.norm`, `skip`, `share`, `latents` and `attention` leave this model; by default it is as published.

Differences from the released code: any size and any number of channels (what does not divide is padded with zeros and
cut off again, as there 28 to 32), every level named; the tail of the upper edge bin, see `published_mass`.
"""

from hvae.zoo.nvae.build import build
from hvae.zoo.nvae.model import NVAE

__all__ = ["NVAE", "build"]
