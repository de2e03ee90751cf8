"""Runs made fit to give away: nothing of their user's machine, weights in half precision, a card."""

from __future__ import annotations

import getpass
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

import hvae
from hvae.checkpoints import describe
from hvae.config.run import RunConfig
from hvae.errors import HvaeError
from hvae.study.gifts.card import facts, marked, readme
from hvae.study.gifts.gift import gift, pack
from hvae.study.gifts.scrub import Scrubber
from hvae.weights import halved, load_weights, save_weights

TINY = {"model.family": "lvae", "model.latents": [4, 2], "model.widths": [16, 16], "model.norm": "none", "data.bits": 4}
TINY |= {"model.likelihood": "categorical"}
TINY |= {"train.steps": 4, "train.batch": 16, "train.accelerator": "cpu", "train.valid_size": 20}
TINY |= {"evaluate.samples": 2, "evaluate.limit": 20, "evaluate.measures": "likelihood"}


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained on a user's own files, in folders whose names tell who that is."""
    home = tmp_path_factory.mktemp("alice secrets") / "patient photos"
    home.mkdir()
    path = home / "my array.npy"
    import numpy as np

    np.save(path, np.random.default_rng(0).integers(0, 256, (80, 8, 8), dtype=np.uint8))
    values = {"data.name": "npy", "data.path": str(path), "data.root": str(home), **TINY}
    run = home / "a run"
    with pytest.MonkeyPatch.context() as patch:
        words = ["hvae", "train", home / "own.yaml", "--data.path", path, "--out", run, f"--data.root={home}"]
        patch.setattr("sys.argv", [*map(str, words)])
        hvae.train(RunConfig().override(values), out=run)
    return run


def strings(value: Any) -> list[str]:
    """Every text of a JSON value, keys included."""
    if isinstance(value, dict):
        return [text for item in value.items() for one in item for text in strings(one)]
    return [text for item in value for text in strings(item)] if isinstance(value, list) else [str(value)]


def test_nothing_of_the_users_machine_is_given_away(private: Path, tmp_path: Path) -> None:
    assert "alice" in (private / "config.yaml").read_text() and "alice" in (private / "provenance.json").read_text()
    given = gift(hvae.load(private), name="mine")
    (tmp_path / "mine").mkdir()
    given.write(tmp_path / "mine")
    content = {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()}
    assert set(content) >= {"model.safetensors", "config.yaml", "provenance.json", "evaluation.json", "README.md"}
    for name, file in content.items():
        for secret in (b"alice", b"patient", b"my array", b"own.yaml", str(Path.home()).encode() + b"/"):
            assert secret not in file, f"{secret!r} in {name}"
    config = hvae.load(tmp_path / "mine").config
    assert (config.data.root, config.data.path) == ("", "FILE")
    assert given.provenance["commands"] == ["hvae train CONFIG.yaml --data.path FOLDER"]
    assert given.provenance["training"]["step"] == 4


def test_absolute_paths_are_found_wherever_they_stand() -> None:
    texts = ["/a/b", "~/x", "at ~bob/x now", "C:\\Users\\bob", "file:///home/bob", "\\\\server\\bob", "../up", "'/q r'"]
    for text in texts:
        assert not re.search(r"bob|/a|~|C:|\.\./|/q", Scrubber().text(text)), text
    for text in (
        "train/test",
        "https://huggingface.co/a/b",
        "nats/dim",
        "log p(x)/D",
        "and/or",
        "1 / 2",
        "x/.e",
        "a.b",
    ):
        assert Scrubber().text(text) == text


def test_the_names_of_user_and_machine_go(monkeypatch: pytest.MonkeyPatch, private: Path) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "bobby")
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-box-7")
    record = json.loads((private / "provenance.json").read_text())
    record["training"]["notes"] = ["bobby restarted gpu-box-7; bobbysocks stay"]
    (private / "provenance.json").write_text(json.dumps(record))
    notes = gift(hvae.load(private)).provenance["training"]["notes"]
    assert notes == ["NAME restarted NAME; bobbysocks stay"]


@pytest.mark.parametrize(
    ("words", "public"),
    [
        ("hvae train digits --out /x/y -o z --data.root r", "hvae train digits"),
        ("hvae train runs/private --resume", "hvae train RUN --resume"),
        (
            "hvae train arrays --data.path ~/me.npy --train.steps 9",
            "hvae train arrays --data.path FOLDER --train.steps 9",
        ),
        (
            "hvae train arrays --data.name hub --data.path own/set",
            "hvae train arrays --data.name hub --data.path own/set",
        ),
        (
            "hvae train a.yaml --train.init=runs/me --train.seed 3",
            "hvae train CONFIG.yaml --train.init RUN --train.seed 3",
        ),
    ],
)
def test_commands_keep_what_is_no_place(words: str, public: str) -> None:
    assert Scrubber().command(words.split()) == public


