"""Files of published code bases become configurations and weights that load."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hvae.checkpoints import foreign, imports, nvae, vdvae
from hvae.checkpoints.imports import Converted, convert, sha256, unlike
from hvae.checkpoints.published import published
from hvae.config.model import VAEConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.draw import mode
from hvae.errors import HvaeError
from hvae.walk import Model, names, run
from hvae.zoo import build

CONFIG, SHAPE = VAEConfig(latent=2, widths=(8,)), (1, 4, 4)


def plain(seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(build(CONFIG, shape=SHAPE, bits=1).state_dict())


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A code base whose names are ours behind "their."; the tests change what its mapping gives."""
    made: dict[str, Any] = {"config": CONFIG, "shape": SHAPE, "bits": 1}

    def reader(content: Any, path: Path, like: Any) -> Converted:
        state = foreign.tensors(content, path, "their weights")
        weights = {name.removeprefix("their."): value for name, value in state.items()}
        return Converted(**{**made, "weights": weights})

    monkeypatch.setitem(imports.READERS, "fake", reader)
    return made


def theirs(path: Path, state: Mapping[str, Tensor]) -> Path:
    torch.save({f"their.{name}": value for name, value in state.items()}, path)
    return path


def test_weights_fit_the_model_in_name_shape_and_type(tmp_path: Path, fake: dict[str, Any]) -> None:
    half = {name: value.half() if value.is_floating_point() else value for name, value in plain().items()}
    made = convert("fake", theirs(tmp_path / "a.th", half))
    model = build(made.config, shape=made.shape, bits=made.bits)
    assert {name: t.dtype for name, t in made.weights.items()} == {n: t.dtype for n, t in model.state_dict().items()}
    model.load_state_dict(made.weights)
    assert model(torch.zeros(2, *SHAPE)).elbo().isfinite().all()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"shape": (1, 5, 5)}, r"has shape .*, the model wants"),
        ({"config": VAEConfig(latent=2, widths=(8, 8))}, "missing"),
        ({"bits": 2}, "expected binary data"),
    ],
)
def test_a_mapping_that_is_off_is_one_line(
    tmp_path: Path, fake: dict[str, Any], change: dict[str, Any], line: str
) -> None:
    fake.update(change)
    with pytest.raises(HvaeError, match=line) as caught:
        convert("fake", theirs(tmp_path / "a.th", plain()))
    assert "\n" not in str(caught.value)


def test_a_tensor_that_nobody_asked_for(tmp_path: Path, fake: dict[str, Any]) -> None:
    with pytest.raises(HvaeError, match=r"does not fit its model: 1 unknown \(more\)"):
        convert("fake", theirs(tmp_path / "a.th", {**plain(), "more": torch.ones(1)}))


@pytest.mark.parametrize("fault", [KeyError("width"), TypeError("x\ny"), RuntimeError("size"), HvaeError("off")])
def test_the_faults_of_a_mapping_name_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def reader(content: Any, path: Path, like: Any) -> Converted:
        raise fault

    monkeypatch.setitem(imports.READERS, "fake", reader)
    path = theirs(tmp_path / "a.th", plain())
    with pytest.raises(HvaeError) as caught:
        convert("fake", path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_families() -> None:
    with pytest.raises(HvaeError, match="no family with published weights named 'vdvea'; did you mean 'vdvae'"):
        convert("vdvea", "a.th")


def test_a_file_of_the_other_family_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"epoch": 3, "state_dict": plain(), "args": argparse.Namespace(dataset="cifar10")}, path)
    with pytest.raises(HvaeError, match="expected a file of openai/vdvae .* found a dict of epoch, state_dict, args"):
        convert("vdvae", path)
    torch.save(plain(), path)
    with pytest.raises(HvaeError, match="expected weights of openai/vdvae, found .* tensors without decoder.gain"):
        convert("vdvae", path)
    with pytest.raises(HvaeError, match="expected a checkpoint of NVlabs/NVAE .* found a dict of"):
        convert("nvae", path)
    with pytest.raises(HvaeError, match="says what it is; leave the keys of model out"):
        convert("nvae", path, VDVAEConfig())


