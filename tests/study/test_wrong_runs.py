"""What is no run where one is due: one line, whatever the function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hvae
from hvae.errors import HvaeError

FUNCTIONS: dict[str, Callable[[Any], object]] = {
    "load": hvae.load,
    "from_pretrained": hvae.from_pretrained,
    "evaluate": hvae.evaluate,
    "report": hvae.report,
    "score": lambda run: hvae.score(run, "test"),
    "restore": lambda run: hvae.restore(run, "test", task="inpaint"),
    "augment": lambda run: hvae.augment(run, "samples"),
    "grow": lambda run: hvae.grow(run, "digits", out="grown"),
    "export": hvae.export,
    "push": lambda run: hvae.push(run, "me/mine", licence="MIT", dry_run=True),
    "compress": lambda run: hvae.compress(run, "pictures", "file.hvz"),
    "compare": lambda run: hvae.compare([run]),
    "listen": lambda run: hvae.listen({"ours": run}, out="page.html"),
    "train": hvae.train,
}


@pytest.mark.parametrize(
    "value", [3, ["digits"], {"run": "digits"}, torch.nn.Sequential(torch.nn.ReLU())], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_run_is_one_line(name: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HvaeError, match="expected") as error:
        FUNCTIONS[name](value)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_systems_that_are_judged_have_names(tmp_path: Path) -> None:
    with pytest.raises(HvaeError, match="expected systems by name"):
        hvae.listen(["digits"], out=tmp_path / "page.html")  # type: ignore[arg-type]
