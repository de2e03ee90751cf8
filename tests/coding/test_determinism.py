"""What is promised of other circumstances: threads, batches, processes, instruction sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from processes import finished
from tiny_codecs import drawings, tiny, tiny_model

from hvae.coding import Codec, Settings, read
from hvae.coding.lossless import block as blocks
from hvae.coding.lossless.coder import fingerprint

HERE = Path(__file__).parent
ELSEWHERE = """
import sys
import numpy as np, torch
from pathlib import Path
from tiny_codecs import tiny_model
from hvae.coding import Codec, read
from hvae.weights import load_weights
place, kind, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
torch.set_num_threads(threads)
model = tiny_model(kind)
model.load_state_dict(load_weights(place / f"{kind}.safetensors")[0])
file = read((place / f"{kind}-v1.hvz").read_bytes())
found = np.stack([p.levels for p in Codec(model, bits=file.header.bits).decompress(file)])
assert np.array_equal(found, np.load(place / f"{kind}.npy"))
print("the same", torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
"""
GOLDEN = HERE.parent / "fixtures" / "coding"


@pytest.mark.parametrize(("capability", "threads"), [("default", 2), ("avx2", 1)])
def test_another_process_another_instruction_set(capability: str, threads: int) -> None:
    """The golden file of a convolutional model of colour, whose arithmetic differs in the last bits."""
    # The last asks the matrix library for the code of the oldest processors too.
    told = {"ATEN_CPU_CAPABILITY": capability, "OMP_NUM_THREADS": str(threads)}
    told |= {"MKL_CBWR": "COMPATIBLE"} if capability == "default" else {}
    done = finished("-c", ELSEWHERE, GOLDEN, "colour", threads, environment=told)
    assert done.stdout.startswith("the same"), done.stderr
    assert capability != "default" or "DEFAULT" in done.stdout  # else the setting was not heard


@pytest.mark.parametrize("kind", ["vae", "chain", "colour"])
def test_threads_do_not_count(kind: str) -> None:
    codec, before = tiny(kind), torch.get_num_threads()
    tiles = np.stack([p.levels for p in drawings(40, codec.shape)])
    coder = codec.coder(codec.calibrate(tiles[:16]))
    found = set()
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            found.add((fingerprint(coder), blocks.encode(coder, tiles)[0]))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize("kind", ["vae", "chain"])
@pytest.mark.parametrize("rows", [1, 2, 16, 64])
def test_any_number_of_rows_decodes(kind: str, rows: int) -> None:
    """How many rows were walked at once is in the file: the reader needs no setting."""
    pictures = drawings(150)
    content = tiny(kind).compress(pictures, Settings(rows=rows)).content
    back = tiny(kind).decompress(read(content))
    assert all(np.array_equal(a.levels, b.levels) for a, b in zip(pictures, back, strict=True))


def test_training_mode_autocast_and_gradients_do_not_count() -> None:
    model, pictures = tiny_model("vae"), drawings(100)
    plain = Codec(model, bits=1).compress(pictures).content
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.enable_grad():
        assert Codec(model.train(), bits=1).compress(pictures).content == plain


def test_single_precision_weights_give_the_file_of_their_double_copy() -> None:
    """The identity is that of the weights as they were given; the arithmetic is always double."""
    pictures = drawings(100)
    single, double = Codec(tiny_model("vae"), bits=1), Codec(tiny_model("vae").double(), bits=1)
    a, b = single.compress(pictures).content, double.compress(pictures).content
    assert read(a).payloads == read(b).payloads
    assert read(a).header.probabilities == read(b).header.probabilities
