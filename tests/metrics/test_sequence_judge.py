"""A judge of sequences: what it reads of them, and that it tells classes apart by that."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from hvae.datum import Datum
from hvae.errors import HvaeError
from hvae.metrics.sequence_judge import BANDS, PARTS, in_eighths, spectra, train_judge, values


def tones(count: int, seed: int, size: int = 32) -> Datum:
    """Two classes of tones, of many lengths, in noise."""
    random = torch.Generator().manual_seed(seed)
    labels, time = torch.arange(count) % 2, torch.arange(40 * size)
    pitch = torch.tensor([0.2, 0.9])[labels]
    x = 0.5 + 0.3 * torch.sin(pitch[:, None] * time) + 0.05 * torch.randn(count, 40 * size, generator=random)
    lengths = torch.randint(10, 41, (count,), generator=random)
    return Datum(x.view(count, 40, size).clamp(0, 1), {"label": labels}, lengths=lengths)


def test_each_eighth_is_the_mean_of_its_steps_and_no_padding_is_read() -> None:
    x = torch.arange(16.0)[None, :, None].repeat(2, 1, 3)
    x[1, 8:] = 1e6
    features = in_eighths(Datum(x, lengths=torch.tensor([16, 8])), values)
    assert features.shape == (2, PARTS, 3)
    assert torch.equal(features[0, :, 0], torch.arange(PARTS) * 2 + 0.5)
    assert torch.equal(features[1, :, 0], torch.arange(8.0))


def test_tokens_are_counted_by_kind() -> None:
    features = in_eighths(Datum(torch.tensor([[0.0, 2.0] * 8])), partial(values, kinds=3))
    assert torch.equal(features, torch.tensor([0.5, 0.0, 0.5]).expand(1, PARTS, 3))


@pytest.mark.parametrize("size", [1, 32, 128])
def test_the_power_of_a_tone_lies_in_its_band_however_sound_is_framed(size: int) -> None:
    for band in (2, 9):
        pitch = math.pi * (band + 0.5) / BANDS
        sound: Tensor = 0.5 + 0.4 * torch.sin(pitch * torch.arange(128 * 20.0))
        assert (spectra(sound.view(-1, size)).argmax(1) == band).all()


def test_it_tells_classes_apart_and_names_how_often_it_is_right() -> None:
    judge = train_judge(tones(200, 0).split(50), tones(100, 1).split(50), is_sound=True)
    assert judge.classifier.test_accuracy > 0.95 and "logistic on spectra of eighths" in judge.describe()
    some = tones(40, 2)
    assert (judge(some.x) == some.context["label"]).double().mean() > 0.9


def test_of_one_class_nothing_can_be_judged() -> None:
    data = Datum(torch.zeros(4, 9, 2), {"label": torch.zeros(4, dtype=torch.long)})
    with pytest.raises(HvaeError, match="2 classes or more"):
        train_judge([data], [data], is_sound=False)
