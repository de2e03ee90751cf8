"""The table of published weights."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from hvae.checkpoints import nvae
from hvae.checkpoints.imports import READERS
from hvae.checkpoints.published import PUBLISHED, of_file, published
from hvae.config.data import IMAGENET, KNOWN
from hvae.config.evaluate import PROTOCOLS, reading
from hvae.config.presets.sizes import SIZES
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


def test_every_number_is_of_an_architecture() -> None:
    """Those of the presets, whose parameters are counted; a file of another one never gets the number."""
    named = {name.removesuffix(f"-seed{i}"): name for i in range(4) for name in PUBLISHED if PUBLISHED[name].family}
    sized = {name: SIZES[preset] for preset, name in named.items() if preset in SIZES}
    sized |= {name: SIZES["nvae-faces256"] for name in ("nvae-celebahq256", "nvae-ffhq256")}
    for name, size in sized.items():
        of = PUBLISHED[name].architecture
        assert of is not None and of.parameters == size.parameters and of.model.family == PUBLISHED[name].family
        # The published likelihood: what the mapping infers.
        assert reading(of.model.family, of.model.likelihood, published=True) == of.model.likelihood
    stated = {name for name, entry in PUBLISHED.items() if entry.family and entry.expected}
    assert stated <= {name for name, entry in PUBLISHED.items() if entry.architecture is not None}


SHARED = {"arch_instance": "res_mbconv", "num_latent_per_group": 20, "num_mixture_dec": 10, "num_nf": 1}
SHARED |= {"num_cell_per_cond_enc": 2, "num_cell_per_cond_dec": 2, "use_se": True, "res_dist": True}
SHARED |= {f"num_{side}process_{part}": n for side in ("pre", "post") for part, n in (("cells", 2), ("blocks", 1))}
DIGITS = {"num_latent_scales": 2, "num_groups_per_scale": 10, "ada_groups": True, "num_channels_enc": 32, "num_nf": 0}
DIGITS |= {f"num_{side}process_{part}": n for side in ("pre", "post") for part, n in (("cells", 3), ("blocks", 2))}
FACES = {"num_latent_scales": 5, "num_groups_per_scale": 16, "ada_groups": True, "min_groups_per_scale": 4}
FACES |= {"num_channels_enc": 30, "num_nf": 2}
COMMANDS: dict[str, dict[str, Any]] = {
    "nvae-mnist": DIGITS,
    "nvae-cifar10": {"num_latent_scales": 1, "num_groups_per_scale": 30, "num_channels_enc": 128},
    "nvae-celeba64": {
        "num_latent_scales": 3,
        "num_groups_per_scale": 20,
        "num_channels_enc": 64,
        "ada_groups": True,
    },
    "nvae-celebahq256": FACES,
    "nvae-ffhq256": FACES,
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_published_commands_build_the_architecture_of_their_entry(name: str) -> None:
    """A genuine checkpoint carries these arguments, and must not be refused."""
    args = {**SHARED, **COMMANDS[name]}
    told = nvae._Told({**args, "num_channels_dec": args["num_channels_enc"]})
    of = PUBLISHED[name].architecture
    assert of is not None
    assert nvae._configured(told, "bernoulli" if name == "nvae-mnist" else "dmol-nvae") == of.model


def test_images_that_no_set_holds_are_told() -> None:
    for entry in PUBLISHED.values():
        assert not entry.family or (entry.data in KNOWN) != bool(entry.tested)


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
