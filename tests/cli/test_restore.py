"""hvae restore: gaps filled, noise taken out, pictures enlarged and coloured; what cannot be is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hvae
from hvae import capacity
from hvae.data import load
from hvae.errors import HvaeError
from hvae.restoration import VIEWS

Command = Callable[..., Any]
FILES = {"draws.npy", "mean.npy", "deviation.npy", "best.npy", "observed.npy", "restoration.json", "sheet.png"}
FEW = ("-n", 3, "--draws", 2)
QUICK = (*FEW, "--steps", 3)
WORK = {"refine": ("--steps", 3), "gibbs": ("--sweeps", 2), "metropolis": ("--sweeps", 2)}


@pytest.mark.parametrize("way", ["refine", "gibbs", "metropolis"])
def test_what_is_seen_agrees_exactly(way: str, run: Path, tmp_path: Path, command: Command) -> None:
    words = ("--task", "inpaint", "--mask", "2,0,3,8", "--way", way)
    said = command("restore", run, "test", *words, *FEW, *WORK[way], "--out", tmp_path / "out", "--json")
    assert said.code == 0, said.err
    assert said.json["number"] == 3 and said.json["psnr"]["mean"] > 0
    assert {path.name for path in (tmp_path / "out").iterdir()} >= FILES
    draws, seen = (np.load(tmp_path / "out" / f"{name}.npy") for name in ("draws", "observed"))
    hidden = np.zeros((8, 8), bool)
    hidden[:, 2:5] = True
    assert draws.shape == (3, 2, 1, 8, 8) and (np.isnan(seen) == hidden).all()
    assert (draws[..., ~hidden] == seen[:, None][..., ~hidden]).all()
    assert (draws[:, 0][..., hidden] != draws[:, 1][..., hidden]).any()
    np.testing.assert_allclose(np.load(tmp_path / "out" / "mean.npy"), draws.mean(1), atol=1e-6)


def test_a_seed_gives_the_same_draws(run: Path) -> None:
    def drawn(seed: int, **options: Any) -> torch.Tensor:
        asked = {"task": "impute", "mask": "0.5", "number": 2, "draws": 2, "steps": 2}
        return hvae.restore(run, "test", seed=seed, **asked, **options).draws

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
    levels = drawn(1, pixels=True) * 15
    assert torch.equal(levels.round() / 15, levels / 15)


def test_grey_pictures_without_an_axis_for_their_channel_are_restored(run: Path, tmp_path: Path) -> None:
    x = load(hvae.load(run).config.data).test.pictures(range(2))[:, 0]
    gaps = x.clone()
    gaps[:, 3:] = torch.nan
    np.save(tmp_path / "gaps.npy", gaps.numpy())
    options: dict[str, Any] = {"draws": 1, "steps": 1, "seed": 0}
    impute, noisy = {"task": "impute", **options}, {"task": "denoise", "noise": "0.1", **options}
    np.save(tmp_path / "between.npy", gaps.numpy() * 0.97)  # a file of floats is rounded to the levels of the run
    for given, asked in (
        (tmp_path / "gaps.npy", impute),
        (tmp_path / "between.npy", impute),
        (gaps, impute),
        (x, noisy),
    ):
        assert hvae.restore(run, given, **asked).draws.shape == (2, 1, 1, 8, 8)
    with pytest.raises(HvaeError, match="expected at least one picture to restore, got none"):
        hvae.restore(run, x[:0], **noisy)


def test_what_is_done_to_pictures_before_they_are_enlarged_is_said(run: Path, tmp_path: Path, command: Command) -> None:
    Image.fromarray(np.zeros((13, 7, 3), np.uint8)).save(tmp_path / "wide.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "small.png")
    words = ("--task", "superres", "--factor", 2, "--draws", 1, "--steps", 1)
    for name, line in {"wide": "1 image of 3x13x7, 8 bits, brought to 1x4x4, 8 bits (", "small": ""}.items():
        said = command("restore", run, tmp_path / f"{name}.png", *words, "--out", tmp_path / name)
        assert said.code == 0 and line in said.err and ("brought to" in said.err) == bool(line), said.err


def test_a_brush_without_white_says_what_it_has(run: Path, tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[:, 4:, 0] = 255
    Image.fromarray(red).save(tmp_path / "red.png")
    with pytest.raises(HvaeError, match=r"hides nothing: expected white in .*red.png .* nothing lighter than 30 % of"):
        hvae.restore(run, "test", task="inpaint", mask=tmp_path / "red.png")


def test_numbers_that_are_missing_are_imputed(run: Path, tmp_path: Path, command: Command) -> None:
    loaded = hvae.load(run)
    x = load(loaded.config.data).test.pictures(range(4)).numpy()
    x[:, :, 3:] = np.nan
    np.save(tmp_path / "gaps.npy", x)
    said = command(
        "restore", run, tmp_path / "gaps.npy", "--task", "impute", *QUICK, "--out", tmp_path / "out", "--json"
    )
    assert said.json["psnr"] is None and said.json["number"] == 3, said.err
    best = np.load(tmp_path / "out" / "best.npy")
    np.testing.assert_allclose(best[:, :, :3], x[:3, :, :3], atol=1e-7)
    assert np.isfinite(best).all()


def test_floats_of_a_file_are_brought_to_levels_with_gaps_or_without(run: Path, tmp_path: Path) -> None:
    """As the same numbers in memory are not: there they are refused."""
    x = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    gaps = np.where(np.arange(8) < 3, x, np.nan).astype(np.float32)
    for name, array in (("whole", x), ("gaps", gaps)):
        np.save(tmp_path / f"{name}.npy", array)
    quick: dict[str, Any] = {"task": "impute", "draws": 2, "steps": 2}
    filled = hvae.restore(run, tmp_path / "gaps.npy", **quick).best[..., :3]
    whole = hvae.restore(run, tmp_path / "whole.npy", mask="3,0,5,8", **quick).best[..., :3]
    assert torch.equal(filled, whole)
    np.testing.assert_allclose(filled, np.rint(x * 15)[..., :3] / 15, atol=1e-6)
    with pytest.raises(HvaeError, match="got some between them in the Tensor"):
        hvae.restore(run, gaps, **quick)


def test_a_run_on_incomplete_data_counts_what_is_there_and_fills_the_rest(tmp_path: Path, command: Command) -> None:
    """Trained, evaluated (by the MIWAE bound) and imputed from one array with NaN; a codec refuses it."""
    x = load(hvae.RunConfig().data).train.pictures(range(60)).numpy()
    x[np.random.default_rng(0).random(x.shape) < 0.25] = np.nan
    np.savez(tmp_path / "gaps.npz", train=x[:50], test=x[50:])
    words = ("--data.bits", 4, "--data.valid", 5, "--train.steps", 3, "--evaluate.samples", 2, "--model.groups", "1")
    trained = command("train", "arrays", "--data.path", tmp_path / "gaps.npz", *words, "--out", tmp_path / "run")
    assert trained.code == 0, trained.err
    assert "MIWAE" in trained.out + trained.err + (tmp_path / "run" / "report.html").read_text()
    evaluated = command("evaluate", tmp_path / "run", "--json").json["likelihood"]
    known = float((~np.isnan(x[50:])).mean())
    assert evaluated["missing"] == pytest.approx(1 - known, abs=1e-6) and evaluated["dims"] == round(64 * known)
    for source in ("test", tmp_path / "gaps.npz"):
        out = tmp_path / f"out-{Path(source).stem}"
        said = command("restore", tmp_path / "run", source, "--task", "impute", *QUICK, "--out", out, "--json")
        assert said.code == 0 and said.json["psnr"] is None, said.err
        best, seen = (np.load(out / f"{name}.npy") for name in ("best", "observed"))
        assert np.isfinite(best).all() and np.isnan(seen).any() and (best == seen)[~np.isnan(seen)].all()
    refused = command("compress", tmp_path / "run", "test", tmp_path / "a.hvz")
    assert refused.code == 2 and "a codec needs all" in refused.err and not (tmp_path / "a.hvz").exists()


def test_a_brush_hides_what_is_white(run: Path, tmp_path: Path, command: Command) -> None:
    hidden = np.eye(8, dtype=bool)
    Image.fromarray(hidden).save(tmp_path / "brush.png")
    words = ("--task", "inpaint", "--mask", tmp_path / "brush.png", *QUICK)
    said = command("restore", run, "test", *words, "--out", tmp_path / "out")
    assert said.code == 0 and "PSNR in dB against the pictures as given: before" in said.out + said.err
    assert (np.isnan(np.load(tmp_path / "out" / "observed.npy")) == hidden).all()


def test_noise_is_taken_out_of_pictures_and_of_floats(run: Path, tmp_path: Path, command: Command) -> None:
    words = ("--task", "denoise", "--noise", "25/255", *QUICK)
    made = command("restore", run, "test", *words, "--degrade", "--out", tmp_path / "made", "--json").json
    noisy = np.load(tmp_path / "made" / "observed.npy")
    # 20 dB are a tenth of the range: 25 / 255 is 20.17.
    assert abs(made["psnr"]["before"] - 20.17) < 1.5 and noisy.min() < 0
    np.save(tmp_path / "noisy.npy", noisy)
    assert command("restore", run, tmp_path / "noisy.npy", *words, "--out", tmp_path / "floats").code == 0
    np.testing.assert_array_equal(*(np.load(tmp_path / name / "draws.npy") for name in ("made", "floats")))


def test_a_run_that_has_learnt_from_noise_shows_its_means(run: Path) -> None:
    noisy = torch.rand(3, 1, 8, 8)
    restored = hvae.restore(run, noisy, task="denoise", noise="own", steps=0, draws=3)
    assert restored.passes == 3 and restored.draws.shape == (3, 3, 1, 8, 8) and restored.errors() == {}


@pytest.fixture(scope="module")
def noisy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has seen nothing but noise, of its kind."""
    model = {"family": "ladder", "likelihood": "noise", "groups": (1,), "width": 4, "latent": 2}
    config = hvae.RunConfig.from_dict({"model": model, "data": {"name": "digits", "bits": 4}, "train": {"steps": 2}})
    folder = tmp_path_factory.mktemp("noise") / "run"
    hvae.train(config, out=folder)
    return folder


