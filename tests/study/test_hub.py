"""Push and pull, by huggingface_hub, against a stand-in for the hub."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub, serving

import hvae
from hvae.checkpoints import describe
from hvae.cli.main import main
from hvae.config.run import RunConfig
from hvae.data import fetch as fetching
from hvae.errors import HvaeError
from hvae.study.gifts.card import marked
from hvae.study.gifts.pull import MOST_WEIGHTS
from hvae.weights import digest, save_weights

pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # The other way of uploading talks to a store of its own.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with serving() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        yield served


@pytest.fixture
def pushed(hub: Hub) -> Hub:
    hvae.push("digits", "me/digits", licence="cc-by-4.0")
    return hub


def test_a_new_process_asks_the_usual_server(tmp_path: Path) -> None:
    """In a process of its own: in this one the tests have imported more of the package than the command does."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_ENDPOINT"}
    words = [sys.executable, "-m", "hvae", "pull", "me/digits", "--out", str(tmp_path / "run")]
    ended = subprocess.run(words, env={**environment, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True)
    assert ended.returncode == 2 and "HF_HUB_OFFLINE is set" in ended.stderr, ended.stderr


def test_what_is_pushed_comes_back_by_its_commit(pushed: Hub, tmp_path: Path) -> None:
    files = pushed.repositories["me/digits"]
    assert set(files) == {"model.safetensors", "card.json", "provenance.json", "evaluation.json", "README.md"}
    assert b"license: cc-by-4.0" in files["README.md"]
    commit = pushed.commit("me/digits")
    pulled = hvae.pull("me/digits", tmp_path / "run", revision=commit)
    there, here = hvae.load(pulled.folder), hvae.load("digits")
    assert digest(there.model.state_dict()) == digest(here.model.state_dict())
    recorded = json.loads((tmp_path / "run" / "provenance.json").read_text())["pulled"]
    assert recorded["source"] == "me/digits" and recorded["revision"] == commit == pulled.pulled["revision"]
    assert (tmp_path / "run" / "evaluation.json").read_bytes() == files["evaluation.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_a_name_of_the_hub_is_fetched_once_and_then_found_by_its_commit(
    pushed: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here, commit = hvae.load("digits"), pushed.commit("me/digits")
    there = hvae.from_pretrained("me/digits")
    assert digest(there.model.state_dict()) == digest(here.model.state_dict())
    assert [p.name for p in (tmp_path / "hvae" / "hub" / "me--digits").iterdir()] == [commit]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    again = hvae.from_pretrained("me/digits", revision=commit)
    assert digest(again.model.state_dict()) == digest(here.model.state_dict())
    with pytest.raises(HvaeError):
        hvae.from_pretrained("me/digits")
    with pytest.raises(HvaeError, match="digits is no repository of the hub"):
        hvae.from_pretrained("digits", revision=commit)


def test_a_dry_run_lists_the_files_and_sends_nothing(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", "digits", "me/digits", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "model.safetensors: " in said.err and "## Limits" in said.out and "nothing was sent" in said.out
    assert "75.17 [73.65, 76.69] nats" in said.out and "&#" not in said.out
    assert not hub.posts and not hub.repositories


def test_files_are_listed_before_they_are_sent(hub: Hub) -> None:
    heard: list[str] = []
    hvae.push("digits", "me/digits", tell=lambda line: heard.append(f"{len(hub.posts)} {line}"))
    assert [line for line in heard if line.startswith("0 model.safetensors: ")]
    assert all(line.startswith("0 ") for line in heard)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"data.name": "cifar10"}, "none stated; free for research with citation"),
        ({"data.name": "folder", "data.path": "FOLDER"}, "not known: data of their own"),
    ],
    ids=["cifar10", "folder"],
)
def test_what_is_known_of_the_licence_of_data_goes_along(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], data: dict[str, str], said: str
) -> None:
    """A model of data that nobody has licensed is not in the package: it is pushed and pulled, and both say so."""
    small = {"model.family": "vae", "model.latent": 2, "model.widths": [4], "model.likelihood": "logistic-pixel"}
    config = RunConfig().override({**small, **data})
    description = {**describe(config, (3, 32, 32), 8, {}), "step": 1}
    model = hvae.build(config.model, shape=(3, 32, 32), bits=8)
    save_weights(tmp_path / "model.safetensors", model.state_dict(), description)
    assert main(["push", str(tmp_path / "model.safetensors"), "me/colours"]) == 0
    pushing = capsys.readouterr().err
    assert f"whose licence is: {said}" in pushing and "no licence is given" in pushing
    assert f"licence: {marked(said)}".encode() in hub.repositories["me/colours"]["README.md"]
    assert b"license:" not in hub.repositories["me/colours"]["README.md"], "none is made up"
    assert main(["pull", "me/colours", "--out", str(tmp_path / "run")]) == 0
    assert f"licence: none said; data: {said}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["model.safetensors", "card.json", "provenance.json", "evaluation.json"])
