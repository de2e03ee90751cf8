"""Probability without parameters."""

from hvae.distributions.base import Distribution, LocationScale, full, sum_rest
from hvae.distributions.camera import Camera
from hvae.distributions.correlated import Correlated
from hvae.distributions.denoising import Denoising, GridGaussian
from hvae.distributions.discrete import Bernoulli, Categorical, Tokens
from hvae.distributions.divergence import divergence, estimator, has_ratio, log_ratio, normal_kl, register_kl
from hvae.distributions.fixed import Fixed
from hvae.distributions.flow import Flowed
from hvae.distributions.keep import Keep
from hvae.distributions.logistic import DiscretizedLogistic
from hvae.distributions.mixture import LogisticMixture
from hvae.distributions.normal import Normal, standard_normal
from hvae.distributions.normal_mixture import NormalMixture
from hvae.distributions.overtime import OverTime
from hvae.distributions.predicted import LinearPrediction
from hvae.distributions.steps import Depth, Moments, Steps, Visits
from hvae.distributions.student import Student

__all__ = [
    "Bernoulli",
    "Camera",
    "Categorical",
    "Correlated",
    "Denoising",
    "Depth",
    "DiscretizedLogistic",
    "Distribution",
    "Fixed",
    "Flowed",
    "GridGaussian",
    "Keep",
    "LinearPrediction",
    "LocationScale",
    "LogisticMixture",
    "Moments",
    "Normal",
    "NormalMixture",
    "OverTime",
    "Steps",
    "Student",
    "Tokens",
    "Visits",
    "divergence",
    "estimator",
    "full",
    "has_ratio",
    "log_ratio",
    "normal_kl",
    "register_kl",
    "standard_normal",
    "sum_rest",
]
