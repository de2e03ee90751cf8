"""Listening tests: sounds that can be compared, tables that can be believed, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

import hvae
from hvae.config.data import DataConfig
from hvae.config.evaluate import EvaluateConfig
from hvae.config.run import RunConfig
from hvae.config.sequences import VRNNConfig
from hvae.config.train import TrainConfig
from hvae.config.vqvae import RQVAEConfig
from hvae.errors import HvaeError
from hvae.explore.sound import low_passed, wav
from hvae.study.listening.answers import COLUMNS
from hvae.study.listening.trials import ANCHORS, REFERENCE, as_samples, trials_of
from hvae.study.train import train

RATE = 16_000
FINGERPRINT = "0123456789abcdef"


def folder(place: Path, sounds: dict[str, np.ndarray], rate: int = RATE) -> Path:
    place.mkdir(parents=True)
    for name, sound in sounds.items():
        (place / f"{name}.wav").write_bytes(wav(sound, rate))
    return place


def tones(samples: int = 4000, loud: float = 0.5) -> dict[str, np.ndarray]:
    time = np.arange(samples) / RATE
    return {name: loud * np.sin(2 * np.pi * hertz * time) for name, hertz in (("low", 440), ("high", 5000))}


def pair(place: Path) -> dict[str, Path]:
    return {"mine": folder(place / "mine", tones(loud=0.4)), "theirs": folder(place / "theirs", tones(loud=0.3))}


def test_a_page_holds_reference_anchors_and_systems(tmp_path: Path) -> None:
    reference = folder(tmp_path / "original", tones())
    test = hvae.listen(pair(tmp_path), reference=reference, out=tmp_path / "a.html")
    assert test.trials.conditions == (REFERENCE, *ANCHORS, "mine", "theirs")
    sounds = {trial.item: trial.sounds for trial in test.trials.trials}
    assert set(sounds) == {"low", "high"}
    inner = slice(500, -500)
    high, low = ({name: np.abs(sound[inner]).max() for name, sound in sounds[item].items()} for item in ("high", "low"))
    assert high["anchor 3.5 kHz"] < 30 and high["anchor 7 kHz"] > 16_000 and low["anchor 3.5 kHz"] > 16_000
    assert np.array_equal(sounds["low"]["mine"], as_samples(tones(loud=0.4)["low"]))
    again = hvae.listen(pair(tmp_path / "b"), reference=reference, out=tmp_path / "b.html", seed=1)
    assert again.trials.fingerprint != test.trials.fingerprint


@pytest.mark.parametrize(("rate", "edge"), [(48_000, 3500.0), (8_000, 3500.0), (16_000, 7000.0), (44_100, 7000.0)])
def test_anchors_keep_what_they_shall_and_stay_in_time(rate: int, edge: float) -> None:
    impulse = np.eye(1, 8193, 4096)[0]
    answer = low_passed(impulse, rate, edge)
    decibels = 20 * np.log10(np.abs(np.fft.rfft(answer)) + 1e-12)
    hertz = np.fft.rfftfreq(len(impulse), 1 / rate)
    assert np.abs(decibels[hertz <= edge]).max() < 0.1
    assert decibels[hertz >= 8 / 7 * edge].max(initial=-99.0) < -50
    assert np.abs(answer - answer[::-1]).max() < 1e-12, "symmetric about the impulse: nothing is moved"


def test_a_low_rate_has_no_room_for_the_higher_anchor() -> None:
    sound = np.arange(2000, dtype=np.int16)
    trials = trials_of({"a": {REFERENCE: sound, "mine": sound}}, 8_000, 0)
    assert "anchor 7 kHz" not in trials.conditions and "anchor 7 kHz" in trials.notes()[0]


def other(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]], rate: int = RATE) -> Callable[..., Path]:
    return lambda place: folder(place, change(tones()), rate)


BAD: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "lengths": ("mine", other(lambda s: {name: one[:-1] for name, one in s.items()}), "expected 4,000 samples.*3,999"),
    "rates": ("mine", other(lambda s: s, rate=8000), "one sample rate, got 16,000 in .*8,000"),
    "missing": ("mine", other(lambda s: {"low": s["low"]}), "got no 'high'"),
    "more": ("mine", other(lambda s: {**s, "third": s["low"]}), "got also 'third'"),
    "none": ("mine", lambda place: place, "expected a folder of sounds"),
    "empty": ("mine", other(lambda s: {}), "expected files that end in"),
    "name of a system": ("<b>", other(lambda s: s), "expected a name of a system"),
    "formula": ("=1+1", other(lambda s: s), "expected a name of a system"),
    "own name": ("reference", other(lambda s: s), "name of the test's own"),
    "own anchor": ("anchor 7 kHz", other(lambda s: s), "name of the test's own"),
}


@pytest.mark.parametrize(("name", "made", "line"), BAD.values(), ids=BAD)
def test_sounds_that_cannot_be_compared(name: str, made: Callable[[Path], Path], line: str, tmp_path: Path) -> None:
    reference, system = folder(tmp_path / "original", tones()), made(tmp_path / "system")
    with pytest.raises(HvaeError, match=line) as fault:
        hvae.listen({name: system}, reference=reference, out=tmp_path / "a.html")
    assert "\n" not in str(fault.value) and not (tmp_path / "a.html").exists()


def test_names_of_sounds_that_no_page_should_get(tmp_path: Path) -> None:
    names = {"a&b": tones()["low"]}
    with pytest.raises(HvaeError, match="expected a name of a sound"):
        hvae.listen(
            {"mine": folder(tmp_path / "m", names)}, reference=folder(tmp_path / "r", names), out=tmp_path / "a.html"
        )
    two = folder(tmp_path / "two", tones())
    (two / "low.flac").write_bytes(b"fLaC")
    with pytest.raises(HvaeError, match="one file of each name"):
        hvae.listen({"mine": two}, reference=two, out=tmp_path / "a.html")


def test_sizes_come_before_sounds(tmp_path: Path) -> None:
    reference = folder(tmp_path / "r", tones())
    with open(reference / "low.wav", "r+b") as file:
        file.truncate(1 << 27)
    with pytest.raises(HvaeError, match="at most 64 MiB of sound"):
        hvae.listen({"mine": reference}, reference=reference, out=tmp_path / "a.html")


@pytest.mark.parametrize(("rate", "line"), [(7_999, "which browsers play, got 7,999"), (192_000, "got 192,000")])
def test_rates_that_browsers_do_not_play(rate: int, line: str) -> None:
    sound = np.ones(9, np.int16)
    with pytest.raises(HvaeError, match=line):
        trials_of({"a": {REFERENCE: sound, "mine": sound}}, rate, 0)


def test_more_sounds_than_one_can_compare() -> None:
    sounds = {name: np.ones(9, np.int16) for name in (REFERENCE, *map(str, range(10)))}
    with pytest.raises(HvaeError, match="got 10 systems, the reference and 2 anchors"):
        trials_of({"a": sounds}, RATE, 0)


SOUNDS = {f"sound{i}": np.random.default_rng(i).uniform(-0.5, 0.5, 1600 + 16 * i) for i in range(8)}


@pytest.mark.parametrize("family", ["vrnn", "rqvae"])
def test_runs_of_sound_are_systems_by_their_levels(family: str, tmp_path: Path) -> None:
    models = {
        "vrnn": VRNNConfig(likelihood="logistic", latent=2, state=4, width=4),
        "rqvae": RQVAEConfig(codes=4, dims=4, width=8, hidden=4, blocks=1, stride=4, depth=2, likelihood="gaussian"),
    }
    config = RunConfig(
        model=models[family],
        data=DataConfig(name="sequences", path=str(folder(tmp_path / "data", SOUNDS)), frame=8, valid=0.25, test=0.25),
        train=TrainConfig(steps=2, batch=4, accelerator="cpu", valid_every=2, save_every=2),
        evaluate=EvaluateConfig(samples=1, measures=("likelihood",)),
    )
    run = train(config, out=tmp_path / "run").folder
    tops = (1, 2) if family == "rqvae" else ()
    systems = ("a top 1 of 2", "a top 2 of 2") if tops else ("a",)
    test = hvae.listen({"a": run}, out=tmp_path / "a.html", number=2, top=tops)
    assert test.trials.conditions == (REFERENCE, *ANCHORS, *systems)
    for trial in test.trials.trials:
        whole = as_samples(SOUNDS[trial.item])
        assert np.abs(trial.sounds[REFERENCE].astype(int) - whole[: len(whole) // 8 * 8]).max() <= 1
    with pytest.raises(HvaeError, match="--top: expected 1 to"):
        hvae.listen({"a": run}, out=tmp_path / "b.html", top=(9,))
    with pytest.raises(HvaeError, match="expected 16,000 samples a second, got 8,000"):
        hvae.listen({"a": run}, out=tmp_path / "b.html", reference=folder(tmp_path / "slow", tones(), rate=8000))


@pytest.fixture
def coder(tmp_path: Path) -> Path:
    """A run of sound in frames of 8 samples."""
    config = RunConfig(
        model=RQVAEConfig(codes=4, dims=4, width=8, hidden=4, blocks=1, stride=4, depth=2, likelihood="gaussian"),
        data=DataConfig(name="sequences", path=str(folder(tmp_path / "data", SOUNDS)), frame=8, valid=0.25, test=0.25),
        train=TrainConfig(steps=1, batch=4, accelerator="cpu", valid_every=1, save_every=1),
        evaluate=EvaluateConfig(samples=1, measures=("likelihood",)),
    )
    return train(config, out=tmp_path / "run").folder


def test_runs_and_folders_are_heard_on_one_page(coder: Path, tmp_path: Path) -> None:
    original = folder(tmp_path / "original", tones(4003))
    systems = {"theirs": folder(tmp_path / "theirs", tones(4003, loud=0.3)), "run": coder, "again": hvae.load(coder)}
    test = hvae.listen(systems, reference=original, out=tmp_path / "a.html", top=(1,))
    runs = ("run top 1 of 2", "again top 1 of 2")
    assert test.trials.conditions == (REFERENCE, *ANCHORS, "theirs", *runs)
    for trial in test.trials.trials:
        assert np.array_equal(trial.sounds[REFERENCE], as_samples(tones(4003)[trial.item])[:4000]), "whole frames"
        assert np.array_equal(trial.sounds["theirs"], as_samples(tones(4003, loud=0.3)[trial.item])[:4000])
        assert np.array_equal(trial.sounds[runs[0]], trial.sounds[runs[1]])
    alone = hvae.listen({"run": coder}, reference=original, out=tmp_path / "b.html")
    assert alone.trials.conditions == (REFERENCE, *ANCHORS, "run")
    short = folder(tmp_path / "short", tones(4002))
    with pytest.raises(HvaeError, match="expected 4,003 samples, as the reference has, got 4,002 of short"):
        hvae.listen({"short": short, "run": coder}, reference=original, out=tmp_path / "c.html")
    with pytest.raises(HvaeError, match="holds no run; for folders of sounds add --reference"):
        hvae.listen({"short": short, "run": coder}, out=tmp_path / "c.html")
    tiny = folder(tmp_path / "tiny", {"low": np.zeros(4)})
    with pytest.raises(HvaeError):
        hvae.listen({"run": coder}, reference=tiny, out=tmp_path / "c.html")
    assert not (tmp_path / "c.html").exists()


def table(place: Path, rows: Sequence[Sequence[object]]) -> Path:
    place.write_text("\r\n".join(",".join(map(str, row)) for row in (COLUMNS, *rows)) + "\r\n")
    return place


def rows_of(who: str, scores: dict[str, list[float]], test: str = FINGERPRINT) -> list[list[object]]:
    return [
        [test, who, i + 1, f"item {i}", place, name, score, 9.5]
        for place, (name, some) in enumerate(scores.items(), 1)
        for i, score in enumerate(some)
    ]


SCORES = {
    "Ann": {REFERENCE: [100.0, 95.0], "mine": [80.0, 60.0]},
    "Bob": {REFERENCE: [100.0, 90.0], "mine": [40.0, 60.0]},
    "Cy": {REFERENCE: [100.0, 89.0], "mine": [100.0, 99.0]},
}


def test_means_and_intervals_are_of_those_who_hear_the_reference(tmp_path: Path) -> None:
    files = [table(tmp_path / f"{who}.csv", rows_of(who, scores)) for who, scores in SCORES.items()]
    result = hvae.opinions(files)
    assert result.excluded == {"Cy": 0.5} and result.listeners == ("Ann", "Bob") and result.items == 2
    best, mine = result.conditions
    assert (best.condition, best.label, mine.condition, mine.label) == (REFERENCE, "excellent", "mine", "good")
    half = t.ppf(0.975, 1) * np.std([70.0, 50.0], ddof=1) / np.sqrt(2)
    assert (mine.mean, mine.low95, mine.high95) == pytest.approx((60.0, 60 - half, 60 + half))
    assert (mine.median, mine.quartile1, mine.quartile3) == pytest.approx((60.0, 55.0, 65.0))
    assert result.by_item["item 0"][1].mean == 60.0 and result.by_item["item 1"][0].mean == 92.5
    alone = hvae.opinions(files[:1])
    assert alone.conditions[1].low95 is None, "one listener has no interval"
    assert hvae.opinions(str(files[0])) == hvae.opinions(files[0]) == alone


@pytest.mark.parametrize(("missed", "is_excluded"), [(3, False), (4, True)])
def test_fifteen_percent_of_the_items_may_be_missed(missed: int, is_excluded: bool, tmp_path: Path) -> None:
    careless = {REFERENCE: [89.9] * missed + [90.0] * (20 - missed)}
    rows = rows_of("A", careless) + rows_of("B", {REFERENCE: [100.0] * 20})
    assert ("A" in hvae.opinions([table(tmp_path / "a.csv", rows)]).excluded) == is_excluded


ANN = rows_of("Ann", SCORES["Ann"])
TABLES: dict[str, tuple[list[list[object]], str]] = {
    "above": ([*ANN[:-1], [*ANN[-1][:6], 101, 1]], "a score from 0 to 100, got '101'"),
    "below": ([*ANN[:-1], [*ANN[-1][:6], -1, 1]], "a score from 0 to 100, got '-1'"),
    "no number": ([*ANN[:-1], [*ANN[-1][:6], "nan", 1]], "a score from 0 to 100, got 'nan'"),
    "another test": ([*ANN, *rows_of("Bob", SCORES["Bob"], "f" * 16)], "row 6: expected answers to the test"),
    "no test": ([["<script>", *ANN[0][1:]]], "16 hexadecimal digits"),
    "page in a name": ([[*ANN[0][:1], "<b>Ann</b>", *ANN[0][2:]]], "a name of the column listener"),
    "formula": ([[*ANN[0][:5], "=1+1", *ANN[0][6:]]], "a name of the column condition"),
    "twice": ([*ANN, *ANN], "Ann has scored reference of item 0 before"),
    "not all": ([*ANN, *rows_of("Bob", SCORES["Bob"])[:-1]], "Bob: expected a score of mine of item 1"),
    "no reference": (rows_of("Ann", {"mine": [1.0]}), "expected a score of reference of item 0"),
    "short row": ([ANN[0][:-1]], "expected 8 cells, got 7"),
    "no rows": ([], "expected a row for each sound"),
    "nobody left": (rows_of("Cy", SCORES["Cy"]), "all 1 listeners rate the hidden reference below 90"),
}


@pytest.mark.parametrize(("rows", "line"), TABLES.values(), ids=TABLES)
def test_tables_that_cannot_be_believed(rows: list[list[object]], line: str, tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match=line) as fault:
        hvae.opinions([table(tmp_path / "a.csv", rows)])
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("content", [b"", b"a,b\r\n1,2\r\n", b"\xff\xfe\x00", b'"' * 99, b"\x00" * 99, b"x," * 200_000])
def test_files_that_are_no_tables(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(HvaeError) as fault:
        hvae.opinions([tmp_path / "a.csv"])
    assert "\n" not in str(fault.value) and len(str(fault.value)) < 500


def test_a_table_that_a_spreadsheet_has_saved_with_semicolons(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("test;listener;item\n1;2;3\n")
    with pytest.raises(HvaeError, match="expected commas between cells, got semicolons"):
        hvae.opinions([tmp_path / "a.csv"])