def test_arguments_beyond_the_tensors_are_refused_at_once(tmp_path: Path) -> None:
    args = argparse.Namespace(dataset="cifar10", arch_instance="res_mbconv", num_groups_per_scale=10**9)
    torch.save({"state_dict": plain(), "args": args}, tmp_path / "checkpoint.pt")
    with pytest.raises(HvaeError, match="num_groups_per_scale = 1,000,000,000, but there are .* tensors"):
        convert("nvae", tmp_path / "checkpoint.pt")


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")


# The recorded cases in the official file formats, where they are at hand.


@pytest.fixture
def parity(data_root: Path) -> Path:
    place = data_root.parent / "parity"
    if not place.is_dir():
        pytest.skip(f"needs the recorded files of the official code: no folder {place}")
    return place


TINY = VDVAEConfig(
    encoder="32x1,32d2,16x1,16d2,8x1,8d2,4x1,4d4,1x1",
    decoder="1x1,4m1,4x1,8m4,8x1,16m8,16x1,32m16,32x1",
    shift=-120.63838,
    scale=1 / 64.16736,
)


def loaded(made: Converted) -> Model:
    model = build(made.config, shape=made.shape, bits=made.bits)
    model.load_state_dict(made.weights)
    return model.eval()


def near(found: Tensor, recorded: np.ndarray[Any, Any]) -> None:
    torch.testing.assert_close(found, torch.from_numpy(np.asarray(recorded)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["-model.th", "-model-ema.th"])
def test_a_vdvae_file_gives_the_official_numbers(parity: Path, form: str) -> None:
    made = convert("vdvae", parity / f"vdvae_tiny{form}", TINY)
    recorded = np.load(parity / "vdvae_tiny.npz")
    model, x = loaded(made), torch.from_numpy(recorded["in/u8"]).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        trace = run(model, mode, model.evidence(x))
    for i, name in enumerate(names(model)):
        near(trace.rates()[name], recorded[f"out/zero/kl/{i}"])
    near(-trace.elbo().mean() / x[0].numel(), recorded["out/zero/elbo"])


@pytest.mark.parametrize(("case", "data"), [("nvae_tiny", "cifar10"), ("nvae_tiny_mnist", "mnist-dynamic")])
def test_an_nvae_checkpoint_gives_the_official_numbers(parity: Path, case: str, data: str) -> None:
    made = convert("nvae", parity / f"{case}-checkpoint.pt")
    recorded = np.load(parity / f"{case}.npz")
    x = torch.from_numpy(recorded["in/x"])
    # The recorded digits fill the 32 pixels to which the released code pads those of 28, of which it scores the 28.
    model, scored = loaded(replace(made, shape=tuple(x.shape[1:]))), slice((32 - made.shape[1]) // 2, None)
    with torch.no_grad():
        trace = run(model, mode, model.evidence(x))
    rates = trace.rates()
    for i, name in enumerate(names(model)):
        near(rates[name], recorded[f"eval/zero/kl/{i}"])
    nats = trace["x"].law.log_prob(x)[..., scored, scored][..., : made.shape[1], : made.shape[1]]
    near(nats.flatten(1).sum(1), -recorded["eval/zero/recon"])
    assert made.data == data and made.step == 1


def test_a_small_checkpoint_is_not_the_published_one(parity: Path) -> None:
    made = convert("nvae", parity / "nvae_tiny-checkpoint.pt")
    wanted = published("nvae-cifar10").architecture
    assert wanted is not None
    assert unlike(made, wanted) == "expected 130,852,480 parameters, found 103,240"


def test_readings_and_ways_to_compute_are_one_architecture() -> None:
    wanted = published("nvae-cifar10").architecture
    assert wanted is not None
    made = Converted(config=wanted.model, shape=wanted.shape, bits=wanted.bits, weights={})
    for changes in ({}, {"likelihood": "dmol"}, {"checkpoint": True}):
        assert unlike(replace(made, config=replace(wanted.model, **changes)), wanted) == ""


def test_published_families_have_mappings() -> None:
    assert imports.READERS["vdvae"] is imports._vdvae and imports.READERS["nvae"] is imports._nvae
    assert vdvae.WHAT == "openai/vdvae" and nvae.WHAT == "NVlabs/NVAE"
