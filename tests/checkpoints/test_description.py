"""A description that asks for more than its tensors hold is refused before anything is built."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES, SHAPE
from safetensors.torch import save_file

from hvae.checkpoints import describe, load
from hvae.checkpoints.description import check_description, check_weights
from hvae.config import RunConfig
from hvae.config.condition import ConditionConfig
from hvae.config.model import LadderConfig, LVAEConfig, ModelConfig
from hvae.config.vdvae import VDVAEConfig
from hvae.errors import HvaeError, HvaeWarning
from hvae.weights import save_weights
from hvae.zoo import build

DATA = {
    **{"name": "digits", "source": "here", "sizes": {"test": 3}, "checksums": {"test": "0a"}, "bits": 1},
    **{"shape": [1, 6, 5], "binarisation": "none", "version": "", "transforms": []},
}


def written(folder: Path, model: ModelConfig, change: Callable[[dict[str, Any]], None]) -> Path:
    config = RunConfig(model=model)
    description = json.loads(json.dumps({**describe(config, SHAPE, 1, DATA), "step": 3}))
    change(description)
    path = folder / "model.safetensors"
    save_weights(path, build(model, SHAPE, 1).state_dict(), description)
    return path


def model(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda description: description["config"]["model"].update(values)


def top(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda description: description.update(values)


LADDER = LadderConfig(groups=(1, 1), width=4, latent=2)
TOLD = LadderConfig(groups=(1, 1), width=4, latent=2, condition=ConditionConfig(kind="class", classes=3))
FORGED: dict[str, tuple[ModelConfig, Callable[[dict[str, Any]], None]]] = {
    "levels": (LADDER, model(groups=[10**7])),
    "levels that sum up": (LADDER, model(groups=[999_999] * 9)),
    "blocks": (LADDER, model(blocks=10**6)),
    "width": (LADDER, model(width=10**9)),
    "a whole bigger width": (LADDER, model(width=10**5)),
    "widths by scale": (LADDER, model(widths=[10**5, 10**5])),
    "one width of two": (LADDER, model(widths=[4])),
    "latent": (LADDER, model(latent=10**30)),
    "cells": (FAMILIES["nvae"], model(block_cells=10**6)),
    "halvings": (FAMILIES["nvae"], model(blocks=10**9)),
    "flows": (FAMILIES["nvae"], model(flows=10**6)),
    "stages": (FAMILIES["biva"], model(blocks=10**9)),
    "kernels": (FAMILIES["biva"], model(kernels=[10**5 + 1, 3, 3])),
    "published blocks": (FAMILIES["vdvae"], model(encoder=",".join(["6x9999"] * 1000))),
    "patch": (FAMILIES["qresvae"], model(patch=10**6)),
    "flow": (FAMILIES["vae-flow"], model(flow={"posterior": "affine", "hidden": [30_000, 30_000]})),
    "transforms": (FAMILIES["lvae-flow"], model(flow={"prior": "spline", "transforms": 1000})),
    "flow levels twice": (FAMILIES["lvae-flow"], model(flow={"posterior": "affine", "levels": ["z1", "z1"]})),
    "flow levels of nobody": (FAMILIES["lvae-flow"], model(flow={"posterior": "affine", "levels": ["z7"]})),
    "flow bins": (FAMILIES["vae-conv-flow"], model(flow={"posterior": "spline", "bins": 1000})),
    "classes": (TOLD, model(condition={"kind": "class", "classes": 10**6})),
    "no classes": (TOLD, model(condition={"kind": "class", "classes": 0})),
    "numbers": (TOLD, model(condition={"kind": "vector", "numbers": 10**6})),
    "condition's width": (TOLD, model(condition={"kind": "class", "classes": 3, "width": 10**6})),
    "condition's levels": (TOLD, model(condition={"kind": "class", "classes": 3, "levels": ["z1", "z9"]})),
    "condition's levels twice": (TOLD, model(condition={"kind": "class", "classes": 3, "levels": ["z1", "z1"]})),
    "condition's levels without one": (LADDER, model(condition={"kind": "none", "levels": ["z1"]})),
    "diffusion's blocks": (FAMILIES["vdm"], model(blocks=1000)),
    "diffusion's widths": (FAMILIES["vdm"], model(widths=[10**6, 10**6])),
    "diffusion's steps": (FAMILIES["vdm"], model(steps=10**30)),
    "diffusion's schedule": (FAMILIES["vdm-v"], model(schedule_width=10**6)),
    "diffusion's features": (FAMILIES["vdm"], model(fourier=list(range(-8, 8)))),
    "diffusion's ends": (FAMILIES["vdm"], model(gamma_min="nan")),
    "codes": (FAMILIES["vqvae"], model(codes=1 << 24)),
    "numbers of a code": (FAMILIES["vqvae"], model(dims=10**6)),
    "a lattice": (FAMILIES["vqvae-lattice"], model(levels=[4096, 4096])),
    "a lattice beyond bounds": (FAMILIES["vqvae-lattice"], model(levels=[4096] * 64)),
    "a prior over codes": (FAMILIES["vqvae2-prior"], model(prior_layers=1000)),
    "a prior's width": (FAMILIES["vqvae2-snail"], model(prior_width=10**6)),
    "pixels": (FAMILIES["pixelvae"], model(receptive=10**9)),
    "pixel blocks": (FAMILIES["pixelvae-plusplus"], model(pixel_blocks=1000)),
    "widths": (LVAEConfig(latents=(4, 2), widths=(8, 8)), model(widths=[10**6, 8])),
    "mixtures": (LADDER, model(likelihood="dmol", mixtures=10**6)),
    "bits": (LADDER, top(bits=10**9)),
    "no bits": (LADDER, top(bits=0)),
    "bits of categories": (LADDER, lambda d: (top(bits=16)(d), model(likelihood="categorical")(d), None)[-1]),
    "shape": (LADDER, top(shape=[10**4, 10**4, 10**4])),
    "negative shape": (LADDER, top(shape=[1, -6, 5])),
    "flat shape": (LADDER, top(shape=[30])),
    "no shape": (LADDER, top(shape=[])),
    "text shape": (LADDER, top(shape="1,6,5")),
    "null step": (LADDER, top(step=None)),
    "negative step": (LADDER, top(step=-1)),
    "huge step": (LADDER, top(step=10**400)),
    "true bits": (LADDER, top(bits=True)),
    "fraction": (LADDER, top(bits=1.5)),
    "data": (LADDER, top(data=[1])),
    "data of another form": (LADDER, top(data={**DATA, "checksums": None})),
    **{
        f"columns, {what}": (LADDER, top(data={**DATA, "columns": columns}))
        for what, columns in {
            "a list": [1],
            "other ones": {"a": [0, 1]},
            "one end": {str(n): [0] for n in range(30)},
            "no numbers": {str(n): ["x", "y"] for n in range(30)},
            "turned": {str(n): [1, 0] for n in range(30)},
        }.items()
    },
    "import": (LADDER, top(imported={"file": None})),
    "half an import": (LADDER, top(imported={"file": "a", "bytes": 1, "sha256": "0", "expected": "3 bits"})),
    "config": (LADDER, top(config=3)),
    "no family": (LADDER, model(family=None)),
    "another family": (LADDER, lambda d: d["config"].update(model={"family": "vae"})),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_sizes_are_one_line_and_cost_nothing(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, *FORGED[name])
    tracemalloc.start()
    try:
        with pytest.raises(HvaeError) as caught:
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert "\n" not in line and len(line) < 700 and str(path) in line


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_is_described_without_memory_as_it_is_built(kind: str) -> None:
    config = FAMILIES[kind]
    check_weights(build(config, SHAPE, 1).state_dict(), config, SHAPE, 1, "here")


def test_a_published_size_passes_the_bounds() -> None:
    config, shape = VDVAEConfig(), (3, 32, 32)
    with torch.device("meta"):
        state = build(config, shape, 8).state_dict()
    # Views of one zero: names and shapes of 39 million numbers without their memory.
    check_weights({name: torch.zeros(()).expand(t.shape) for name, t in state.items()}, config, shape, 8, "here")


def test_tensors_of_another_type_are_refused(tmp_path: Path) -> None:
    path, state = tmp_path / "model.safetensors", build(LADDER, SHAPE, 1).state_dict()
    whole = {name: t.to(torch.int8) for name, t in state.items()}
    eighth = {name: t.to(torch.float8_e4m3fn) for name, t in state.items()}
    for tensors in (whole, eighth, {}):
        save_weights(path, tensors, {**describe(RunConfig(model=LADDER), SHAPE, 1, DATA), "step": 3})
        with pytest.raises(HvaeError, match=r"model\.safetensors"):
            load(path)


def test_deep_and_long_descriptions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for text in (
        "[" * 100_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        '"' + "a" * 2**25 + '"',
        '{"a": ' + "9" * 5000 + "}",
    ):
        save_file({"w": torch.ones(1)}, path, metadata={"hvae": text})
        with pytest.raises(HvaeError, match="is damaged or not an hvae weight file") as caught:
            load(path)
        assert len(str(caught.value)) < 500


def test_a_file_without_a_digest_is_said_to_be_one(tmp_path: Path) -> None:
    path = written(tmp_path, LADDER, lambda description: None)
    assert load(path).verified
    description = {**describe(RunConfig(model=LADDER), SHAPE, 1, DATA), "step": 3}
    save_file(build(LADDER, SHAPE, 1).state_dict(), path, metadata={"hvae": json.dumps(description)})
    with pytest.warns(HvaeWarning, match="carries no digest"):
        assert not load(path).verified


TEXT = {"kind": "text", "step": "character", "symbols": list("abcd"), "frames": {"train": 9}, "longest": 5}
MOTION = {"kind": "motion", "step": "frame", "mean": [0.0, 1.0, 2.0], "scale": [1.0, 0.0, 2.0]}
BODY = {"names": ["a", ""], "parents": [-1, 0], "offsets": [0.0] * 6, "channels": ["Yzx", ""]}
SOUND = {"kind": "audio", "step": "frame", "rate": 8000, "frame": 2, "law": "mu"}
FORMS: dict[str, tuple[list[int], dict[str, Any]]] = {
    **{f"text, {n}": ([5], {**TEXT, **change}) for n, change in enumerate([
        {"symbols": None}, {"symbols": "abcd"}, {"symbols": ["a"]}, {"symbols": [1] * 4}, {"symbols": [["a"]] * 4},
        {"symbols": list("abcde")}, {"joint": None}, {"merges": "a b"}, {"merges": [1]}, {"kind": "os:abort"},
        {"kind": None}, {"longest": "x"}, {"longest": -1}, {"longest": 0.5}, {"frames": {"train": "x"}},
        {"seconds": -1}, {"seconds": "x"}, {"rate": 10**12}, {"lowest": -1}, {"lowest": 10**6}, {"frame": 0},
    ])},
    **{f"motion, {n}": ([5, 2], {**MOTION, **change}) for n, change in enumerate([
        {"mean": None}, {"mean": [1.0]}, {"mean": ["a"] * 3}, {"mean": [[1.0]] * 3}, {"scale": [1.0]},
        {"scale": [0, 0, 0]}, {"scale": [1, -1, 1]}, {"scale": [1, 1, 1]}, {"scale": "abc"}, {"scale": [10**400, 0, 1]},
    ])},
    **{f"body, {n}": ([5, 2], {**MOTION, "skeleton": body}) for n, body in enumerate([
        {}, [], "a", {**BODY, "names": ["a"]}, {**BODY, "parents": [0, 0]}, {**BODY, "parents": [-1, 1]},
        {**BODY, "parents": [-1, -2]}, {**BODY, "parents": [-1, 0.5]}, {**BODY, "offsets": [0.0] * 5},
        {**BODY, "offsets": ["a"] * 6}, {**BODY, "channels": ["Yzx", "z"]}, {**BODY, "channels": ["Yz", ""]},
        {**BODY, "names": ["a}", ""]}, {**BODY, "names": ["a\nb", ""]}, {**BODY, "names": ["", "a"]},
        {"names": list("abcd"), "parents": [-1, 0, 0, 1], "offsets": [0.0] * 12, "channels": ["Yzx", "", "", ""]},
        {**BODY, "channels": ["Yzz", ""]}, {**BODY, "channels": ["Yzq", ""]}, {**BODY, "channels": [3, ""]},
    ])},
    **{f"audio, {n}": ([5, 2], {**SOUND, **change}) for n, change in enumerate([
        {"rate": 0}, {"rate": 2**32}, {"frame": 3}, {"frame": 10**9}, {"law": "os:abort"}, {"law": None},
    ])},
}  # fmt: skip


def described(shape: list[int], form: object) -> dict[str, Any]:
    config = {"model": {"family": "vrnn", "vocabulary": 4}}
    data = {**DATA, "shape": shape, "sequences": form}
    return {"config": config, "shape": shape, "bits": 2, "data": data, "step": 3}


@pytest.mark.parametrize(
    ("shape", "form"), [([5], TEXT), ([5, 2], MOTION), ([5, 2], {**MOTION, "skeleton": BODY}), ([5, 2], SOUND)]
)
def test_a_form_of_sequences_passes(shape: list[int], form: dict[str, Any]) -> None:
    check_description(described(shape, form))


@pytest.mark.parametrize(("shape", "form"), [*FORMS.values(), ([5], "x"), ([5], 3), ([5], [TEXT])], ids=str)
def test_a_forged_form_of_sequences_is_one_line(shape: list[int], form: object) -> None:
    with pytest.raises(HvaeError, match=r"data\.sequences") as caught:
        check_description(described(shape, form))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("tally", [{"files": "x"}, {"unused": {"hidden": None}}, {"bad": [["a.png", 3]]}, [], None])
def test_a_forged_tally_is_one_line(tally: object) -> None:
    description = described([5], TEXT)
    description["data"]["tally"] = tally
    with pytest.raises(HvaeError, match=r"data\.tally"):
        check_description(description)
