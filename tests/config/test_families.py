"""The registry of families: who can join it, and whose code a name may run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import hvae
from hvae.config import FAMILIES, ModelConfig, RunConfig, family
from hvae.config.families import family_type
from hvae.errors import HvaeError
from hvae.trust import trusting

MODULE = """
import pathlib
from dataclasses import dataclass
import hvae
from hvae.config.model import LVAEConfig
from hvae.zoo import build as zoo_build

pathlib.Path(__file__).with_name("was-run").touch()

@dataclass(frozen=True, kw_only=True)
class TinyConfig(hvae.ModelConfig):
    latent: int = 3

@hvae.family(TinyConfig)
def build(config, shape, bits):
    return zoo_build(LVAEConfig(latents=(config.latent,), widths=(8,)), shape=shape, bits=bits)

class Plain:
    pass
"""
NAME = "strange_family_of_tests:TinyConfig"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of one's own, which leaves a mark when it runs."""
    (tmp_path / "strange_family_of_tests.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("strange_family_of_tests", None)
    FAMILIES.pop(NAME, None)


def test_a_name_in_a_file_runs_nothing_without_the_word(package: Path) -> None:
    text = f"model: {{family: '{NAME}', latent: 4}}"
    with pytest.raises(HvaeError, match="a file names strange_family_of_tests:TinyConfig.*--trust strange_family"):
        RunConfig.from_yaml(text)
    with trusting("strange"), pytest.raises(HvaeError, match="--trust"):
        RunConfig.from_yaml(text)
    assert not (package / "was-run").exists()


def test_a_trusted_family_is_one_like_any_other(package: Path) -> None:
    with trusting("strange_family_of_tests"):
        config = RunConfig.from_yaml(f"model: {{family: '{NAME}', latent: 4}}")
        assert RunConfig.from_yaml(config.to_yaml()) == config
        with pytest.raises(HvaeError, match="no key named 'model.lat'; did you mean 'model.latent'"):
            RunConfig.from_yaml(f"model: {{family: '{NAME}', lat: 4}}")
    model = hvae.build(config.model, shape=(1, 4, 4), bits=1)
    assert hvae.names(model) == ["z1"] and config.model.family == NAME


@pytest.mark.parametrize("name", ["strange_family_of_tests:Plain", "strange_family_of_tests:build", "os:abort"])
def test_only_registered_configurations_are_families(package: Path, name: str) -> None:
    with trusting("strange_family_of_tests", "os"), pytest.raises(HvaeError, match="is no registered family"):
        family_type(name)


def test_a_module_that_is_not_there(package: Path) -> None:
    with trusting("strange_family_of_tests", "nowhere_at_all"):
        with pytest.raises(HvaeError, match="nowhere_at_all: there is no module nowhere_at_all; install its package"):
            family_type("nowhere_at_all:Config")
        with pytest.raises(HvaeError, match="no Other in the Python module strange_family_of_tests"):
            family_type("strange_family_of_tests:Other")
    with pytest.raises(HvaeError, match="no model.family named 'ladde'; did you mean 'ladder'"):
        family_type("ladde")


def test_what_cannot_join() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Mine(ModelConfig):
        pass

    with pytest.raises(HvaeError, match="expected a frozen dataclass that extends"):
        family(dict)  # type: ignore[arg-type]
    with pytest.raises(HvaeError, match="a family named 'ladder' is there already"):
        family(Mine, name="ladder")
    with pytest.raises(HvaeError, match="nothing is registered to build a Mine"):
        hvae.build(Mine(), shape=(1, 4, 4))
    family(Mine, name="mine-of-tests")(lambda config, shape, bits: 7)
    with pytest.raises(HvaeError, match="mine-of-tests: expected its builder to give a hvae.Model, got int"):
        hvae.build(Mine(), shape=(1, 4, 4))
    FAMILIES.pop("mine-of-tests")


def test_the_registry_imports_no_torch() -> None:
    code = "import sys, hvae.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
