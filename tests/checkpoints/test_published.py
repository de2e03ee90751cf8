"""The table of published weights."""

from __future__ import annotations

import json
import re

import pytest

from hvae.checkpoints.imports import READERS
from hvae.checkpoints.published import PUBLISHED, of_file, published
from hvae.config.data import IMAGENET, KNOWN
from hvae.config.evaluate import PROTOCOLS
from hvae.errors import HvaeError


def test_every_entry_is_whole() -> None:
    assert len(PUBLISHED) == 26
    for name, entry in PUBLISHED.items():
        assert entry.name == name and entry.licence and entry.code.count("/") == 1 and entry.data
        assert entry.address.startswith("https://") and entry.protocol in PROTOCOLS
        assert entry.family in READERS or (entry.family == "" and entry.reach == "gone")
        assert entry.reach != "download" or entry.address.endswith("/" + entry.file)
        assert re.fullmatch(r"\d+\.\d+ (bits/dim|nats)|", entry.expected)
        assert entry.sha256 is None or len(entry.sha256) == 64
    assert json.loads(json.dumps([entry.to_dict() for entry in PUBLISHED.values()]))


def test_the_numbers_of_the_four_seeds_average_to_the_papers() -> None:
    seeds = [float(published(f"vdvae-cifar10-seed{i}").expected.split()[0]) for i in range(4)]
    assert round(sum(seeds) / 4, 2) == 2.87
    assert [published(f"vdvae-cifar10-seed{i}").step for i in range(4)] == [900_000, 1_050_000, 650_000, 1_050_000]


def test_the_two_imagenets_are_kept_apart() -> None:
    named = {name: entry.data for name, entry in PUBLISHED.items() if entry.data.startswith("imagenet")}
    assert named == {
        "vdvae-imagenet32": "imagenet32-old",
        "vdvae-imagenet64": "imagenet64-old",
        "efficient-vdvae-imagenet32": "imagenet32-new",
        "efficient-vdvae-imagenet64": "imagenet64-new",
    }
    assert set(named.values()) == set(IMAGENET) <= set(KNOWN)
    assert all("not comparable" in PUBLISHED[name].note for name in named)


def test_a_file_name_tells_its_entry_where_it_can() -> None:
    found = of_file("cifar10-seed2-iter-650000-model-ema.th", "vdvae")
    assert found is not None and found.expected == "2.898 bits/dim"
    assert of_file("checkpoint.pt", "nvae") is None and of_file("my.th", "vdvae") is None


def test_what_cannot_be_imported_says_so() -> None:
    with pytest.raises(HvaeError, match="no published model named 'vdvae-cifar10'; did you mean"):
        published("vdvae-cifar10")
    with pytest.raises(HvaeError, match="no mapping for Rayhane-mamah/Efficient-VDVAE, and its files are gone"):
        published("efficient-vdvae-ffhq1024")
