"""Evaluation conventions by name."""

from __future__ import annotations

from typing import get_args

import pytest

from hvae.config import RunConfig
from hvae.config.evaluate import CORRECTED, PROTOCOLS, EvaluateConfig, reading, verdict
from hvae.config.model import AnyLikelihood
from hvae.config.parse import hints
from hvae.config.run import FAMILIES
from hvae.errors import HvaeError


def test_the_table_and_the_type_agree() -> None:
    assert set(get_args(hints(EvaluateConfig)["protocol"])) == set(PROTOCOLS)


@pytest.mark.parametrize(("name", "draws"), [("hvae", 100), ("vdvae", 1), ("nvae", 1000)])
def test_a_protocol_says_how_many_samples(name: str, draws: int) -> None:
    config = RunConfig().override({"evaluate.protocol": name})
    assert config.evaluate.draws == draws and config.evaluate.samples is None
    assert RunConfig.from_yaml(config.to_yaml()) == config
    assert config.override({"evaluate.samples": "7"}).evaluate.draws == 7
    assert config.override({"evaluate.samples": "7"}).override({"evaluate.samples": "none"}) == config


def test_wrong_protocols() -> None:
    with pytest.raises(HvaeError, match="evaluate.protocol: no choice named 'vdvea'; did you mean 'vdvae'"):
        RunConfig().override({"evaluate.protocol": "vdvea"})
    with pytest.raises(HvaeError, match="expected at least 1, got -3"):
        EvaluateConfig(samples=-3)


def test_each_published_likelihood_has_its_correction() -> None:
    for family, pairs in CORRECTED.items():
        assert family in FAMILIES
        for published, corrected in pairs.items():
            assert {published, corrected} <= set(get_args(AnyLikelihood))
            assert reading(family, published, published=False) == corrected
            assert reading(family, corrected, published=True) == published
            assert reading(family, published, published=True) == published
            assert (verdict(family, published), verdict(family, corrected)) == ("published", "corrected")


def test_other_likelihoods_are_left_alone() -> None:
    for family, name in (("ladder", "dmol"), ("vdvae", "dmol"), ("nvae", "bernoulli")):
        assert reading(family, name, published=True) == reading(family, name, published=False) == name
        assert verdict(family, name) == "exact"
