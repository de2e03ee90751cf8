"""The example of latent tokens for translation: its corpus by rules, and what its model promises."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import torch

from hvae import Datum, given, posterior, run

EXAMPLE = Path(__file__).parents[1] / "examples" / "translation.py"


@pytest.fixture(scope="module")
def example() -> dict[str, object]:
    return runpy.run_path(str(EXAMPLE), run_name="translation")


def test_numbers_in_words(example: dict[str, object]) -> None:
    english, german = example["english"], example["german"]
    assert [" ".join(english(n)) for n in (0, 13, 40, 7_021)] == [
        "zero",
        "thirteen",
        "forty",
        "seven thousand twenty one",
    ]
    assert {" ".join(one) for one in german(1_101)} == {
        f"{head} {und}ein"
        for head in ("ein tausend ein hundert", "ein tausend hundert", "tausend ein hundert", "tausend hundert")
        for und in ("", "und ")
    } | {"elf hundert ein", "elf hundert und ein"}
    longest = max(len(one) for n in range(10_000) for one in german(n))
    assert longest < example["WORDS"] and max(len(english(n)) for n in range(10_000)) <= example["LONGEST"]
    assert all(len({tuple(one) for one in german(n)}) == len(german(n)) for n in range(3_000))


def test_a_word_is_heard_through_the_latent_tokens_alone(example: dict[str, object]) -> None:
    """The words of an answer are independent given its codes, and the rate is that of the prior over them."""
    torch.manual_seed(0)
    model = example["Latent"](8, 16, 1).double()
    source, target = example["corpus"]([21, 1_205, 999], 0)
    datum = Datum(target.double(), {"source": source.double()})
    model.prepare(datum)
    trace = run(model, posterior, model.evidence(datum))
    torch.testing.assert_close(trace.rates()["z"], torch.full((3,), 3 * torch.tensor(8.0).log().item()).double())
    other = datum.x.clone()
    other[:, 0] = 3
    again = run(model, given({"z": trace["z"].value}), model.evidence(Datum(other, datum.context)))
    torch.testing.assert_close(again["x"].log_probs()[:, 1:], trace["x"].log_probs()[:, 1:])
    assert not torch.equal(model.features(Datum(other, datum.context))["z"], model.features(datum)["z"])
    assert example["translate"](model, source).shape == (3, example["WORDS"])


def test_it_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--steps", "3", "--batch", "8", "--width", "16", "--codes", "4", "--test", "12"]
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *words])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:3]] == ["autoregressive", "3 latent tokens of 4"]
    assert lines[3].startswith("  from the right codes") and lines[4].startswith("no latents")
