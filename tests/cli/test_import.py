"""Published weights to run folders: from a file, from the cache, from the network, and what goes wrong on the way."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae.checkpoints import foreign, imports, published
from hvae.checkpoints.imports import Converted
from hvae.checkpoints.published import Architecture
from hvae.config import RunConfig
from hvae.config.model import VAEConfig
from hvae.zoo import build

Command = Callable[..., Any]
CONFIG = VAEConfig(latent=2, widths=(8,), likelihood="dmol", mixtures=2)
SHAPE, BITS = (1, 8, 8), 4


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(build(CONFIG, shape=SHAPE, bits=BITS).state_dict())


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own, and a network that knows nothing but files."""
    home, opened = tmp_path_factory.mktemp("cache"), urllib.request.urlopen

    def only_files(request: urllib.request.Request, *args: Any, **kwargs: Any) -> Any:
        if request.type != "file":
            raise urllib.error.URLError("no network in tests")
        return opened(request, *args, **kwargs)

    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setattr(urllib.request, "urlopen", only_files)
    return home / "hvae"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping that takes our own names: the family of the file is vdvae, the model is not."""

    def reader(content: Any, path: Path, like: Any) -> Converted:
        state = foreign.tensors(content, path, "weights of a test")
        return Converted(config=CONFIG, shape=SHAPE, bits=BITS, weights=state, step=70)

    monkeypatch.setitem(imports.READERS, "vdvae", reader)


@pytest.fixture
def file(tmp_path: Path, fake: None) -> Path:
    torch.save(weights(), tmp_path / "theirs-model-ema.th")
    return tmp_path / "theirs-model-ema.th"


DIGITS = ("--data.name", "digits")


def test_a_file_becomes_a_run_folder(file: Path, tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "runs" / "one"
    said = command("import", "vdvae", file, "--out", folder, *DIGITS, "--json")
    assert said.code == 0, said.err
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert said.json["run"] == str(folder) and said.json["sha256"] == digest and said.json["levels"] == 1
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "model.safetensors", "provenance.json"}
    assert [path.name for path in folder.parent.iterdir()] == ["one"]
    config = RunConfig.load(folder / "config.yaml")
    assert config.model == CONFIG and config.data.name == "digits" and config.evaluate.protocol == "vdvae"
    # How many rows fit is for the evaluation to find out: 64 of 256 pixels are several GB in a single map.
    assert config.evaluate.rows is None
    record = json.loads((folder / "provenance.json").read_text())
    assert record["imported"] == {"file": file.name, "bytes": file.stat().st_size, "sha256": digest}
    assert record["training"] is None and record["parameters"] == sum(w.numel() for w in weights().values())


def test_the_weights_are_the_files(file: Path, tmp_path: Path, command: Command) -> None:
    assert command("import", "vdvae", file, "--out", tmp_path / "one", *DIGITS).code == 0
    run = hvae.load(tmp_path / "one")
    assert run.step == 70 and run.bits == BITS and run.description["imported"]["file"] == file.name
    assert all(torch.equal(run.model.state_dict()[name], value) for name, value in weights().items())


def test_every_command_takes_the_folder(file: Path, tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "one"
    assert command("import", "vdvae", file, "--out", folder, *DIGITS).code == 0
    said = command("evaluate", folder, "--evaluate.limit", 20)
    assert said.code == 0 and "do not compare" not in said.err
    assert "one-sample ELBO" in said.out and "here K = 1 on 20 data; likelihood dmol (exact)" in said.out
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["weights"] == f"imported from {file.name}" and found["likelihood"]["samples"] == 1
    # Sixteen at once: the last batch, which is not full, counts.
    assert RunConfig.load(folder / "config.yaml").evaluate.batch == 16 and found["likelihood"]["data"] == 20
    assert command("evaluate", folder, "--evaluate.limit", 9, "--evaluate.protocol", "hvae").out.count("IW-100") == 2
    assert command("sample", folder, "-n", 2).code == 0
    assert command("report", folder, "--evaluate.limit", 9).code == 0
    assert f"imported from {file.name}" in (folder / "report.html").read_text()
    assert command("inspect", folder).code == 0
    refused = command("train", folder, "--resume")
    assert refused.code == 2 and "holds weights but no last.ckpt to resume from" in refused.err


def test_an_existing_folder_stays_as_it_is(file: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mine").write_text("x")
    said = command("import", "vdvae", file, "--out", tmp_path / "one")
    assert said.code == 2 and "already exists; name another folder with --out" in said.err
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["mine"]


def test_a_disk_that_fails_leaves_nothing(
    file: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hvae.study.importing.write_json", full)
    said = command("import", "vdvae", file, "--out", tmp_path / "runs" / "one", *DIGITS)
    assert said.code == 2 and "No space left on device" in said.err
    assert list((tmp_path / "runs").iterdir()) == []


def test_data_that_the_file_does_not_name_are_left_open(file: Path, tmp_path: Path, command: Command) -> None:
    said = command("import", "vdvae", file, "--out", tmp_path / "one")
    assert said.code == 0 and "data: not known from the file" in said.err
    assert "put images that the model was not trained on into FOLDER/test" in said.err
    data = RunConfig.load(tmp_path / "one" / "config.yaml").data
    assert (data.name, data.path, data.size, data.channels, data.bits) == ("folder", "FOLDER", (8, 8), 1, 4)
    # None of a folder that the model was trained on is drawn from it to be tested on.
    assert (data.valid, data.test) == (0, 0)
    refused = command("evaluate", tmp_path / "one")
    assert refused.code == 2 and "data.path=FOLDER" in refused.err


def painted(folder: Path, count: int) -> None:
    """Grey pictures of eight pixels a side."""
    folder.mkdir(parents=True)
    for i in range(count):
        values = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{i:05}.png")


FEW = ("--evaluate.measures", "likelihood")


def test_a_folder_without_test_images_is_not_evaluated(
    served: Callable[..., Path], tmp_path: Path, command: Command
) -> None:
    served(data="faces", tested="the last four")
    painted(tmp_path / "faces", 6)
    said = command("import", NAME, "--out", tmp_path / "one")
    way = "put the images that were published on (the last four) into FOLDER/test, any other image into FOLDER/train"
    assert said.code == 0 and "stated: 2.842 bits/dim on the last four" in said.err and way in said.err
    refused = command("evaluate", tmp_path / "one", "--data.path", tmp_path / "faces", *FEW)
    assert refused.code == 2 and refused.err.count("\n") == 1
    assert "holds no folder train and no folder test" in refused.err
    assert f"{way}, then: hvae evaluate {tmp_path / 'one'} --data.path FOLDER" in refused.err
    assert "2.842" not in refused.err and not (tmp_path / "one" / "evaluation.json").exists()
    painted(tmp_path / "split" / "train", 1)
    painted(tmp_path / "split" / "test", 4)
    said = command("evaluate", tmp_path / "one", "--data.path", tmp_path / "split", *FEW)
    assert said.code == 0 and "4 test data" in said.out
    assert "2.842 bits/dim" in said.out and "by openai/vdvae on the last four, which yours have to be" in said.out


def test_images_drawn_from_the_folder_stand_beside_no_stated_number(
    served: Callable[..., Path], tmp_path: Path, command: Command
) -> None:
    served(data="faces", tested="the last four")
    painted(tmp_path / "faces", 6)
    own = ("--data.path", tmp_path / "faces", "--data.test", 3)
    said = command("import", NAME, "--out", tmp_path / "one", *own)
    assert said.code == 0 and "probably trained on what is drawn from it: compare no number of them" in said.err
    said = command("evaluate", tmp_path / "one", *FEW)
    assert said.code == 0 and "2.842" not in said.out and "by the same protocol" not in said.out
    assert "the stated number is of the last four; any drawn at random from" in " ".join(said.out.split())
    assert json.loads((tmp_path / "one" / "evaluation.json").read_text())["protocol"]["stated"] == ""


def test_the_folder_of_the_released_layout_is_what_is_tested_on(
    served: Callable[..., Path], tmp_path: Path, command: Command
) -> None:
    served(data="faces", tested="the last four", split="valid")
    painted(tmp_path / "faces" / "train", 2)
    painted(tmp_path / "faces" / "valid", 4)
    assert command("import", NAME, "--out", tmp_path / "one", "--data.path", tmp_path / "faces").code == 0
    said = command("evaluate", tmp_path / "one", *FEW)
    assert said.code == 0 and "4 valid data" in said.out and "2.842 bits/dim" in said.out
    # The convention is kept: that folder is what was published on.
    assert "; here K" not in said.out


def test_a_number_of_other_data_is_not_shown(served: Callable[..., Path], tmp_path: Path, command: Command) -> None:
    served(data="cifar10")
    assert command("import", NAME, "--out", tmp_path / "one", *DIGITS).code == 0
    said = command("evaluate", tmp_path / "one", *FEW, "--evaluate.limit", 5)
    assert (
        said.code == 0 and "2.842" not in said.out and "the stated number is of cifar10" in " ".join(said.out.split())
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--data.name", "mnist"), "model for images of (1, 8, 8) with 4 bits, but mnist has"),
        (("--data.name", "digist"), "no data set named 'digist'; did you mean 'digits'"),
        (("--train.lr", "1"), "--train.lr belongs to a training; at import only model.KEY, data.KEY, evaluate.KEY"),
        (("--evaluate.protocol", "x"), "evaluate.protocol: no choice named 'x'"),
        (("--model.wdith", "3"), "no key named 'model.wdith'; did you mean 'model.width'"),
    ],
)
def test_wrong_wishes_leave_nothing(
    words: tuple[str, str], line: str, file: Path, tmp_path: Path, command: Command
) -> None:
    said = command("import", "vdvae", file, "--out", tmp_path / "one", *words)
    assert said.code == 2 and line in said.err and said.err.startswith("hvae: ") and said.err.count("\n") == 1
    assert not (tmp_path / "one").exists()


def test_what_is_asked_for_must_be_clear(file: Path, command: Command) -> None:
    for words, line in (
        (("vdvae",), "expected a file of vdvae weights, as in: hvae import vdvae FILE"),
        ((file,), f"whose weights is {file}? Say it as in: hvae import vdvae {file}"),
        (("vdvae-cifar",), "no family or published model named 'vdvae-cifar'"),
        (("efficient-vdvae-ffhq1024",), "its files are gone"),
        (("vdvae", "nowhere.th"), "no file at nowhere.th"),
        (("nvae-mnist",), "lies where only a browser gets it; open https://drive.google.com"),
    ):
        said = command("import", *words)
        assert said.code == 2 and line in said.err, said.err
        assert said.err.count("\n") == 1


def test_bad_files_leave_nothing(tmp_path: Path, command: Command, file: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    whole = file.read_bytes()
    bad = {
        "cut.th": (whole[:-200], "is damaged or cut short"),
        "page.th": (b"<html>Not found</html>", "found a web page"),
        "empty.th": (b"", "found an empty file"),
    }
    for name, (content, line) in bad.items():
        (tmp_path / name).write_bytes(content)
        assert line in command("import", "vdvae", tmp_path / name, "--out", tmp_path / "one").err
    saved: dict[str, Any] = {
        "nothing was run": {"w": Evil()},
        "1 unknown (more)": {**weights(), "more": torch.ones(1)},
        "missing": {"a": torch.ones(1)},
        "found a dict of args": {"args": argparse.Namespace(a=1)},
    }
    for line, held in saved.items():
        torch.save(held, tmp_path / "bad.th")
        said = command("import", "vdvae", tmp_path / "bad.th", "--out", tmp_path / "one")
        assert said.code == 2 and line in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "one").exists() and not (tmp_path / "ran").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


# The table of published files.

NAME = "vdvae-cifar10-seed1"


@pytest.fixture
def served(file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """The published file of NAME, served from the disk; keys change its entry."""

    def serve(**changes: Any) -> Path:
        entry = published.published(NAME)
        target = file.with_name(entry.file)
        target.write_bytes(file.read_bytes())
        size = sum(w.numel() for w in weights().values())
        of = Architecture(model=CONFIG, shape=SHAPE, bits=BITS, parameters=size)
        made = replace(entry, **{"address": target.as_uri(), "data": "digits", "architecture": of, **changes})
        monkeypatch.setitem(published.PUBLISHED, NAME, made)
        return target

    return serve


def test_a_published_model_is_downloaded_once(
    served: Callable[..., Path], tmp_path: Path, cache: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = served()
    monkeypatch.chdir(tmp_path)
    said = command("import", NAME)
    assert said.code == 0, said.err
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert f"sha256 {digest} (kept in provenance.json); stated: 2.842 bits/dim" in said.err
    assert (cache / "published" / NAME / source.name).read_bytes() == source.read_bytes()
    run = hvae.load(tmp_path / "runs" / NAME)
    imported = run.description["imported"]
    assert imported["name"] == NAME and imported["licence"] == "MIT" and imported["address"] == source.as_uri()
    assert run.config.data.name == "digits"
    source.unlink()
    assert command("import", NAME, "--out", "again").code == 0


def test_the_stated_number_is_shown_beside_its_own_protocol_only(
    served: Callable[..., Path], tmp_path: Path, command: Command
) -> None:
    served()
    assert command("import", NAME, "--out", tmp_path / "one").code == 0
    said = command("evaluate", tmp_path / "one", "--evaluate.limit", 5)
    assert "2.842 bits/dim" in said.out and "by openai/vdvae on digits, by the same protocol" in said.out
    other = command("evaluate", tmp_path / "one", "--evaluate.limit", 5, "--evaluate.protocol", "hvae")
    assert other.code == 0 and "2.842" not in other.out


def test_a_checksum_that_is_known_is_kept_to(
    served: Callable[..., Path], tmp_path: Path, cache: Path, command: Command
) -> None:
    source = served()
    served(sha256=hashlib.sha256(source.read_bytes()).hexdigest())
    assert command("import", NAME, "--out", tmp_path / "one").code == 0
    stored = cache / "published" / NAME / source.name
    stored.write_bytes(source.read_bytes()[:-100])  # a disk that was full once: it is fetched again
    assert command("import", NAME, "--out", tmp_path / "again").code == 0
    assert stored.read_bytes() == source.read_bytes()
    served(sha256="0" * 64)
    stored.unlink()
    said = command("import", NAME, "--out", tmp_path / "two")
    assert said.code == 2 and "expected 0000" in said.err and not (tmp_path / "two").exists()
    said = command("import", NAME, source, "--out", tmp_path / "two")
    assert said.code == 2 and f"{NAME} was published with 0000" in said.err and not (tmp_path / "two").exists()


def test_offline_the_line_says_what_to_do(tmp_path: Path, cache: Path, command: Command) -> None:
    said = command("import", NAME, "--out", tmp_path / "one")
    line = said.err.splitlines()[-1]
    assert said.code == 2 and line.startswith("hvae: https://openaipublic.blob.core.windows.net/")
    assert "could not be fetched (no network in tests)" in line and f"then: hvae import {NAME} FILE" in line
    assert not (tmp_path / "one").exists() and not list(cache.rglob("*.th"))


def test_a_file_fetched_by_hand_gets_the_facts_of_its_entry(
    served: Callable[..., Path], tmp_path: Path, command: Command
) -> None:
    source = served()
    mine = source.rename(tmp_path / "renamed.th")
    assert command("import", NAME, mine, "--out", tmp_path / "one").code == 0
    assert hvae.load(tmp_path / "one").description["imported"]["name"] == NAME
    known = mine.rename(source)
    assert command("import", "vdvae", known, "--out", tmp_path / "two").code == 0
    assert hvae.load(tmp_path / "two").description["imported"]["expected"] == "2.842 bits/dim"


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "parameters": (
        {"model": replace(CONFIG, latent=3), "parameters": 4_500},
        "expected 4,500 parameters, found 4,",
    ),
    "setting": ({"model": replace(CONFIG, sigma=0.5)}, "expected model.sigma 0.5, found 0.1"),
    "bits": ({"bits": 8}, "expected images of (1, 8, 8) with 8 bits, found (1, 8, 8) with 4"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_of_another_architecture_is_not_the_published_one(
    kind: str, served: Callable[..., Path], tmp_path: Path, cache: Path, command: Command
) -> None:
    change, line = OTHERS[kind]
    right: dict[str, Any] = {
        "model": CONFIG,
        "shape": SHAPE,
        "bits": BITS,
        "parameters": sum(w.numel() for w in weights().values()),
    }
    source = served(architecture=Architecture(**{**right, **change}))
    mine = source.with_name("mine.th")
    mine.write_bytes(source.read_bytes())
    by_name = command("import", NAME, mine, "--out", tmp_path / "one")
    assert by_name.code == 2 and by_name.err.count("\n") == 1
    assert f"{mine} is not {NAME}: {line}" in by_name.err and "without that name: hvae import vdvae" in by_name.err
    # A file that only has the name of the published one would still give the run its name.
    known = command("import", "vdvae", source, "--out", tmp_path / "one")
    assert known.code == 2 and f"is not {NAME}: {line}" in known.err and "under another file name" in known.err
    fetched = command("import", NAME, "--out", tmp_path / "one")
    assert fetched.code == 2 and "the download was removed" in fetched.err and not list(cache.rglob("*.th"))
    assert not (tmp_path / "one").exists()
    assert command("import", "vdvae", mine, "--out", tmp_path / "one", *DIGITS).code == 0
    assert "expected" not in hvae.load(tmp_path / "one").description["imported"]


def test_a_download_that_is_something_else_does_not_stay(
    served: Callable[..., Path], tmp_path: Path, cache: Path, command: Command
) -> None:
    served().write_bytes(b"<html>gone</html>")
    said = command("import", NAME, "--out", tmp_path / "one")
    assert said.code == 2 and "found a web page" in said.err and "the download was removed" in said.err
    assert not list(cache.rglob("*.th"))


def test_models_lists_what_is_published(command: Command) -> None:
    rows = {row["name"]: row for row in command("models", "--published", "--json").json["published"]}
    assert rows[NAME]["expected"] == "2.842 bits/dim" and rows[NAME]["protocol"] == "vdvae"
    text = command("models", "--published").out
    assert all(name in text for name in rows)
    # Whole, to be copied: no table may break an address.
    assert all(row["address"] in text.split() for row in rows.values() if row["reach"] != "gone")


# Conventions.


def test_the_weights_are_read_by_the_likelihood_of_the_protocol(
    file: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "one"
    assert command("import", "vdvae", file, "--out", folder, *DIGITS).code == 0
    monkeypatch.setattr("hvae.config.evaluate.CORRECTED", {"vae": {"dmol": "logistic-pixel"}})
    said = command("evaluate", folder, "--evaluate.limit", 5)
    assert said.code == 0 and "likelihood dmol (published)" in said.out
    monkeypatch.setattr("hvae.config.evaluate.CORRECTED", {"vae": {"logistic-pixel": "dmol"}})
    said = command("evaluate", folder, "--evaluate.limit", 5, "--evaluate.protocol", "hvae")
    assert said.code == 0 and "likelihood dmol (corrected)" in said.out


def test_published_and_corrected_are_the_same_weights() -> None:
    from hvae.runs.protocol import convention, read_by

    config = RunConfig(model=hvae.config.nvae.NVAEConfig(likelihood="dmol-nvae", groups=(1, 1), latent=2, blocks=1))
    config = config.override({"model.encoder_width": "4", "model.decoder_width": "4", "evaluate.protocol": "nvae"})
    model = build(config.model, shape=(3, 8, 8), bits=8).eval()
    run = hvae.LoadedRun(model, config, {"bits": 8, "step": 0}, Path())
    assert read_by(run) is run and convention(run).reading == "published"
    corrected = read_by(replace(run, config=config.override({"evaluate.protocol": "hvae"})))
    assert convention(corrected).likelihood == "dmol" and convention(corrected).reading == "corrected"
    ours, theirs = corrected.model.state_dict(), model.state_dict()
    assert list(ours) == list(theirs) and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    bright = torch.full((2, 3, 8, 8), 254 / 255)
    with torch.no_grad():
        scores = [hvae.run(m, hvae.mode, m.evidence(bright)) for m in (model, corrected.model)]
    assert all(torch.equal(scores[0].rates()[name], rate) for name, rate in scores[1].rates().items())
    # The published edge gives value 254 the whole tail of 255: it can only look better.
    assert bool((scores[0].log_likelihood() > scores[1].log_likelihood()).all())
