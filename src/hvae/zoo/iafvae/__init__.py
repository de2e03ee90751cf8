"""The ResNet-VAE with inverse autoregressive flow: residual blocks up and down, one latent in each.

    up:    [q, c, a] = f(elu(h)),  h <- h + 0.1 g(elu(a))                           Kingma, Salimans, Jozefowicz, Chen,
    down:  [p, r, c', a'] = f(elu(h)),  z,  h <- h + 0.1 g(elu([z, a']))            Sutskever and Welling 2016,
    p(z | .) = N(p);   q(z | .) = IAF(N(q + r); c + c')                             arXiv 1606.04934, released code

Sums of raw numbers: locations add, scales multiply.  Every layer is weight-normalised with its length on a log scale
and starts from data: outputs of standard deviation 0.1, in the flow 1.  Sizes and layers are those of the released
TensorFlow code.  Its objective is the ELBO with free bits for each channel on the batch mean (`objective.free_bits`).

`model.up`, `skip`, `share`, `latents` and `attention` leave this model; by default it is as published.

Differences from that code: the likelihood's edge bins are open, so that it sums to one, its locations are not cut, and
its scale is one for each channel instead of one in all; the first state is not zero; the top block computes nothing
upwards that nobody reads; at the start a layer whose outputs are constant keeps its length, and the others have the
length that gives 0.1 (there its cube root), for latents of the posterior (there the prior's, also where the
flow reads them).
"""

from hvae.zoo.iafvae.build import STD, build

__all__ = ["STD", "build"]