def test_half_precision_is_stored_and_cast_back(private: Path, tmp_path: Path) -> None:
    run = hvae.load(private)
    (tmp_path / "half").mkdir()
    given = gift(run, half=True)
    given.write(tmp_path / "half")
    stored = load_weights(tmp_path / "half" / "model.safetensors")[0]
    assert {t.dtype for t in stored.values() if t.is_floating_point()} == {torch.float16}
    loaded = hvae.load(tmp_path / "half").model.state_dict()
    for name, tensor in run.model.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor.half().to(tensor.dtype) if tensor.is_floating_point() else tensor)
    assert given.card["precision"] == "float16" and any("float16" in line for line in given.card["limits"])
    again = gift(hvae.load(tmp_path / "half"), half=True)
    assert not any("float16" in line for line in again.card["limits"]), "rounding what is rounded changes nothing"
    begun = hvae.train(
        RunConfig().override({**TINY, "data.name": "digits", "train.init": str(tmp_path / "half")}),
        out=tmp_path / "begun",
    )
    assert next(hvae.load(begun.folder).model.parameters()).dtype == torch.float32


def test_numbers_beyond_half_precision_are_refused() -> None:
    with pytest.raises(HvaeError, match=r"w holds numbers beyond 65,504"):
        halved({"w": torch.tensor([7e4])})
    kept = halved({"n": torch.tensor([3]), "d": torch.ones(1, dtype=torch.float64), "i": torch.tensor([torch.inf])})
    assert [t.dtype for t in kept.values()] == [torch.int64, torch.float64, torch.float16]


def test_a_card_holds_each_number_with_its_protocol_and_unit(private: Path) -> None:
    card = gift(hvae.load(private), name="mine", licence="mit").card
    numbers = {one["name"]: one for one in card["numbers"]}
    assert numbers["-ELBO"]["value"].endswith(" nats") and "K = 2" in numbers["-ELBO"]["note"]
    assert card["headline"].startswith("-IW-2 ") and card["seed"] == 0 and card["seconds"] > 0
    page = readme(card)
    digest, bound = card["files"]["model.safetensors"]["sha256"], numbers["-ELBO"]["value"].split(" ")[0]
    for text in ("license: mit", "## Command", "## Limits", bound, digest):
        assert text in page


def test_a_run_without_an_evaluation_says_so(private: Path, tmp_path: Path) -> None:
    weights, description = load_weights(private / "model.safetensors")
    save_weights(tmp_path / "model.safetensors", weights, description)
    card = gift(hvae.load(tmp_path)).card
    assert card["numbers"] == [] and card["headline"] == "not evaluated"
    assert any("not been evaluated" in line for line in card["limits"])
    assert "None." in readme(card)


def test_a_card_of_sequences_names_no_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    limits = gift(hvae.load("shakespeare-vrae")).card["limits"]
    assert "It knows tiny-shakespeare and nothing else." in limits, "40 is the length of the longest line"


def test_an_evaluation_of_other_weights_is_not_given(private: Path, tmp_path: Path) -> None:
    weights, description = load_weights(private / "model.safetensors")
    save_weights(tmp_path / "model.safetensors", weights, {**description, "step": 5})
    (tmp_path / "evaluation.json").write_bytes((private / "evaluation.json").read_bytes())
    assert gift(hvae.load(tmp_path)).evaluation == {}


@pytest.mark.parametrize("licence", ["a b", "mit\nx: y", "<b>", "x" * 61, "-x"])
def test_a_licence_is_an_identifier(private: Path, licence: str) -> None:
    with pytest.raises(HvaeError, match="--licence: expected an identifier"):
        facts(hvae.load(private), "x", {}, None, licence)


@pytest.mark.parametrize(
    "text", ["<b>x</b>", "[x](y)", "a|b", "`c`", "**d**", "http://e", "www.f.g", "@h", "![i](j)", "# k"]
)
def test_marks_of_others_do_nothing(text: str) -> None:
    import html

    shown = marked(text)
    assert not re.search(r"[<>\[\]|`*@]|http:|www\.|(?<!&)#", shown)
    assert html.unescape(shown) == text


def test_only_small_models_are_packed(private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = gift(hvae.load(private), name="mine")
    pack(given, "mine", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.json", "mine.safetensors"}
    monkeypatch.setattr("hvae.pretrained.MOST_BYTES", len(given.weights) - 1)
    with pytest.raises(HvaeError, match="expected at most"):
        pack(given, "more", tmp_path)


def test_weights_of_another_description_cannot_be_given(tmp_path: Path) -> None:
    config = RunConfig().override(TINY)
    model = hvae.build(config.model, shape=(1, 8, 8), bits=4)
    description: dict[str, Any] = {**describe(config, (1, 8, 8), 4, {}), "step": 1, "mine": "/home/alice/secret"}
    save_weights(tmp_path / "model.safetensors", model.state_dict(), description)
    given = gift(hvae.load(tmp_path))
    (tmp_path / "given").mkdir()
    given.write(tmp_path / "given")
    assert "mine" not in load_weights(tmp_path / "given" / "model.safetensors")[1]
