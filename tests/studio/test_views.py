"""What the views of the studio answer, against the same from Python and from the shell."""

from __future__ import annotations

import io
import shlex
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from studio_requests import noise_png, unpacked

import hvae
from hvae.cli.main import main
from hvae.config.parse import read
from hvae.errors import HvaeError
from hvae.studio.asked import DrawAsked

Ask = Callable[..., Any]
CELLS = {"z2": [1, 1, 2], "z1": [7, 8, 9]}


def levels(pictures: torch.Tensor) -> np.ndarray[Any, Any]:
    """(N, 1, H, W) in [0, 1] as the page gets them, (N, H, W, 3)."""
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()


def same(got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> bool:
    """But for the last bit, which may depend on how many rows are walked at once."""
    return got.shape == wanted.shape and int(np.abs(got.astype(int) - wanted.astype(int)).max()) <= 1


def test_pictures_are_those_of_python(ask: Ask, runs: tuple[Path, Path]) -> None:
    reply = ask("draw", seeds=CELLS, temperature={"z1": 0.5})
    pictures = hvae.cells(hvae.load(runs[0]).model, CELLS, temperature={"z1": 0.5})
    assert same(reply.pictures["grid"][0], levels(pictures))
    scope: dict[str, Any] = {}
    exec(reply.info["python"], scope)
    assert torch.allclose(scope["pictures"], pictures, atol=1e-6)


def test_the_command_draws_the_same_pictures(ask: Ask, tmp_path: Path) -> None:
    reply = ask("draw", run=1, seeds=CELLS, temperature={"z2": 0.3, "z1": 1.0}, context={"label": "3,1,4"})
    words = shlex.split(reply.info["command"])
    assert main([*words[1:], "-o", str(tmp_path / "x.npy"), "--train.accelerator", "cpu"]) == 0
    assert same(reply.pictures["grid"][0], levels(torch.from_numpy(np.load(tmp_path / "x.npy"))))


def test_guidance_is_that_of_the_command(ask: Ask, tmp_path: Path) -> None:
    question = {"run": 1, "seeds": CELLS, "context": {"label": "3,1,4"}}
    reply = ask("draw", **question, guidance=4.0)
    assert not same(reply.pictures["grid"][0], ask("draw", **question).pictures["grid"][0])
    assert same(reply.pictures["grid"][0], ask("draw", **question, guidance=4.0, each=True).pictures["grid"][-1])
    words = shlex.split(reply.info["command"])
    assert main([*words[1:], "-o", str(tmp_path / "x.npy"), "--train.accelerator", "cpu"]) == 0
    assert same(reply.pictures["grid"][0], levels(torch.from_numpy(np.load(tmp_path / "x.npy"))))
    scope: dict[str, Any] = {}
    exec(reply.info["python"], scope)
    assert same(reply.pictures["grid"][0], levels(scope["pictures"]))
    refused = [{"guidance": -1.0}, {"guidance": 2.0, "context": {}}, {"guidance": 2.0, "run": 0, "context": {}}]
    assert [ask("draw", **{**question, **more}).status for more in refused] == [400] * 3


def test_a_cell_that_is_redrawn_changes_its_own_picture_alone(ask: Ask) -> None:
    before = ask("draw", seeds=CELLS).pictures["grid"][0]
    after = ask("draw", seeds={**CELLS, "z1": [7, 88, 9]}).pictures["grid"][0]
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert changed == [False, True, False]


def test_the_rows_of_the_levels_end_in_the_pictures_and_share_what_is_above(ask: Ask) -> None:
    rows = ask("draw", seeds=CELLS, each=True).pictures["grid"]
    assert rows.shape[:2] == (2, 3)
    assert same(rows[1], ask("draw", seeds=CELLS).pictures["grid"][0])
    # The first two pictures share the seed of the top level, and nothing else.
    assert np.array_equal(rows[0, 0], rows[0, 1]) and not np.array_equal(rows[1, 0], rows[1, 1])


def test_at_temperature_zero_seeds_do_not_matter(ask: Ask) -> None:
    cold = {"z2": 0.0, "z1": 0.0}
    (a, b, c) = ask("draw", seeds=CELLS, temperature=cold).pictures["grid"][0]
    assert np.array_equal(a, b) and np.array_equal(b, c)


def test_classes_are_heard(ask: Ask) -> None:
    seeds = {"z2": [1, 1], "z1": [2, 2]}
    a, b = ask("draw", run=1, seeds=seeds, context={"label": "0,9"}).pictures["grid"][0]
    assert not np.array_equal(a, b)
    assert ask("draw", run=1, seeds=seeds, context={"label": "0,99"}).status == 400
    assert ask("draw", run=1, seeds=seeds).status == 200, "a condition that is dropped in training may be left out"


def test_a_picture_is_measured_as_a_trace_does(ask: Ask, runs: tuple[Path, Path]) -> None:
    own = ask("own", split="test", place=3)
    info = ask("picture", picture=own.info["picture"]).info
    assert info["elbo"] == pytest.approx(info["log_likelihood"] - sum(info["rates"].values()), rel=1e-5)
    assert info["bits_per_dim"] == pytest.approx(-info["elbo"] / np.log(2) / 64, rel=1e-6)
    model = hvae.load(runs[0]).model
    x = torch.from_numpy(own.pictures["picture"][..., :1].astype(np.float32) / 255).permute(0, 3, 1, 2)
    x = (x * 15).round() / 15
    with torch.no_grad():
        traces = model(x.repeat(4000, 1, 1, 1))
    # One sample of the bound, whose rates are in closed form given the levels above.
    spread = float(traces.elbo().std())
    assert abs(info["elbo"] - float(traces.elbo().mean())) < 6 * spread
    assert info["rates"]["z2"] == pytest.approx(float(traces.rates()["z2"][0]), rel=1e-3)


def test_the_top_levels_grow_into_the_reconstruction(ask: Ask) -> None:
    reply = ask("picture", picture=ask("own", place=1).info["picture"])
    assert reply.info["counts"] == [0, 1, 2] and len(reply.pictures["tops"]) == 3
    other = ask("picture", picture=ask("own", place=2).info["picture"])
    assert np.array_equal(reply.pictures["tops"][0], other.pictures["tops"][0]), "no level knows nothing of the picture"
    assert len(reply.pictures["maps"]) == len(reply.info["maps"]) == 3


def test_a_file_comes_in_the_form_of_the_model(client: Any, ask: Ask) -> None:
    headers = {"content-type": "application/octet-stream"}
    answer = client.post("/api/upload?run=0", content=noise_png(40, 30), headers=headers)
    assert answer.status_code == 200
    info, pictures = unpacked(answer.content)
    assert pictures["picture"].shape == (1, 8, 8, 3) and "3x30x40" in info["notes"][0]
    assert ask("picture", picture=info["picture"]).status == 200
    for content in (b"", b"GIF89a", noise_png(40, 30)[:200], b"<svg/>", b"%PDF"):
        answer = client.post("/api/upload?run=0", content=content, headers=headers)
        assert answer.status_code == 400 and "cannot read the picture" in answer.json()["error"]
    for run in ("9", "-1", "x", "1" * 9):
        assert client.post(f"/api/upload?run={run}", content=noise_png(9, 9), headers=headers).status_code == 400


def test_what_of_a_file_is_not_used_is_said(client: Any) -> None:
    out = io.BytesIO()
    Image.new("L", (8, 8), 9).save(out, "GIF", save_all=True, append_images=[Image.new("L", (8, 8), 99)])
    answer = client.post("/api/upload", content=out.getvalue(), headers={"content-type": "application/octet-stream"})
    assert any("with further pages" in line for line in unpacked(answer.content)[0]["notes"])


def test_a_bomb_of_pixels_is_refused_before_it_is_decoded(client: Any) -> None:
    out = io.BytesIO()
    Image.new("1", (40_000, 40_000)).save(out, "PNG")
    answer = client.post("/api/upload", content=out.getvalue(), headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 400 and "pixels" in answer.json()["error"]


@pytest.mark.parametrize("picture", ["", "x", "AAAA", "!" * 88, "A" * 10_000, "/" * 86 + "8="])
def test_what_is_no_picture_of_the_model_is_a_line(ask: Ask, picture: str) -> None:
    reply = ask("picture", picture=picture)
    assert reply.status == 400 and reply.info["error"]


def test_scores_are_those_of_hvae_score(ask: Ask, runs: tuple[Path, Path]) -> None:
    own = ask("own", split="test", place=0)
    end = time.monotonic() + 300
    first = reply = ask("score", picture=own.info["picture"])
    assert first.status == 202 and "reading what is usual" in first.info["error"]
    while reply.status == 202:
        assert time.monotonic() < end
        time.sleep(0.1)
        reply = ask("score", picture=own.info["picture"])
    info = reply.info
    x = torch.from_numpy((own.pictures["picture"][..., 0].astype(np.float32) / 17).round() / 15)[:, None]
    scores = hvae.score(runs[0], x, normal=500, overrides={"train.accelerator": "cpu"})
    for name, one in info["scores"].items():
        assert one["score"] == pytest.approx(float(scores.scores[name][0]), rel=1e-3, abs=1e-3), name
        assert sum(one["counts"]) == info["data"]
    assert info["foreign"] == (scores.reasons[0] != "")


def test_a_mixture_of_one_end_is_that_picture(ask: Ask) -> None:
    a, b = (ask("own", place=place).info["picture"] for place in (0, 1))
    for share, which in ((0.0, 0), (1.0, 1)):
        reply = ask("mix", a=a, b=b, shares={"z2": share, "z1": share})
        mixture, alone = reply.pictures["mixture"], reply.pictures["alone"]
        assert same(mixture, alone[which : which + 1]) and not same(mixture, alone[1 - which :][:1])
    one, other = (ask("mix", a=a, b=b, shares={"z2": 0.0}, seeds={"z1": seed}).pictures["mixture"] for seed in (1, 2))
    again = ask("mix", a=a, b=b, shares={"z2": 0.0}, seeds={"z1": 1}).pictures["mixture"]
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert ask("mix", a=a, b=b, shares={"z2": 0.5, "z1": 0.5}, hold="offsets").status == 200
    assert ask("mix", a=a, b=b, shares={"z9": 0.5}).status == 400


def test_eight_pages_at_once_get_each_their_own(client: Any, ask: Ask) -> None:
    def one(page: int) -> bool:
        alone = {"z2": [page] * 2, "z1": [page + 100, page + 200]}
        got = [ask("draw", run=page % 2, seeds=alone).pictures["grid"] for _ in range(5)]
        return all(np.array_equal(got[0], again) for again in got) and same(got[0][0], wanted[page])

    seeds = [{"z2": [page] * 2, "z1": [page + 100, page + 200]} for page in range(8)]
    wanted = [ask("draw", run=page % 2, seeds=some).pictures["grid"][0] for page, some in enumerate(seeds)]
    assert len({picture.tobytes() for picture in wanted}) == 8
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(8)))


def test_the_runs_are_described(client: Any) -> None:
    plain, told = client.get("/api/runs").json()["runs"]
    assert [level["name"] for level in plain["levels"]] == ["z2", "z1"] and plain["levels"][0]["shape"] == [2, 4, 4]
    assert plain["conditions"] == [] and told["conditions"][0]["classes"] == 10


def test_a_question_of_more_levels_than_any_model_has_is_not_read() -> None:
    seeds = {f"q{k}": [1] * 33 for k in range(2001)}
    with pytest.raises(HvaeError, match="seeds: expected 0 to 2,000 entries"):
        read(DrawAsked, {"seeds": seeds})


def test_a_mask_of_the_page_is_called_one(ask: Ask) -> None:
    picture = ask("own", split="test", place=0).info["picture"]
    for bits, line in (("AAAAAAAAAAA=", "the mask hides nothing"), ("//////////8=", "the mask hides everything")):
        reply = ask("restore", picture=picture, hidden=bits)
        assert reply.status == 400 and reply.info["error"].startswith(line)
