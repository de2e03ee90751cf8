"""Features: files of them, the transformer, and the way back."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import hvae
from hvae.data import load
from hvae.errors import HvaeError
from hvae.study.featurefiles import FORMAT

Command = Callable[..., Any]


def arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def test_means_are_those_of_the_posteriors(run: Path, tmp_path: Path, command: Command) -> None:
    said = command("features", run, "--data", "test", "--levels", "z1,z2", "--out", tmp_path / "f.npz", "--json")
    assert said.json["widths"] == {"z1": 4, "z2": 2} and said.json["number"] == 180
    found, loaded = arrays(tmp_path / "f.npz"), hvae.load(run)
    test = load(loaded.config.data).test
    with torch.no_grad():
        trace = hvae.run(loaded.model, hvae.mode, loaded.model.evidence(test.pictures(range(180))))
    expected = torch.cat([trace["z1"].q.mean(), trace["z2"].q.mean()], 1)
    np.testing.assert_allclose(found["features"], expected.numpy(), rtol=1e-4, atol=1e-5)
    assert found["labels"].tolist() == test.labels.tolist() and json.loads(str(found["about"]))["pool"] == "mean"


def test_latents_as_they_are_can_be_decoded(run: Path, tmp_path: Path, command: Command) -> None:
    both = ("--data", "test", "-n", 5)
    assert command("encode", run, *both, "--mode", "--out", tmp_path / "z.npz").code == 0
    pictures = []
    for name, pool in (("z.npz", ""), ("none.npz", "none"), ("flat.npz", "flatten"), ("flat.parquet", "flatten")):
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        if pool:
            assert command("features", run, *both, "--pool", pool, "--out", tmp_path / name).code == 0
        said = command("decode", run, tmp_path / name, "--out", tmp_path / "x.npy", "--json")
        assert said.json["given"] == ["z2", "z1"] and said.err == ""
        pictures.append(np.load(tmp_path / "x.npy"))
    for one in pictures[1:]:
        np.testing.assert_allclose(one, pictures[0], atol=1e-5)


def test_predicted_features_become_pictures(run: Path, tmp_path: Path, command: Command) -> None:
    command(
        "features", run, "--data", "test", "-n", 5, "--pool", "flatten", "--levels", "z2", "--out", tmp_path / "f.npz"
    )
    np.save(tmp_path / "predicted.npy", arrays(tmp_path / "f.npz")["features"])
    words = ("--temperature", "0", "--out", tmp_path / "x.npy", "--json")
    first = command("decode", run, tmp_path / "f.npz", *words)
    own = np.load(tmp_path / "x.npy")
    assert command("decode", run, tmp_path / "predicted.npy", "--levels", "z2", *words).json == first.json
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), own)


def test_draws_are_of_the_seed_and_their_mean_nears_the_mean(run: Path, tmp_path: Path, command: Command) -> None:
    def features(*words: object) -> np.ndarray[Any, Any]:
        said = command(
            "features", run, "--data", "valid", "-n", 20, "--levels", "z2", "--out", tmp_path / "f.npz", *words
        )
        assert said.code == 0, said.err
        return arrays(tmp_path / "f.npz")["features"]

    one, same, other = (features("--draws", 1, "--seed", seed) for seed in (3, 3, 4))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    # The top level has a law of its own given the data: the mean of its draws is its mean.
    assert abs(features("--draws", 1000) - features()).max() < 0.3 < abs(one - features()).max()


def test_a_table_of_columns(run: Path, tmp_path: Path, command: Command) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for name in ("f.npz", "f.parquet"):
        assert command("features", run, "--data", "test", "--out", tmp_path / name).code == 0
    table, expected = parquet.read_table(tmp_path / "f.parquet"), arrays(tmp_path / "f.npz")
    assert table.column_names == ["z2_0", "z2_1", "z1_0", "z1_1", "z1_2", "z1_3", "labels"]
    columns = [table[name].to_numpy() for name in table.column_names[:-1]]
    np.testing.assert_array_equal(np.stack(columns, 1), expected["features"])


LEVELS = {"levels": {"z2": [2], "z1": [4]}}
FORGED = {
    "of another form": (2, {}, '{"levels": 3}', "expected a Parquet table of features"),
    "without end": (2, {}, "[" * 100_000, "expected a Parquet table of features"),
    "of no shape": (2, {}, '{"levels": {"z1": null}}', "expected a Parquet table of features"),
    "of a huge shape": (
        2,
        {},
        '{"levels": {"z1": [1000000000000]}}',
        "lists of 1000000000000 numbers, got [4]",
    ),
    "of texts": (2, {"z1": ["a", "b"]}, json.dumps(LEVELS), "expected a Parquet table of features"),
    "ragged": (2, {"z1": [[1.0], [2.0] * 7]}, json.dumps(LEVELS), "expected lists of 4 numbers, got [1, 7]"),
    "of nothing known": (
        2,
        {"z1": [[1.0] * 4, None]},
        json.dumps(LEVELS),
        "lists of 4 numbers, got [4, None]",
    ),
    "that unpacks without end": (5_000_000, {}, json.dumps(LEVELS), "expected real data, got"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_table_is_one_line(what: str, run: Path, tmp_path: Path, command: Command) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet, (number, columns, about, line) = pytest.importorskip("pyarrow.parquet"), FORGED[what]
    usual = {
        name: arrow.FixedSizeListArray.from_arrays(arrow.array(np.zeros(number * size, np.float32)), size)
        for name, size in (("z2", 2), ("z1", 4))
    }
    table = arrow.table({**usual, **columns}).replace_schema_metadata({FORMAT: about})
    parquet.write_table(table, tmp_path / "f.parquet")
    said = command("decode", run, tmp_path / "f.parquet", "--out", tmp_path / "x")
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1 and len(said.err) < 500, said.err


def test_flipped_bytes_of_a_table_are_one_line(run: Path, tmp_path: Path, command: Command) -> None:
    pytest.importorskip("pyarrow")
    path, chance = tmp_path / "f.parquet", random.Random(0)
    assert command("features", run, "--data", "test", "-n", 3, "--pool", "none", "--out", path).code == 0
    content = path.read_bytes()
    for _ in range(30):
        damaged = bytearray(content)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        said = command("decode", run, path, "--out", tmp_path / "x.npy")
        assert said.code == 0 or (said.code == 2 and said.err.count("\n") == 1), said.err


REFUSED = {
    "--levels , --out f.npz": "--levels: expected names with commas between them, as z4,z3, got ','",
    "--levels z9 --out f.npz": "no level named 'z9'; did you mean",
    "--levels z1..z9 --out f.npz": "no level named 'z9'",
    "--pool meen --out f.npz": "no pool named 'meen'; did you mean 'mean'?",
    "--out f.csv": "expected a file name that ends in .npz or .parquet, got",
    "--draws -1 --out f.npz": "--draws: expected at least 0, got -1",
    "--train.lr 1 --out f.npz": "--train.lr is not for features",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_one_line(
    words: str, run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command("features", run, "--data", "test", *words.split())
    assert said.code == 2 and REFUSED[words] in said.err and said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_missing_is_named(
    run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    said = command("features", run, "--data", "test", "--out", tmp_path / "f.parquet")
    assert said.code == 2 and "the package 'pyarrow' (extra 'parquet') is not installed; install it with" in said.err


def test_what_is_no_way_back_is_refused(run: Path, tmp_path: Path, command: Command) -> None:
    command("features", run, "--data", "test", "-n", 3, "--out", tmp_path / "mean.npz")
    np.save(tmp_path / "wide.npy", np.zeros((3, 7), np.float32))
    np.save(tmp_path / "odd.npy", np.array([["a"]]))
    np.save(tmp_path / "nan.npy", np.full((3, 6), np.nan))
    (tmp_path / "no.parquet").write_bytes(b"PAR1 no table")
    refused = {
        "mean.npz": ((), "holds means over places"),
        "wide.npy": (("--levels", "z2,z1"), "expected (N, 6), the numbers of z2, z1 side by side, got (3, 7)"),
        "odd.npy": (("--levels", "z2"), "expected a table of numbers (N, D)"),
        "nan.npy": (("--levels", "z2,z1"), "expected finite"),
    }
    if "pyarrow" in sys.modules:
        refused["no.parquet"] = ((), "expected a Parquet table of features")
    for name, (words, line) in refused.items():
        said = command("decode", run, tmp_path / name, *words, "--out", tmp_path / "x")
        assert said.code == 2 and line in said.err and said.err.count("\n") == 1, said.err
    np.save(tmp_path / "bare.npy", np.zeros((3, 6), np.float32))
    said = command("decode", run, tmp_path / "bare.npy", "--out", tmp_path / "x")
    assert said.code == 2 and "does not say which levels it holds side by side; add --levels" in said.err


def test_the_transformer_works_in_a_pipeline(run: Path) -> None:
    loaded = hvae.load(run)
    train = load(loaded.config.data).train
    x, y = train.pictures(range(300)).numpy(), train.labels[:300].numpy()
    pipeline = make_pipeline(hvae.Features(run, levels=("z1",)), LogisticRegression(max_iter=200))
    again = clone(pipeline).fit(x.reshape(300, -1), y)
    assert again.score(x, y) > 0.2
    assert list(again[:-1].get_feature_names_out()) == [f"z1_{i}" for i in range(4)]
    flat = hvae.Features(loaded, pool="flatten").fit(x)
    assert flat.transform(x).shape == (300, 6) and flat.inverse_transform(flat.transform(x[:2])).shape == (2, 1, 8, 8)
    with pytest.raises(HvaeError, match="no level named 'z7'"):
        hvae.Features(run, levels=("z7",)).fit(x)
    with pytest.raises(HvaeError, match="no way back"):
        hvae.Features(run).fit(x).inverse_transform(np.zeros((1, 6)))


GROWTH = """
import resource, sys, torch
from pathlib import Path
from hvae.study.featurefiles import About, writing