def test_a_run_under_noise_needs_no_word_of_it_and_no_steps(noisy_run: Path, tmp_path: Path, command: Command) -> None:
    np.save(tmp_path / "noisy.npy", np.random.default_rng(0).random((3, 1, 8, 8), np.float32))
    words = (noisy_run, tmp_path / "noisy.npy", "--task", "denoise", "--draws", 5, "--json")
    said = command("restore", *words, "--out", tmp_path / "out")
    assert said.code == 0 and said.json["passes"] == 5 and said.json["draws"] == 5, said.err
    told = command("restore", *words, "--noise", "own", "--steps", 0, "--out", tmp_path / "told")
    assert told.code == 0
    np.testing.assert_array_equal(*(np.load(tmp_path / name / "draws.npy") for name in ("out", "told")))


def test_one_picture_of_any_size_is_restored_in_tiles(noisy_run: Path, tmp_path: Path, command: Command) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (23, 14), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "large.png")
    words = ("--task", "denoise", "--draws", 3, "--out", tmp_path / "out", "--json")
    said = command("restore", noisy_run, tmp_path / "large.png", *words)
    assert said.code == 0 and said.json["number"] == 1, said.err
    draws, seen = (np.load(tmp_path / "out" / f"{name}.npy") for name in ("draws", "observed"))
    assert draws.shape == (1, 3, 1, 23, 14) and np.isfinite(draws).all()
    np.testing.assert_allclose(seen[0, 0], grey / 255, atol=1e-6)
    with Image.open(tmp_path / "out" / "pictures" / "0000.png") as picture:
        assert picture.size == (14, 23)


