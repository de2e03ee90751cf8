from __future__ import annotations

import json

import pytest
import torch

from hvae.errors import HvaeError
from hvae.metrics.codes import Codes
from hvae.metrics.probe import classes


def test_a_level_that_knows_the_class_is_told_from_one_that_does_not() -> None:
    labels = torch.randint(4, (400,))
    centres = 5 * torch.randn(4, 6, dtype=torch.float64)
    told: list[tuple[int, int]] = []
    knows, noise = centres[labels] + torch.randn(400, 6), torch.randn(400, 3, dtype=torch.float64)
    found = classes(Codes("means", {"z2": knows, "z1": noise}), labels, progress=lambda *at: told.append(at))
    top, low = found.levels["z2"], found.levels["z1"]
    assert top.probe_accuracy > 0.95 and top.nmi > 0.9 and top.ari > 0.9
    assert low.probe_accuracy < 0.4 and abs(low.ari) < 0.05 and low.nmi < 0.1
    assert 0.2 < found.chance < 0.35 and found.classes == 4 and told[-1] == (2, 2)
    assert json.loads(json.dumps(found.to_dict()))["levels"]["z2"]["ari"] == top.ari


def test_labels_are_names_and_scales_do_not_matter() -> None:
    labels = torch.arange(90) % 3
    code = torch.eye(3, dtype=torch.float64)[labels] * torch.tensor([1e-3, 1.0, 1e3]) + 7
    found = classes(Codes("means", {"z1": code}), 100 * labels - 5).levels["z1"]
    assert found.probe_accuracy == found.nmi == found.ari == 1.0


def test_faults_are_one_line() -> None:
    found = Codes("means", {"z1": torch.randn(40, 2, dtype=torch.float64)})
    with pytest.raises(HvaeError, match="expected 40 labels"):
        classes(found, torch.zeros(39))
    with pytest.raises(HvaeError, match="2 classes or more, got 1"):
        classes(found, torch.zeros(40))
    with pytest.raises(HvaeError, match="10 data of each class or more, got 4 of class 9"):
        classes(found, torch.tensor([0] * 36 + [9] * 4))
