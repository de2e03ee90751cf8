"""Sequences in the studio: each kind as what it is."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import torch

import hvae
from hvae.checkpoints import LoadedRun, describe
from hvae.config import RunConfig
from hvae.config.sequences import VRNNConfig
from hvae.data.sequences.form import SequenceForm
from hvae.errors import HvaeError
from hvae.studio.asked import SequencesAsked
from hvae.studio.opened import Opened
from hvae.studio.views.latents import LATENTS
from hvae.studio.views.sequences import _KINDS, sequences
from hvae.study.latentfiles import read_arrays_of
from hvae.study.sequence_latents import latents_of

STEPS = 12


def opened(**form: Any) -> Opened:
    """A run of rolls of five keys that nobody has trained."""
    config = RunConfig(model=VRNNConfig(latent=2, state=4, width=4))
    model = hvae.build(config.model, shape=(STEPS, 5), bits=1).eval()
    data = {"sequences": SequenceForm(**form).to_dict()}
    description: Any = {**describe(config, (STEPS, 5), 1, data), "step": 0}  # type: ignore[arg-type]
    return Opened(0, LoadedRun(model, config, description, Path("rolls")))


@pytest.fixture
def rolls() -> Opened:
    return opened(kind="rolls", step="frame", lowest=60, seconds=0.1)


def test_rolls_are_seen_and_heard_and_those_of_python(rolls: Opened) -> None:
    (name,) = rolls.grid.names
    asked = SequencesAsked(seeds={name: (1, 1, 2)}, steps=8, seed=4)
    answer = sequences(rolls, asked)
    pictures = answer.pictures["sequences"]
    series = rolls.grid.series({name: [1, 1, 2]}, steps=8, seed=4)
    assert pictures.shape == (3, 3, 5, 8) and torch.equal(pictures[:, 0].flip(1).transpose(1, 2), series)
    assert [base64.b64decode(wav)[:4] for wav in answer.info["wavs"]] == [b"RIFF"] * 3
    assert "seed=4)" in answer.info["python"] and "steps=8" in answer.info["python"]
    assert answer.pack()


def test_as_many_steps_as_usual(rolls: Opened) -> None:
    (name,) = rolls.grid.names
    assert sequences(rolls, SequencesAsked(seeds={name: (1,)})).info["steps"] == STEPS


@pytest.mark.parametrize(
    ("form", "x", "has"),
    [
        (SequenceForm(kind="text", step="character", symbols=("a", "b", "c")), torch.tensor([0, 2, 1]), "text"),
        (SequenceForm(kind="audio", step="frame", rate=8000, frame=4, law="linear"), torch.rand(500, 4), "wav"),
        (SequenceForm(kind="motion", step="frame", mean=(0.0, 0.0), scale=(1.0, 1.0)), torch.randn(9, 2), "picture"),
        (SequenceForm(kind="video", step="frame"), torch.rand(30, 1, 6, 6), "picture"),
    ],
    ids=["text", "audio", "motion", "video"],
)
def test_every_kind_is_shown_as_what_it_is(form: SequenceForm, x: torch.Tensor, has: str) -> None:
    shown = _KINDS[form.kind](x, form, 8)
    assert getattr(shown, has) is not None
    if form.kind == "text":
        assert shown.text == "acb"
    if shown.picture is not None:
        assert shown.picture.shape[0] == 3 and 0 <= float(shown.picture.min()) <= float(shown.picture.max()) <= 1


def test_a_run_without_a_form_and_one_of_pictures_are_a_line(rolls: Opened, ask: Any) -> None:
    (name,) = rolls.grid.names
    rolls.run.description["data"] = {}  # type: ignore[typeddict-item]
    with pytest.raises(HvaeError, match="does not say what its sequences are of"):
        sequences(rolls, SequencesAsked(seeds={name: (1,)}))
    reply = ask("sequences", seeds={"z2": [1], "z1": [1]})
    assert reply.status == 400 and "a run of images; choose one of sequences" in reply.info["error"]


def test_their_latents_are_those_of_a_file_of_sequences(rolls: Opened, tmp_path: Path) -> None:
    (name,) = rolls.grid.names
    content = LATENTS["sequences"](rolls, SequencesAsked(seeds={name: (1, 1, 2)}, steps=8, seed=4))
    (tmp_path / "latents.npz").write_bytes(content)
    arrays, about = read_arrays_of(tmp_path / "latents.npz")
    values, steps = latents_of(arrays, rolls.model, tmp_path)
    assert list(steps) == [8, 8, 8] and len(values) == 8 and about.weights
    # Two of them have one seed, and the data of each step, which the next prior hears of, are drawn apart.
    assert torch.equal(values[name, 0][0], values[name, 0][1]) and not torch.equal(*values[name, 0][1:])