def test_a_stack_is_restored_page_by_page(noisy_run: Path, tmp_path: Path, command: Command) -> None:
    pages = np.random.default_rng(0).integers(0, 255, (4, 9, 12), dtype=np.uint8)
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(tmp_path / "stack.tif", save_all=True, append_images=rest)
    words = ("--task", "denoise", "--draws", 2, "--json")
    said = command("restore", noisy_run, tmp_path / "stack.tif", *words, "--out", tmp_path / "out")
    assert said.code == 0 and said.json["number"] == 4, said.err
    np.testing.assert_allclose(np.load(tmp_path / "out" / "observed.npy")[:, 0], pages / 255, atol=1e-6)
    some = command("restore", noisy_run, tmp_path / "stack.tif", *words, "-n", 3, "--out", tmp_path / "some")
    assert some.json["number"] == 3 and "the first 3 of 4 pictures" in some.err
    assert np.load(tmp_path / "some" / "mean.npy").shape == (3, 1, 9, 12)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (8, 21), (5, 6)])
@pytest.mark.parametrize("views", [2, 4, 8])
def test_of_a_turned_picture_the_restoration_is_the_turned_one(
    noisy_run: Path, size: tuple[int, int], views: int
) -> None:
    """To rounding, for pictures of the model's size, larger ones in tiles and smaller ones; of one view it is not."""
    noisy = torch.rand(3, 1, *size, generator=torch.Generator().manual_seed(0))

    def mean(x: torch.Tensor, views: int) -> torch.Tensor:
        return hvae.restore(noisy_run, x, task="denoise", draws=8, views=views).mean

    expected, plain = mean(noisy, views), mean(noisy, 1)
    for view in VIEWS[1:views]:
        torch.testing.assert_close(mean(view(noisy), views), view(expected), atol=1e-5, rtol=0)
        assert float((mean(view(noisy), 1) - view(plain)).abs().max()) > 1e-3
    assert float((mean(noisy.rot90(1, (2, 3)), 2) - mean(noisy, 2).rot90(1, (2, 3))).abs().max()) > 1e-3


