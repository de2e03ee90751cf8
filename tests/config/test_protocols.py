"""Evaluation conventions by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from hvae.cli.keys import docs
from hvae.config import RunConfig
from hvae.config.evaluate import CORRECTED, PROTOCOLS, EvaluateConfig, reading, verdict
from hvae.config.families import FAMILIES
from hvae.config.model import AnyLikelihood
from hvae.config.parse import hints
from hvae.config.presets import preset
from hvae.errors import HvaeError

DOCS = Path(__file__).parents[2] / "docs" / "published_weights.md"


def test_the_table_and_the_type_agree() -> None:
    assert set(get_args(hints(EvaluateConfig)["protocol"])) == set(PROTOCOLS) == set(DRAWS)


def test_all_places_that_list_protocols_agree() -> None:
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\| (?:IW-)?(\d+)", DOCS.read_text().partition("## Protocols")[2], re.M))
    assert {name: int(samples) for name, samples in rows.items()} == DRAWS
    words = docs(EvaluateConfig)["protocol"]
    for name, protocol in PROTOCOLS.items():
        assert re.search(rf"\b{name}\b", words)
        assert f"IW-{protocol.samples}" in words or protocol.samples == 1


def test_presets_of_published_runs_measure_as_their_papers_did() -> None:
    names = {"vdvae-cifar10": "vdvae", "nvae-cifar10": "nvae", "biva-cifar10": "biva", "biva-mnist-static": "biva"}
    for name, protocol in (names | {"iafvae-cifar10": "iafvae", "iafvae-cifar10-deep": "iafvae"}).items():
        assert preset(name).evaluate.protocol == protocol and preset(name).evaluate.draws == DRAWS[protocol]
    few = preset("mnist-iwae-5").evaluate
    assert (few.protocol, few.draws) == ("iwae", 500)
    assert preset("mnist-iwae-5", {"evaluate.samples": "none"}).evaluate.draws == 5000


DRAWS = {"hvae": 100, "vdvae": 1, "nvae": 1000, "biva": 1000, "iafvae": 10_000, "lvae": 5000, "iwae": 5000}


@pytest.mark.parametrize(("name", "draws"), DRAWS.items())
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
    pairs = (("ladder", "dmol"), ("vdvae", "dmol"), ("nvae", "bernoulli"), ("biva", "dmol"), ("iafvae", "logistic"))
    for family, name in (*pairs, ("lvae", "bernoulli"), ("vae", "bernoulli")):
        assert reading(family, name, published=True) == reading(family, name, published=False) == name
        assert verdict(family, name) == "exact"