rows, out = int(sys.argv[1]), Path(sys.argv[2])
about = About(levels={"z1": (16384,)}, pool="flatten", draws=0, seed=0, weights="", images="")
with writing(out, rows, about) as sink:
    for _ in range(rows // 50):
        sink.take({"z1": torch.zeros(50, 16384)}, torch.zeros(50, dtype=torch.long))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")

    def peak(rows: int) -> int:
        words = [sys.executable, "-c", GROWTH, str(rows), str(tmp_path / f"f{suffix}")]
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)

    few, many = peak(100), peak(2000)  # 131 MB of features
    assert many - few < 40_000, f"{few} and {many} kB"


def test_what_a_transformer_cannot_take_is_one_line(run: Path) -> None:
    x = np.zeros((2, 1, 8, 8))
    flat = hvae.Features(run, levels="z1", pool="flatten").fit(x)
    features = flat.transform(x.astype(object))  # as tables of mixed columns are
    np.testing.assert_array_equal(features, flat.transform(x))
    for bad in (np.full((2, 64), "a"), None, 3.0, x + 1j):
        with pytest.raises(HvaeError, match="^data: expected numbers"):
            flat.transform(bad)
    for bad in (np.full(features.shape, "a"), features + 1j, None):
        with pytest.raises(HvaeError, match="^features: expected numbers"):
            flat.inverse_transform(bad)
    for worst in (np.nan, np.inf, 1e300):
        with pytest.raises(HvaeError, match="^features: expected finite numbers"):
            flat.inverse_transform(np.full(features.shape, worst))
    for key, value in (("draws", -1), ("draws", 1.5), ("batch", 0), ("batch", "64"), ("batch", True)):
        with pytest.raises(HvaeError, match="expected"):
            hvae.Features(run, **{key: value}).fit(x)  # type: ignore[arg-type]