def test_draws_are_spread_over_the_views(run: Path) -> None:
    """Each is that of one view with the same noise, the picture as it is first; the noise may be of a known size."""
    noisy = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))

    def restored(x: torch.Tensor, **options: int) -> hvae.Restoration:
        return hvae.restore(run, x, task="denoise", noise=0.1, steps=2, **options)

    four = restored(noisy, views=4, draws=8)
    assert four.draws.shape == (2, 8, 1, 8, 8) and four.passes == 4 * (3 + 2) + 8
    for i, view in enumerate(VIEWS[:4]):
        alone = restored(view(noisy), draws=2)
        torch.testing.assert_close(four.draws[:, i::4], view.back(alone.draws))
        torch.testing.assert_close(four.restored.joint[:, i::4], alone.restored.joint)
    assert four.to_dict()["views"] == 4


def test_pictures_that_are_not_square_have_four_views(tmp_path: Path, command: Command) -> None:
    model = {"family": "ladder", "likelihood": "noise", "groups": (1,), "width": 4, "latent": 2}
    np.save(tmp_path / "wide.npy", np.random.default_rng(0).integers(0, 16, (60, 6, 10), dtype=np.uint8))
    data = {"name": "npy", "path": str(tmp_path / "wide.npy"), "bits": 4}
    config = hvae.RunConfig.from_dict({"model": model, "data": data, "train": {"steps": 2}})
    hvae.train(config, out=tmp_path / "run")
    noisy = torch.rand(2, 1, 6, 10)
    np.save(tmp_path / "noisy.npy", noisy.numpy())
    words = ("restore", tmp_path / "run", tmp_path / "noisy.npy", "--task", "denoise", "--out", tmp_path / "out")
    said = command(*words, "--views", 8)
    assert said.code == 2 and "--views 8 turns by quarters, and the model's pictures are 10 x 6" in said.err
    assert not (tmp_path / "out").exists()
    assert command(*words, "--views", 4).code == 0
    mean = torch.from_numpy(np.load(tmp_path / "out" / "mean.npy"))
    turned = hvae.restore(tmp_path / "run", noisy.rot90(2, (2, 3)), task="denoise", views=4).mean
    torch.testing.assert_close(turned.rot90(2, (2, 3)), mean, atol=1e-5, rtol=0)


