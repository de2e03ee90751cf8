"""What fits into memory is known before any of it is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvae import capacity
from hvae.config.vqvae import VQVAEConfig
from hvae.errors import HvaeError
from hvae.study.building import built


def test_more_memory_than_there_is_is_refused() -> None:
    capacity.check_memory(1 << 10, "x.npz")
    if capacity.free_memory() is not None:
        with pytest.raises(HvaeError, match=r"x.npz takes at least 1 EB of memory"):
            capacity.check_memory(10**18, "x.npz")


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    for name, text in {
        "memory.max": "1000",
        "memory.current": "700",
        "memory.stat": "anon 5\ninactive_file 50",
    }.items():
        (tmp_path / name).write_text(text)
    assert capacity._of_container(tmp_path) == 350
    (tmp_path / "memory.max").write_text("max")
    assert capacity._of_container(tmp_path) is None and capacity._of_container(tmp_path / "none") is None


@pytest.mark.parametrize("codebook", ["averages", "released"])
def test_codebooks_that_no_memory_holds_are_refused_before_it_is_taken(codebook: str) -> None:
    config = VQVAEConfig(codes=1 << 24, dims=10**6, width=4, hidden=4, blocks=1, codebook=codebook)
    with pytest.raises(HvaeError, match="other numbers takes at least"):
        built(config, (1, 8, 8), 4)
