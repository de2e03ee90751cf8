from __future__ import annotations

import errno
import math
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hvae.errors import HvaeError
from hvae.training.saving import clear_remains, read_checkpoint, write_checkpoint

HISTORY = {"step": 3, "seconds": 1.0, "scale": 1.0, "skipped": 0, "dropped": 0, "returns": 0}
WEIGHTS = {"w": torch.arange(1000.0)}
LEARNER = {"model": WEIGHTS, "average": WEIGHTS, "updates": 3, "optimiser": {"state": {}}}
CONTENT = {
    **{"course": {"betas": (0.9, 0.99)}, "history": HISTORY, "meter": {"names": [], "total": None, "count": 0}},
    **{"notes": [], "best": {"elbo": -math.inf, "step": 0, "weights": None}},
    "learner": {**LEARNER, "guard": {"norms": [1.0, 2.0], "streak": 0}},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    write_checkpoint(path, CONTENT)
    return path


def test_round_trip(path: Path) -> None:
    content = read_checkpoint(path)
    assert torch.equal(content["learner"]["model"]["w"], torch.arange(1000.0))
    assert content["learner"]["guard"] == {"norms": [1.0, 2.0], "streak": 0}


@pytest.mark.parametrize(
    ("part", "wrong", "line"),
    [
        ("history", {"step": None}, "history.step is missing|seconds is missing|expected a whole number"),
        ("history", {**HISTORY, "step": -1}, "expected settings and counts"),
        ("history", {**HISTORY, "odd": 1}, "expected settings and counts"),
        ("course", {"betas": ((((1,),),),)}, "expected settings and counts"),
        ("meter", {"names": ["loss"], "total": torch.zeros(2), "count": 1}, "do not fit their names"),
        ("notes", "none", "notes: expected a list"),
        ("best", {"elbo": "high", "step": 0, "weights": None}, "expected settings and counts"),
        ("learner", None, "learner: expected an object, got null"),
    ],
)
def test_parts_of_another_form_are_one_line(path: Path, part: str, wrong: object, line: str) -> None:
    write_checkpoint(path, {**CONTENT, part: wrong})
    with pytest.raises(HvaeError, match=line):
        read_checkpoint(path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty", "missing"])
def test_damage_is_one_clear_line(path: Path, damage: str) -> None:
    raw = path.read_bytes()
    middle = len(raw) // 2  # inside the tensor, where torch.load itself notices nothing
    changed = {
        "cut": raw[:middle],
        "flipped": raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :],
        "text": b"not a checkpoint",
        "empty": b"",
    }
    path.unlink() if damage == "missing" else path.write_bytes(changed[damage])
    with pytest.raises(HvaeError, match=r"last\.ckpt is damaged") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


class Trap:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.marker,)  # type: ignore[return-value]


@pytest.mark.parametrize("way", ["torch", "pickle"])
def test_loading_never_executes_code(path: Path, way: str) -> None:
    marker = path.with_name("executed")
    trap = {"hvae": 1, "weights": Trap(marker)}
    torch.save(trap, path) if way == "torch" else path.write_bytes(pickle.dumps(trap))
    with pytest.raises(HvaeError):
        read_checkpoint(path)
    assert not marker.exists()
    pickle.loads(pickle.dumps(trap))
    assert marker.exists(), "the trap works where it is let"


def test_a_full_disk_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(content: object, f: object) -> None:
        f.write(b"half")  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(HvaeError, match="No space left"):
        write_checkpoint(path, {"weights": torch.zeros(1)})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


def test_remains_of_killed_runs_are_cleared(path: Path) -> None:
    (path.parent / ".last.ckpt.123.part").write_text("half")
    (path.parent / "mine.part").write_text("kept")
    clear_remains(path.parent)
    assert sorted(p.name for p in path.parent.iterdir()) == ["last.ckpt", "mine.part"]


@pytest.mark.parametrize("most", [10, 5000])
def test_a_limit_of_file_sizes_is_one_line(path: Path, most: int) -> None:
    """Whether the first bytes are refused or later ones: torch has an error of its own for the end of such a file."""
    write = (
        "import resource, sys, torch\n"
        "from pathlib import Path\n"
        "from hvae.training.saving import write_checkpoint\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n"
        "write_checkpoint(Path(sys.argv[1]), {'weights': torch.zeros(9000)})\n"
    )
    said = subprocess.run([sys.executable, "-c", write, str(path)], capture_output=True, text=True, check=False)
    assert said.stderr.splitlines()[-1].startswith(f"hvae.errors.HvaeError: could not write {path}: File too large")
    assert read_checkpoint(path)["course"] == CONTENT["course"], "the earlier file stays"
