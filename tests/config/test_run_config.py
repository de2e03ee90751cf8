"""A whole run as text and back, and dotted changes to it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hvae.config import (
    FAMILIES,
    DataConfig,
    EvaluateConfig,
    FreeBitsConfig,
    LadderConfig,
    LVAEConfig,
    ObjectiveConfig,
    RunConfig,
    TrainConfig,
    WarmUpConfig,
)
from hvae.config.diffusion import VDMConfig
from hvae.config.presets import preset
from hvae.errors import HvaeError

levels = st.dictionaries(st.sampled_from(["z1", "z2", "z10"]), st.floats(0, 10), min_size=1)
TEXTS = st.text(st.characters(exclude_characters="\0"))
sizes = st.lists(st.integers(1, 600), min_size=1, max_size=5).map(tuple)


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    family = FAMILIES[draw(st.sampled_from(list(FAMILIES)))].config
    laws = ["gaussian-grid"] if family is VDMConfig else ["categorical", "bernoulli"]
    return RunConfig(
        model=family(likelihood=draw(st.sampled_from(laws)), sigma=draw(st.floats(1e-3, 1))),
        data=DataConfig(
            root=draw(TEXTS),
            size=draw(st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9))),
        ),
        objective=ObjectiveConfig(
            beta=draw(st.floats(0, 10) | levels),
            warmup=WarmUpConfig(length=draw(st.integers(0, 10**6)), shape=draw(st.sampled_from(["linear", "sigmoid"]))),
            free_bits=FreeBitsConfig(nats=draw(st.floats(0, 2) | levels)),
        ),
        train=TrainConfig(
            lr=draw(st.floats(0, 1)), devices=draw(st.integers(1, 8) | st.just("auto")), precision="bf16"
        ),
        evaluate=EvaluateConfig(limit=draw(st.integers(0, 100))),
    )


@given(configs())
def test_a_file_holds_the_whole_run(config: RunConfig) -> None:
    assert RunConfig.from_yaml(config.to_yaml()) == config
    assert RunConfig.from_dict(config.to_dict()) == config


@given(sizes)
def test_sizes_survive_the_command_line(latents: tuple[int, ...]) -> None:
    text = ",".join(map(str, latents))
    changed = RunConfig(model=LVAEConfig()).override({"model.latents": text, "model.widths": text})
    assert changed.model == replace(LVAEConfig(), latents=latents, widths=latents)


def test_every_key_is_in_the_file() -> None:
    tree = RunConfig().to_dict()
    assert tree["schema"] == 1
    assert tree["model"]["family"] == "ladder"
    assert set(tree["train"]) == {field.name for field in fields(TrainConfig)}
    assert tree["objective"]["warmup"]["shape"] == "linear"


def test_saving_and_loading(tmp_path: Path) -> None:
    config = RunConfig(model=LVAEConfig(latents=(3, 2), widths=(4, 4)))
    config.save(tmp_path / "config.yaml")
    assert RunConfig.load(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a configuration with the sections model, data, objective, train, evaluate, got nothing"),
        ("3", "expected a configuration"),
        ("train: [", "not readable as YAML, line 1"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("schema: 2", "schema: this version of hvae reads configurations of schema 1, got 2"),
        ("trian: {}", r"no section named 'trian'; did you mean 'train'\?"),
        ("model: {latents: 3}", "model.family is missing"),
        ("model: {family: lvea}", "no model.family named 'lvea'; did you mean 'lvae'"),
        ("model: {family: lvae, width: 3}", "no key named 'model.width'; did you mean 'model.widths'"),
        ("train: {steps: many}", "train.steps: expected a whole number, got 'many'"),
        ("train: {steps: 0}", "train.steps: expected at least 1, got 0"),
        ("train: {lr: .nan}", "train.lr: expected a finite number, got nan"),
        ("evaluate: {samples: 0}", "evaluate.samples: expected at least 1, got 0"),
        ("data: {name: mnst}", "no data set named 'mnst'; did you mean 'mnist'"),
    ],
)
def test_a_bad_file_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(HvaeError, match=message) as fault:
        RunConfig.load(path)
    assert "\n" not in str(fault.value)
    assert str(path) in str(fault.value)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HvaeError, match="cannot read"):
        RunConfig.load(path)


def test_one_level_of_a_dict_changes_alone() -> None:
    config = RunConfig(objective=ObjectiveConfig(beta={"z1": 1.0, "z2": 2.0}))
    assert config.override({"objective.beta.z2": "4"}).objective.beta == {"z1": 1.0, "z2": 4.0}
    assert config.override({"objective.beta": "4"}).objective.beta == 4.0
    assert RunConfig().override({"objective.beta.z2": "4"}).objective.beta == {"z2": 4.0}


def test_another_family_keeps_what_both_share() -> None:
    config = RunConfig(model=LadderConfig(likelihood="dmol", mixtures=3, width=7))
    changed = config.override({"model.latents": "4,2", "model.family": "lvae", "model.widths": "8,8"})
    assert changed.model == LVAEConfig(likelihood="dmol", mixtures=3, latents=(4, 2), widths=(8, 8))


def test_another_family_keeps_nothing_of_what_it_takes_one_value_of() -> None:
    assert preset("photos-small", {"model.family": "vdm"}).model.likelihood == "gaussian-grid"
    assert preset("mnist-iwae-1", {"model.family": "nvae"}).model.variance == "softclamp"
    with pytest.raises(HvaeError, match="expected gaussian-grid for vdm, got dmol"):
        preset("photos-small", {"model.family": "vdm", "model.likelihood": "dmol"})


@pytest.mark.parametrize("name", ["digits", "mnist-static-lvae", "sprites-vlae", "foreign-mnist"])
@pytest.mark.parametrize("family", FAMILIES)
def test_another_family_hears_of_no_level_by_name(name: str, family: str) -> None:
    """A preset names the levels of its own model; the objective of another family has their largest numbers."""
    before = preset(name)
    likelihoods = {"pixelcnn": "categorical", "pixelvae": "categorical"}
    extra = {"model.likelihood": likelihoods[family]} if family in likelihoods else {}
    after = preset(name, {"model.family": family, **extra})
    if family == before.model.family:
        assert after.objective == before.objective
        return
    kept = after.objective
    assert not any(isinstance(v, dict) for v in (kept.beta, kept.warmup.start, kept.warmup.length, kept.free_bits.nats))
    assert kept.warmup.length == max(before.objective.warmup.length.values())
    own = preset(name, {"model.family": family, "objective.warmup.length": "z1=5", **extra})
    assert own.objective.warmup.length == {"z1": 5}, "what is said with the family counts"


def test_a_key_of_another_family_is_unknown() -> None:
    with pytest.raises(HvaeError, match="no key named 'model.groups'"):
        RunConfig().override({"model.family": "lvae", "model.groups": "1,2"})


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("steps", "expected a dotted key such as train.steps, got 'steps'"),
        ("trian.steps", "no section named 'trian'; did you mean 'train'"),
        ("train.stps", "no key named 'train.stps'; did you mean 'train.steps'"),
        ("model.famly", "no key named 'model.famly'; did you mean 'model.family'"),
        ("train.steps.more", "train.steps: expected a whole number, got {'more': '1'}"),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, message: str) -> None:
    with pytest.raises(HvaeError, match=message):
        RunConfig().override({key: "1"})
