"""Golden files: written once, they must decode for ever, on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_codecs import tiny_model

from hvae.coding import Codec, read
from hvae.weights import load_weights

PLACE = Path(__file__).parents[1] / "fixtures" / "coding"
ORDERS = {"vae": 0, "chain": 1, "colour": 0}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind", list(ORDERS))
def test_golden_files_decode(kind: str, version: int) -> None:
    model = tiny_model(kind)
    model.load_state_dict(load_weights(PLACE / f"{kind}.safetensors")[0])
    file = read((PLACE / f"{kind}-v{version}.hvz").read_bytes())
    assert file.header.order == ORDERS[kind]
    pictures = Codec(model, bits=file.header.bits).decompress(file)
    assert np.array_equal(np.stack([p.levels for p in pictures]), np.load(PLACE / f"{kind}.npy"))