def test_a_tampered_file_is_refused(pushed: Hub, tmp_path: Path, name: str) -> None:
    files = pushed.repositories["me/digits"]
    at = len(files[name]) - 40 if name == "model.safetensors" else files[name].index(b"digits")
    files[name] = files[name][:at] + bytes([files[name][at] ^ 1]) + files[name][at + 1 :]
    if name == "card.json":  # which has no digest of its own but that of the form
        files[name] = files[name].replace(b'"limits"', b'"limitz"')
    with pytest.raises(HvaeError, match=name):
        hvae.pull("me/digits", tmp_path / "run")
    assert not [*tmp_path.iterdir()]


def test_weights_without_a_card_are_checked_by_their_own_digest(pushed: Hub, tmp_path: Path) -> None:
    files = pushed.repositories["me/digits"]
    for name in ("card.json", "provenance.json", "evaluation.json"):
        del files[name]
    assert hvae.pull("me/digits", tmp_path / "run").licence == "not known"
    whole = files["model.safetensors"]
    files["model.safetensors"] = whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:]
    with pytest.raises(HvaeError, match="damaged"):
        hvae.pull("me/digits", tmp_path / "again")


def test_a_pickle_is_never_fetched_and_that_is_said(
    pushed: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = pushed.repositories["me/digits"]
    files |= {"pytorch_model.bin": pickle.dumps({}), "last.ckpt": b"x", "setup.py": b"x", "notes.txt": b"x"}
    assert main(["pull", "me/digits", "--out", str(tmp_path / "run")]) == 0
    assert "pytorch_model.bin, last.ckpt, setup.py" in capsys.readouterr().err
    assert set(pushed.served) == {"model.safetensors", "card.json", "provenance.json", "evaluation.json"}
    assert not (tmp_path / "run" / "pytorch_model.bin").exists()


@pytest.mark.parametrize(("name", "size"), [("model.safetensors", MOST_WEIGHTS + 1), ("card.json", 2**25)])
def test_one_too_large_is_refused_before_it_is_fetched(pushed: Hub, tmp_path: Path, name: str, size: int) -> None:
    pushed.stated[name] = size
    with pytest.raises(HvaeError, match=f"{name}: expected at most"):
        hvae.pull("me/digits", tmp_path / "run")
    assert not pushed.served and not [*tmp_path.iterdir()]


def test_only_pickles_is_no_run(hub: Hub, tmp_path: Path) -> None:
    hub.repositories["me/other"] = {"pytorch_model.bin": b"x"}
    with pytest.raises(HvaeError, match="no model.safetensors"):
        hvae.pull("me/other", tmp_path / "run")


@pytest.mark.parametrize("words", [("me/none",), ("me/digits", "--revision", "0" * 40)])
def test_what_is_not_there_is_one_line(
    pushed: Hub, tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pull", *words, "--out", str(tmp_path / "run")]) == 2
    assert len([line for line in capsys.readouterr().err.splitlines() if line.startswith("hvae: ")]) == 1
    assert not [*tmp_path.iterdir()]


def test_a_card_of_another_form_is_refused(pushed: Hub, tmp_path: Path) -> None:
    files = pushed.repositories["me/digits"]
    for bad in (b"[1]", b'{"name": NaN}', b"\xff", b'{"name": 3}'):
        files["card.json"] = bad
        with pytest.raises(HvaeError, match="card.json is not what hvae writes"):
            hvae.pull("me/digits", tmp_path / "run")


def test_words_of_a_strangers_card_are_shown_and_do_nothing(pushed: Hub, tmp_path: Path) -> None:
    files = pushed.repositories["me/digits"]
    card = json.loads(files["card.json"])
    card |= {"about": "<script>alert(1)</script> [x](http://y) \x1b[2J", "commands": ["```\n<img src=x>"]}
    files["card.json"] = json.dumps(card).encode()
    hvae.pull("me/digits", tmp_path / "run")
    page = (tmp_path / "run" / "README.md").read_text()
    assert "<script" not in page and "[x](" not in page and "\x1b" not in page and "````" in page


@pytest.mark.parametrize("name", ["", "card.json", "model.safetensors"])
@pytest.mark.parametrize(
    ("after", "message"),
    [
        ((bytes(1 << 16), 0.0), "expected at most [0-9,]+ bytes, got [0-9,]+ or more"),
        ((b" ", 0.02), "only .* bytes in"),
    ],
    ids=["endless", "slow"],
)
def test_a_server_that_never_ends_is_left(
    pushed: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, after: tuple[bytes, float], message: str
) -> None:
    monkeypatch.setattr(fetching, "PERIOD", 0.3)
    pushed.after[name] = after
    # Where it sends little, what it says is long, so that the pace is what ends it.
    pushed.stated = dict.fromkeys([name], 10**6) if after[1] else {}
    with pytest.raises(HvaeError, match=f"me/digits: .*{message}"):
        hvae.pull("me/digits", tmp_path / "run")
    assert not [*tmp_path.iterdir()]


def test_a_hub_that_is_busy_is_no_wrong_name(pushed: Hub, tmp_path: Path) -> None:
    pushed.busy.add("card.json")
    with pytest.raises(HvaeError, match="me/digits: .* try again later") as fault:
        hvae.pull("me/digits", tmp_path / "run")
    assert "check the name" not in str(fault.value) and not [*tmp_path.iterdir()]


def test_the_token_is_for_the_hub_alone(pushed: Hub, tmp_path: Path) -> None:
    with serving() as other:
        other.repositories = pushed.repositories
        pushed.elsewhere["card.json"] = f"{other.address}/me/digits/resolve/main/card.json"
        hvae.pull("me/digits", tmp_path / "run")
    assert set(pushed.tokens) == {"Bearer hf_of_a_test"} and other.tokens == [""]


def test_a_file_of_this_machine_is_no_answer(pushed: Hub, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(pushed.repositories["me/digits"]["card.json"])
    pushed.elsewhere["card.json"] = (tmp_path / "card.json").as_uri()
    with pytest.raises(HvaeError, match="me/digits: .* could not be fetched"):
        hvae.pull("me/digits", tmp_path / "run")


def test_a_listing_of_another_form_is_one_line(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories["me/digits"] = {}
    forms = [{"sha": "../../x"}, {"sha": 3}, {}, {"sha": "0" * 40, "siblings": [{"rfilename": 1}]}]
    for info in (*forms, {"sha": "0" * 40, "siblings": "abc"}, {"sha": "0" * 40, "siblings": [{"size": None}]}):
        monkeypatch.setattr(hub, "info", lambda name, info=info: info)
        with pytest.raises(HvaeError, match=r"^me/digits: .*(expected|missing)"):
            hvae.pull("me/digits", tmp_path / "run")


@pytest.mark.parametrize("name", ["digits", "a/b/c", "../x", "me/.", "-x/y", "me/a b"])
def test_a_push_needs_the_name_of_a_repository(name: str) -> None:
    with pytest.raises(HvaeError, match="OWNER/NAME"):
        hvae.push("digits", name, dry_run=True)


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HvaeError, match="extra 'hub'"):
        hvae.pull("me/digits", tmp_path / "run")
    with pytest.raises(HvaeError, match="extra 'hub'"):
        hvae.push("digits", "me/digits")
    assert hvae.push("digits", "me/digits", dry_run=True).sizes["model.safetensors"] > 0


def test_a_folder_that_is_used_is_refused_before_anything_is_asked(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(HvaeError, match="already exists"):
        hvae.pull("me/digits", tmp_path)