def test_a_picture_without_an_error_is_json(run: Path, tmp_path: Path, command: Command) -> None:
    np.save(tmp_path / "black.npy", np.zeros((2, 1, 8, 8), np.float32))
    words = ("--task", "inpaint", "--mask", "0.5", *QUICK, "--out", tmp_path / "out", "--json")
    said = command("restore", run, tmp_path / "black.npy", *words)
    assert said.code == 0 and said.json["psnr"]["before"] is None, said.err


def test_small_pictures_are_enlarged(run: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "small").mkdir()
    grey = np.random.default_rng(0).integers(0, 255, (4, 4), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "small" / "a.png")
    words = ("--task", "superres", "--factor", 2, *QUICK, "--out", tmp_path / "out")
    assert command("restore", run, tmp_path / "small", *words).code == 0
    np.testing.assert_allclose(np.load(tmp_path / "out" / "observed.npy")[0, 0], grey / 255, atol=1e-6)
    boxes = np.load(tmp_path / "out" / "mean.npy").reshape(4, 2, 4, 2).mean((1, 3))
    assert abs(boxes - grey / 255).mean() < 0.5


REFUSED = {
    "test --task inpant": "no task named 'inpant'; did you mean 'inpaint'?",
    "test --task inpaint": "--task inpaint needs what is hidden: give --mask x,y,w,h (a box)",
    "test --task inpaint --mask 0,0,8,8": "--mask hides everything: nothing is seen to restore it from",
    "test --task inpaint --mask 6,0,3,8": "expected a box x,y,w,h of whole pixels within 8 x 8, got 6,0,3,8",
    "test --task inpaint --mask 1,2,3": "--mask: expected x,y,w,h (a box), a share between 0 and 1, or",
    "test --task inpaint --mask 0.001": "--mask hides nothing: there is nothing to restore",
    "test --task inpaint --mask 1.5": "--mask: expected a share above 0 and below 1, got 1.5",
    "test --task inpaint --mask small.png": "expected a picture of 8 x 8, the size of the model's, got small.png",
    "test --task inpaint --mask black.png": "--mask hides nothing",
    "test --task inpaint --mask 0.5 --noise 1": "--noise is not for inpaint, which takes --mask",
    "test --task inpaint --mask 0.5 --way gips": "no way named 'gips'; did you mean 'gibbs'?",
    "test --task inpaint --mask 0.5 --sweeps 2": "--way refine works by --steps; leave --sweeps out",
    "test --task inpaint --mask 0.5 --way gibbs --steps 2": "--way gibbs works by --sweeps; leave --steps out",
    "test --task denoise": "--task denoise needs the standard deviation of the noise",
    "test --task denoise --noise 0.1": "the run's own test data are whole; add --degrade",
    "test --task denoise --noise -1 --degrade": "--noise: expected a standard deviation above 0",
    "test --task denoise --noise 25 --degrade": "got 25; of pictures of 8 bits write 25/255",
    "test --task inpaint --mask nowhere.png": "got 'nowhere.png', where no file is",
    "test --task denoise --noise nan --degrade": "--noise: expected a standard deviation above 0",
    "test --task denoise --noise loud --degrade": "--noise: expected a number, a fraction such as 25/255, or own",
    "test --task denoise --noise own --degrade": "--degrade needs noise of a known size",
    "test --task denoise --noise 1 --degrade --way gibbs": "--way gibbs is for inpaint and impute; for denoise leave",
    "test --task superres --degrade": "--task superres needs how many times as large: --factor 2",
    "test --task superres --factor 3 --degrade": "--factor: expected 2 or more that divides the model's 8 x 8, got 3",
    "test --task colour --degrade": "--task colour needs a run of colour pictures, got one of shape (1, 8, 8)",
    "nan.npy --task denoise --noise 0.1": "expected finite numbers, got NaN; missing numbers are for --task impute",
    "inf.npy --task denoise --noise 0.1": "expected finite numbers, got NaN; missing numbers are for --task impute",
    "inf.npy --task impute": "expected finite numbers, got infinite ones; mend or take them out",
    "gaps.npy --task impute": "expected what is seen of shape (N, 1, 8, 8), got (2, 1, 8, 9); bring it to that shape",
    "wide.npy --task superres --factor 2": "expected what is seen of shape (N, 1, 4, 4), got (2, 1, 8, 9)",
    "two.npy --task denoise --noise 0.1": "expected what is seen of shape (N, 1, any, any), got (2, 2, 8, 8)",
    "sizes --task denoise --noise 0.1": "expected pictures of one size, got",
    "text.png --task denoise --noise 0.1": "text.png",
    "black.png --task denoise --noise -0.1": "--noise: expected a standard deviation above 0",
    "nan.npy --task impute": "what is missing hides everything: nothing is seen",
    "one.npy --task impute": "what is missing hides everything of picture 2 of 2",
    "test --task inpaint --mask inf,0,1,1": "expected a box x,y,w,h of whole pixels within 8 x 8, got inf,0,1,1",
    "test --task inpaint --mask 0,nan,1,1": "expected a box x,y,w,h of whole pixels within 8 x 8, got 0,nan,1,1",
    "test --task inpaint --mask 0,0,0.5,1": "expected a box x,y,w,h of whole pixels within 8 x 8, got 0,0,0.5,1",
    "test --task inpaint --mask floats.tif": "it holds floats; save it with 8 bits a pixel",
    "test --task inpaint --mask dark.png": "--mask hides nothing",
    "test --task inpaint --mask 0.5 --train.lr 1": "--train.lr is not for restore",
    "test --task denoise --noise 0.1 --degrade --views 3": "--views: expected one of 1, 2, 4, 8, got 3",
    "test --task denoise --noise 0.1 --degrade --views 4 --draws 6": "--draws: expected a multiple of --views 4, got 6",
    "test --task inpaint --mask 0.5 --views 2": "--views is for --task denoise of pictures, got inpaint of",
    "test --task inpaint --mask 0.5 --draws 1e6": "draws of 16 pictures takes at least",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_one_line(
    words: str, run: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(capacity, "free_memory", lambda: 1 << 30)
    Image.fromarray(np.full((6, 4), 255, np.uint8)).save("small.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("black.png")
    np.save("nan.npy", np.full((2, 1, 8, 8), np.nan, np.float32))
    Image.fromarray(np.full((8, 8), 0.9, np.float32)).save("floats.tif")
    Image.fromarray(np.full((8, 8), 300, np.uint16)).save("dark.png")
    np.save("one.npy", np.stack([np.zeros((1, 8, 8), np.float32), np.full((1, 8, 8), np.nan, np.float32)]))
    np.save("inf.npy", np.where(np.eye(8), np.nan, [[np.inf], *[[0.0]] * 7])[None, None].astype(np.float32))
    np.save("wide.npy", np.zeros((2, 1, 8, 9), np.float32))
    np.save("gaps.npy", np.where(np.eye(8, 9), np.nan, np.zeros((2, 1, 8, 9))))
    np.save("two.npy", np.zeros((2, 2, 8, 8), np.float32))
    Path("sizes").mkdir()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save("sizes/a.png")
    Image.fromarray(np.zeros((9, 8), np.uint8)).save("sizes/b.png")
    Path("text.png").write_text("no picture")
    before = {path.name for path in tmp_path.iterdir()}
    said = command("restore", run, *words.split(), "--out", "out")
    assert said.code == 2 and REFUSED[words] in said.err and said.err.count("\n") == 1, said.err
    assert {path.name for path in tmp_path.iterdir()} == before


def test_from_python_a_mask_is_an_array(run: Path) -> None:
    mask = torch.zeros(1, 8, 8).bool()
    mask[:, :, 4:] = True
    found = hvae.restore(run, "test", task="inpaint", mask=mask, number=2, draws=2, steps=2)
    truth = found.target.truth
    assert truth is not None and torch.equal(found.best[..., :4], truth[..., :4])
    assert json.loads(json.dumps(found.to_dict()))["way"] == "refine"
    with pytest.raises(HvaeError, match="expected bool that broadcasts"):
        hvae.restore(run, "test", task="inpaint", mask=torch.ones(3, 3).bool(), number=2)
    with pytest.raises(HvaeError, match="everything of picture 2 of 2"):
        hidden = torch.stack([mask, torch.ones_like(mask)])
        hvae.restore(run, "test", task="inpaint", mask=hidden, number=2)


def test_inference_that_has_learnt_to_read_a_part(run: Path, tmp_path: Path, command: Command) -> None:
    """Its generation is that of the run it is taught by, to the last bit; a run that was not taught is refused."""
    words = ("--task", "inpaint", "--mask", "2,0,3,8", "--way", "partial", *QUICK)
    refused = command("restore", run, "test", *words, "--out", tmp_path / "none")
    assert refused.code == 2 and "--objective.kind matching" in refused.err and not (tmp_path / "none").exists()
    advised = refused.err.split("teach it first: hvae ")[1].split(" --out PARTIAL")[0].split()
    quick = ("--train.steps", 3, "--evaluate.measures", "activity", "--evaluate.limit", 10)
    said = command(*advised, *quick, "--out", tmp_path / "partial")
    assert said.code == 0, said.err
    old, new = (dict(hvae.load(folder).model.named_parameters()) for folder in (run, tmp_path / "partial"))
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved and all(name.startswith("bottom_up") or ".posterior." in name for name in moved)
    passes, draws = {}, {}
    for steps in (0, 4):
        out = tmp_path / f"out{steps}"
        said = command("restore", tmp_path / "partial", "test", *words, "--steps", steps, "--out", out, "--json")
        assert said.code == 0 and said.json["number"] == 3, said.err
        passes[steps], draws[steps] = said.json["passes"], np.load(out / "draws.npy")
    assert passes[4] == passes[0] + 4 and not np.array_equal(draws[0], draws[4])  # refined from where it is


def test_a_table_with_gaps_comes_back_filled(tmp_path: Path, command: Command) -> None:
    """Known cells as they were written, the others in the units of their columns; other columns are refused."""
    random = np.random.default_rng(0)
    rows = [f"{a:.2f},{2 * a + 50:.3f}" if i % 4 else f"{a:.2f}," for i, a in enumerate(random.normal(size=60))]
    (tmp_path / "old.csv").write_text("a,b\n" + "\n".join(rows))
    keys = ("--data.path", tmp_path / "old.csv", "--train.steps", 3, "--model.widths", 8, "--evaluate.samples", 2)
    run = tmp_path / "run"
    said = command("train", "table", *keys, "--objective.samples", 2, "--out", run)
    assert said.code == 0, said.err
    (tmp_path / "new.csv").write_text("a,b\n0.10,\n,51\n9,52.0\n")
    words = ("--task", "impute", "--steps", 2, "--draws", 2)
    said = command("restore", run, tmp_path / "new.csv", *words, "--out", tmp_path / "out")
    assert said.code == 0 and "1 number beyond the range" in said.err, said.err
    head, *cells = [line.split(",") for line in (tmp_path / "out" / "table.csv").read_text().splitlines()]
    assert head == ["a", "b"] and [cells[0][0], cells[1][1], cells[2]] == ["0.10", "51", ["9", "52.0"]]
    assert 40 < float(cells[0][1]) < 60 and -4 < float(cells[1][0]) < 4
    for text, line in (
        ("a,c\n1,\n", "expected a column 'b', got none"),
        ("b,a\nred,\n", "row 1: expected a number, or an empty cell, got 'red'"),
        ("a,b\n,\n", "nothing is seen"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        said = command("restore", run, tmp_path / "bad.csv", *words, "--out", tmp_path / "none")
        assert said.code == 2 and line in said.err and not (tmp_path / "none").exists(), said.err


def test_a_run_of_pictures_takes_no_table(run: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "some.csv").write_text("a,b\n1,\n")
    said = command("restore", run, tmp_path / "some.csv", "--task", "impute", "--out", tmp_path / "none")
    assert said.code == 2 and "was not trained on a table" in said.err and said.err.count("\n") == 1
