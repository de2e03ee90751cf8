"""Codebooks: the nearest code, how codes follow their vectors, dead codes, and the recorded cases of public code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hvae.errors import HvaeError
from hvae.nn import codebook
from hvae.nn.averages import AveragedBook, LivingBook, perplexity, smoothed, unit_means
from hvae.nn.begin import initialise
from hvae.nn.codebook import LatticeBook, LearnedBook, nearest, rotated, rows_of, straight_through

CASE = Path(__file__).parents[3] / "shared/parity/next/vq_lucidrains/vq_lucidrains.npz"


def step(book: AveragedBook, z: torch.Tensor) -> None:
    book.train().forget()
    book(z)
    book.follow()


def clusters(sizes: list[int], spread: float = 0.01) -> torch.Tensor:
    """Vectors (1, 2, N) around places that are 10 apart."""
    rows = [torch.tensor([10.0 * k, 0.0]) + spread * torch.randn(n, 2) for k, n in enumerate(sizes)]
    return torch.cat(rows).double().t()[None]


def test_nearest_is_what_all_distances_say(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    vectors, codes = torch.randn(101, 6, dtype=torch.float64), torch.randn(17, 6, dtype=torch.float64)
    wanted = (vectors[:, None] - codes).norm(dim=2).argmin(1)
    assert torch.equal(nearest(vectors, codes), wanted)
    monkeypatch.setattr(codebook, "ENTRIES", 3 * len(codes))  # three rows at a time
    assert torch.equal(nearest(vectors, codes), wanted)


def test_distances_are_never_one_tensor_of_all_numbers() -> None:
    """2^16 vectors, 2^10 codes of 64 numbers: all differences would be 16 GiB, all distances 256 MiB."""
    shapes: list[int] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = function(*args, **(kwargs or {}))
            shapes.extend(t.numel() for t in (out if isinstance(out, (list, tuple)) else [out]) if torch.is_tensor(t))
            return out

    with Watch():
        nearest(torch.zeros(1 << 16, 64), torch.zeros(1 << 10, 64))
    assert max(shapes) <= max(codebook.ENTRIES, (1 << 16) * 64)


def test_the_fixed_point_is_the_mean_of_the_cluster() -> None:
    torch.manual_seed(0)
    z, book = clusters([7, 5, 1]), AveragedBook(3, 2).double()
    book.codes.copy_(torch.tensor([[1.0, 0.0], [12.0, 1.0], [19.0, 0.0]]))
    step(book, z)
    wanted = torch.stack([part.mean(1) for part in z[0].split([7, 5, 1], 1)])
    torch.testing.assert_close(book.codes, wanted, atol=1e-12, rtol=0)  # from the first step on: nothing is biased
    for _ in range(5):
        step(book, z)
    torch.testing.assert_close(book.codes, wanted, atol=1e-12, rtol=0)


def test_means_are_weighted_by_age() -> None:
    book = AveragedBook(1, 1, decay=0.9).double()
    for value in (1.0, 2.0, 4.0):
        step(book, torch.full((1, 1, 3), value, dtype=torch.float64))
    weights = torch.tensor([0.81, 0.9, 1.0], dtype=torch.float64)
    assert book.codes.item() == pytest.approx(float(weights @ torch.tensor([1.0, 2.0, 4.0]).double() / weights.sum()))


def test_codes_without_vectors_stay_for_ever() -> None:
    book = AveragedBook(2, 2).double()
    book.codes.copy_(torch.tensor([[0.0, 0.0], [99.0, 99.0]]))
    for _ in range(3000):
        step(book, torch.zeros(1, 2, 4, dtype=torch.float64))
    assert torch.equal(book.codes[1], torch.tensor([99.0, 99.0], dtype=torch.float64))


def test_codes_move_after_taken_steps_alone() -> None:
    book, z = AveragedBook(4, 2), torch.randn(3, 2, 5)
    before = book.codes.clone()
    book.train()
    book(z)
    assert torch.equal(book.codes, before), "a forward pass moves nothing"
    book.forget()
    book.follow()
    assert torch.equal(book.codes, before), "what a dropped step has left counts no more"
    book.eval()
    book(z)
    book.follow()
    assert torch.equal(book.codes, before), "evaluation moves nothing"
    once, twice = AveragedBook(4, 2), AveragedBook(4, 2)
    once.load_state_dict(book.state_dict())
    twice.load_state_dict(book.state_dict())
    step(once, z)
    twice.train()
    for part in z.split(1):  # micro-batches of one step
        twice(part)
    twice.follow()
    torch.testing.assert_close(once.codes, twice.codes)


def test_a_dead_code_begins_anew_and_stays() -> None:
    torch.manual_seed(0)
    book = LivingBook(3, 2, decay=0.9, expiry=0.05).double()
    book.codes.copy_(torch.tensor([[0.0, 0.0], [10.0, 0.0], [500.0, 500.0]]))
    z = clusters([8, 4])
    for _ in range(9):
        step(book, z)
    assert torch.equal(book.codes[2], torch.tensor([500.0, 500.0]).double()), "not before the counts have a memory"
    step(book, z)
    fresh = book.codes[2].clone()
    assert (rows_of(z) == fresh).all(1).any(), "a vector of the batch"
    book.codes[2] = fresh
    other = AveragedBook(3, 2, decay=0.9).double()
    other.load_state_dict(book.state_dict())
    step(other, torch.zeros(1, 2, 6, dtype=torch.float64) - 3)  # nearest to the first code
    torch.testing.assert_close(other.codes[2], fresh)  # the sums and counts say the same as the code


def test_expiry_keeps_codes_in_use_that_plain_means_lose() -> None:
    """1,000 vectors around 64 places, with 64 codes that all begin at one of them."""
    torch.manual_seed(0)
    places, used = torch.randn(64, 8) * 5, {}
    for expiry in (0.0, 0.05):
        book = LivingBook(64, 8, expiry=expiry)
        book.codes.copy_(places[:1] + 0.01 * torch.randn(64, 8))
        for _ in range(400):
            step(book, (places[torch.randint(64, (1000,))] + 0.1 * torch.randn(1000, 8)).t()[None])
        used[expiry] = float(book.perplexity())
    assert used[0.0] < 16
    assert used[0.05] > 40


def test_codes_start_at_vectors_of_the_first_batch() -> None:
    for book in (LivingBook(6, 2), LearnedBook(6, 2)):
        z = torch.randn(2, 2, 4)
        initialise(book, lambda book=book, z=z: book(z))  # type: ignore[misc]
        rows = rows_of(z)
        assert all((rows == code).all(1).any() for code in book.codes)
        assert len(book.codes.unique(dim=0)) == 6, "no vector twice"


def test_too_few_vectors_to_start_from_are_one_line() -> None:
    book = LivingBook(9, 2)
    with pytest.raises(HvaeError, match=r"9 codes start at vectors of the first batch, which has 8 \(2 data, 4 pos"):
        initialise(book, lambda: book(torch.zeros(2, 2, 4)))


def test_unit_codes_have_length_one() -> None:
    book, z = AveragedBook(4, 3, renew=unit_means), F.normalize(torch.randn(2, 3, 20), dim=1)
    step(book, z)
    hit = book.count > 0
    torch.testing.assert_close(book.codes[hit].norm(dim=1), torch.ones(int(hit.sum())))


@pytest.mark.parametrize("counts", [[1, 0, 0, 0], [5, 5, 5, 5], [7, 1, 0, 3], [0, 0, 0, 0]])
def test_perplexity_is_between_one_and_k(counts: list[int]) -> None:
    value = float(perplexity(torch.tensor(counts, dtype=torch.float64)))
    assert 1 - 1e-12 <= value <= 4 + 1e-12
    assert value == pytest.approx({1: 1.0, 20: 4.0, 0: 1.0}.get(sum(counts), value))


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (2,), (3, 2), (4, 4, 3)])
def test_the_index_of_a_lattice_is_a_bijection(levels: tuple[int, ...]) -> None:
    book = LatticeBook(levels).double()
    count = len(book.codes)
    assert count == np.prod(levels) == len(book.codes.unique(dim=0))
    assert torch.equal(book.search(book.codes.t()[None]), torch.arange(count)[None])
    # Encoder outputs that reach every corner: whatever comes out is the code of its own index.
    z = 4 * torch.randn(1, len(levels), 5000, dtype=torch.float64)
    point, index = book(z)
    half = (book.levels // 2).view(1, -1, 1)
    torch.testing.assert_close((point * half).round() / half, book.codes[index].movedim(-1, 1), atol=1e-12, rtol=0)
    assert (point * half - (point * half).round()).abs().max() <= 0.5


def test_values_are_codes_to_the_last_bit_and_gradients_pass() -> None:
    torch.manual_seed(0)
    z, code = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 3, 4)
    for gradient in (straight_through, rotated):
        assert torch.equal(gradient(z, code), code)
    straight_through(z, code).sum().backward()
    assert torch.equal(z.grad, torch.ones(2, 3, 4))


def test_the_rotated_gradient_is_that_of_the_map_it_names() -> None:
    """The derivative of |e| / |z| R z, with R from the two directions: a rotation in their plane, checked by itself."""
    torch.manual_seed(0)
    z, e = torch.randn(1, 5, 1, dtype=torch.float64, requires_grad=True), torch.randn(1, 5, 1, dtype=torch.float64)
    a, b = (F.normalize(t.detach().flatten(), dim=0) for t in (z, e))
    r = F.normalize(a + b, dim=0)
    turn = torch.eye(5).double() - 2 * torch.outer(r, r) + 2 * torch.outer(b, a)
    torch.testing.assert_close(turn @ turn.t(), torch.eye(5).double())
    torch.testing.assert_close(turn @ a, b)
    back = torch.randn(5, dtype=torch.float64)
    rotated(z, e).flatten().backward(back)
    torch.testing.assert_close(z.grad.flatten(), e.norm() / z.detach().norm() * turn.t() @ back)


@pytest.fixture(scope="module")
def case() -> dict[str, torch.Tensor]:
    if not CASE.is_file():
        pytest.skip("the recorded case of vector-quantize-pytorch 1.32.0 is not here")
    return {name: torch.as_tensor(array) for name, array in np.load(CASE).items()}


def test_recorded_running_means(case: dict[str, torch.Tensor]) -> None:
    """Counts that start at one and sums that start at the codes, three steps, every buffer after each."""
    book = AveragedBook(10, 4, renew=smoothed, count=1.0, anchored=1.0)
    for name, tensor in (("embed", book.codes), ("embed_avg", book.total), ("cluster_size", book.count)):
        tensor.copy_(case[f"param/_codebook.{name}"][0])
    for s in range(3):
        x = case["x"][s].movedim(-1, 1).clone().requires_grad_()
        point, index = book.train()(x)
        code = F.embedding(index, book.codes).movedim(-1, 1)
        assert torch.equal(index, case[f"train/{s}/indices"])
        torch.testing.assert_close(0.25 * (x - code).square().mean(), case[f"train/{s}/loss"], atol=1e-5, rtol=0)
        value = straight_through(point, code)
        torch.testing.assert_close(value.movedim(1, -1), case[f"train/{s}/quantized"], atol=1e-5, rtol=0)
        (value * torch.arange(4.0).view(1, 4, 1)).sum().backward()
        torch.testing.assert_close(x.grad.movedim(1, -1), case[f"train/{s}/grad_x_through_quantizer"])
        book.follow()
        for name, tensor in (("embed", book.codes), ("embed_avg", book.total), ("cluster_size", book.count)):
            torch.testing.assert_close(tensor, case[f"train/{s}/after/{name}"][0], atol=1e-5, rtol=0)


def test_recorded_rotation(case: dict[str, torch.Tensor]) -> None:
    codes, x = case["rotation/codebook_before"][0], case["x"][0].movedim(-1, 1).clone().requires_grad_()
    index = nearest(rows_of(x), codes).view(2, 15)
    assert torch.equal(index, case["rotation/indices"])
    value = rotated(x, F.embedding(index, codes).movedim(-1, 1))
    torch.testing.assert_close(value.movedim(1, -1), case["rotation/quantized"], atol=1e-5, rtol=0)
    (value * case["rotation/w"].view(1, 4, 1)).sum().backward()
    torch.testing.assert_close(x.grad.movedim(1, -1), case["rotation/grad_x"], atol=1e-5, rtol=0)


def test_recorded_lattice(case: dict[str, torch.Tensor]) -> None:
    book = LatticeBook((8, 5, 5, 5))
    torch.testing.assert_close(book.codes, case["fsq/all_codes"], atol=1e-5, rtol=0)
    index = book(case["fsq/x"].movedim(-1, 1))[1]
    assert torch.equal(index, case["fsq/indices"].long())
    torch.testing.assert_close(book.codes[index], case["fsq/quantized"], atol=1e-5, rtol=0)
