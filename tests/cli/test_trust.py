"""Code that a file names runs only where the user has said its name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hvae.config.run import RunConfig
from hvae.errors import HvaeError
from hvae.metrics import user_features
from hvae.trust import Trust
from hvae.weights import load_weights, save_weights

Command = Callable[..., Any]
MODULE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
import torch, hvae
class Pool(torch.nn.Flatten): pass
class Fussy(torch.nn.Module):
    def __init__(self, size): super().__init__()
@hvae.extractor
def marked(): return torch.nn.Flatten()
def unmarked(): Path(__file__).with_name("called").touch(); return torch.nn.Flatten()
network = torch.nn.Flatten()
"""


@pytest.fixture
def gift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package on Python's path that leaves a trace when it is imported."""
    import sys

    folder = tmp_path / "gift"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "net.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in ("gift", "gift.net"):
        sys.modules.pop(name, None)


@pytest.fixture
def stranger(run: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A whole run folder, digests and all, whose description names a network."""

    def made(features: str) -> Path:
        folder = shutil.copytree(run, tmp_path / "stranger")
        tensors, description = load_weights(folder / "model.safetensors")
        description["config"]["evaluate"] |= {"features": features, "measures": ["quality"], "generated": 140}
        description["config"]["evaluate"] |= {"features_channels": 1, "limit": 150}
        save_weights(folder / "model.safetensors", tensors, description)
        (folder / "config.yaml").write_text(yaml.safe_dump(description["config"]))
        (folder / "evaluation.json").unlink()
        return folder

    return made


@pytest.mark.parametrize(
    ("features", "word"),
    [
        ("os:abort", "os"),
        ("gift.net:Pool", "gift"),
        ("gift.net:marked", "gift"),
        ("gift/net.pt2", "gift/net.pt2"),
        ("../net.pt", "../net.pt"),
        ("net.ts", "net.ts"),
    ],
)
@pytest.mark.parametrize("verb", ["evaluate", "report"])
def test_a_run_folder_cannot_name_code(
    features: str, word: str, verb: str, stranger: Callable[[str], Path], gift: Path, command: Command
) -> None:
    said = command(verb, stranger(features))
    assert said.code == 2 and said.err.count("\n") == 1
    assert f"a file names {features}" in said.err and f"add --trust {word}\n" in said.err
    assert not (gift / "ran").exists()


def test_a_configuration_cannot_name_code(gift: Path, tmp_path: Path, command: Command) -> None:
    out, path = tmp_path / "out", tmp_path / "theirs.yaml"
    RunConfig().override({"evaluate.features": "gift.net:Pool", "evaluate.measures": "all"}).save(path)
    said = command("train", path, "--out", out)
    assert said.code == 2 and "add --trust gift" in said.err
    assert not out.exists() and not (gift / "ran").exists()


def test_the_word_of_the_user_is_enough(gift: Path, stranger: Callable[[str], Path], command: Command) -> None:
    folder = stranger("gift.net:Pool")
    for words in (("--trust", "gif"), ("--trust", "gift.nets"), ("--trust", "os")):
        assert command("evaluate", folder, *words).code == 2 and not (gift / "ran").exists()
    assert command("evaluate", folder, "--trust", "os", "--trust", "gift").code == 0 and (gift / "ran").exists()


def test_an_option_is_the_users_own_word(gift: Path, stranger: Callable[[str], Path], command: Command) -> None:
    folder = stranger("os:abort")
    assert command("evaluate", folder, "--evaluate.features", "gift.net:Pool").code == 0


def test_what_is_not_needed_is_not_refused(stranger: Callable[[str], Path], command: Command) -> None:
    said = command("evaluate", stranger("os:abort"), "--evaluate.measures", "likelihood")
    assert said.code == 0


@pytest.mark.parametrize("name", ["Pool", "network", "marked"])
def test_networks_are_taken(name: str, gift: Path) -> None:
    assert user_features(f"gift.net:{name}", channels=1)(torch.rand(2, 1, 3, 3)).shape == (2, 9)


@pytest.mark.parametrize(
    "source", ["gift.net:unmarked", "gift.net:Path", "gift.net:__file__", "os:abort", "builtins:exit", "sys:exit"]
)
def test_nothing_else_is_called(source: str, gift: Path) -> None:
    with pytest.raises(HvaeError, match="is no network: expected a torch.nn.Module"):
        user_features(source)
    assert not (gift / "called").exists()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("gift.net:Fussy", "cannot be made without arguments"),
        ("gift.net:absent", "no absent in the Python module gift.net"),
        (".net:Pool", "or MODULE:NAME as the network"),
        ("gift.net:Pool.forward", "or MODULE:NAME as the network"),
        ("gift.broken:Pool", "division by zero"),
    ],
)
def test_faults_of_a_module_are_one_line(source: str, line: str, gift: Path) -> None:
    (gift / "broken.py").write_text("1 / 0")
    with pytest.raises(HvaeError, match=line):
        user_features(source)


def test_a_word_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Trust((str(tmp_path / "net.pt2"),)).allows("a/../net.pt2")
    assert not Trust(("net.pt2",)).allows("a/net.pt2") and not Trust(("a",)).allows("a/net.pt2")
    assert not Trust(("",)).allows("os:abort") and not Trust(("~nobody/x.pt",)).allows("~somebody/x.pt\0")


@pytest.mark.parametrize("word", ["os;x", "my package", "\x1b[31m", "runs/mine", "net.py", "-", "1"])
@pytest.mark.parametrize("line", [("models",), ("sample", "digits", "--out", "new.png")], ids=lambda line: str(line[0]))
def test_a_word_that_can_name_no_code_is_refused(line: tuple[str, ...], word: str, command: Command) -> None:
    said = command(*line, f"--trust={word}")
    assert said.code == 2 and said.err.count("\n") == 1 and "--trust: expected a package of Python" in said.err
    assert "\x1b" not in said.err and not Path("new.png").exists()
