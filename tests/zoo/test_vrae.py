"""One latent for a whole sequence: what the decoder hears, word dropout, and recorded numbers of a public model."""

from __future__ import annotations

import pytest
import torch
from recorded import Arrays, close, layer, part, recorded
from torch import Tensor, nn

from hvae import Datum, build, forget, given, mode, names, posterior, prior, run
from hvae.config import ObjectiveConfig, VRAEConfig, VRNNConfig
from hvae.draw import retell
from hvae.errors import HvaeError
from hvae.models.narrator import Narrator
from hvae.objectives import build as objective
from hvae.site import Pin, Visit, pin
from hvae.walk import Evidence

SMALL = {"latents": (3,), "state": 6, "width": 5}
STEPS, WIDTH = 6, 4


def rolls(n: int = 2) -> Tensor:
    return torch.bernoulli(torch.full((n, STEPS, WIDTH), 0.4, dtype=torch.float64))


@pytest.fixture
def model() -> Narrator:
    return build(VRAEConfig(**SMALL), (STEPS, WIDTH), bits=1).double()


def test_the_decoder_hears_its_past_and_the_latent_all_along(model: Narrator) -> None:
    x, t = rolls(), 2
    other = x.clone()
    other[:, t] = 1 - other[:, t]
    z = torch.randn(2, 3, dtype=torch.float64)
    a, b = (run(model, given({"z": z}), model.evidence(data))["x"].p.mean() for data in (x, other))
    assert torch.equal(a[:, : t + 1], b[:, : t + 1]) and not torch.equal(a[:, t + 1], b[:, t + 1])
    moved = run(model, given({"z": z + 1}), model.evidence(x))["x"].p.mean()
    assert ((moved - a).abs().amax((0, 2)) > 1e-4).all()


def test_what_is_forgotten_is_not_heard(model: Narrator) -> None:
    """Inputless, a decoder depends on its latent alone; nothing is forgotten unless a draw says so, training or not."""
    z = torch.randn(1, 3, dtype=torch.float64).expand(2, 3)
    deaf = run(model.train(), forget(0.0, given({"z": z})), model.evidence(rolls()))
    assert not deaf["heard"].value.any()
    laws = deaf["x"].p.mean()
    torch.testing.assert_close(laws[0, 1:], laws[1, 1:])
    assert run(model, posterior, model.evidence(rolls()))["heard"].value.all()


def test_the_share_that_is_kept_costs_nothing(model: Narrator) -> None:
    torch.manual_seed(0)
    trace = run(model, forget(0.7), model.evidence(rolls(500)))
    assert abs(float(trace["heard"].value.mean()) - 0.7) < 0.05
    assert set(trace["heard"].value.unique().tolist()) == {0.0, 1.0}
    by_hand = trace["x"].log_likelihood() + trace["z"].log_weight()
    torch.testing.assert_close(trace.log_weight(), by_hand)
    assert list(trace.rates()) == ["z"]


def test_training_forgets_as_its_objective_says(model: Narrator) -> None:
    assert objective(ObjectiveConfig()).draw is posterior
    assert objective(ObjectiveConfig(keep=0.5)).draw == forget(0.5)
    with pytest.raises(HvaeError, match=r"objective.keep: a choice of the elbo alone"):
        ObjectiveConfig(keep=0.5, kind="iwae", samples=5)
    with pytest.raises(HvaeError, match="share of steps to keep, from 0 to 1, got 1.5"):
        forget(1.5)


def test_a_model_that_hears_nothing_of_its_past_cannot_forget() -> None:
    vrnn = build(VRNNConfig(latent=2, state=3, width=3), (STEPS, WIDTH), bits=1)
    with pytest.raises(HvaeError, match="no level named 'heard'"):
        run(vrnn, forget(0.5), vrnn.evidence(rolls().float()))


def test_a_decoder_that_is_not_taught_hears_itself(model: Narrator) -> None:
    """With the noise of a generation it tells what that tells; the data say nothing then but through the latent."""
    z, evidence = torch.randn(2, 3, dtype=torch.float64), model.evidence(rolls())
    torch.manual_seed(5)
    told = run(model, given({"z": z}, prior()), n=2)
    torch.manual_seed(5)
    alone = run(model, retell(1.0, given({"z": z})), evidence)
    own = torch.stack([record.law.mean() for record in told.observed], 1)
    torch.testing.assert_close(alone["x"].p.mean(), own)
    assert not alone["taught"].value.any()


def test_step_by_step_and_at_once_are_one(model: Narrator) -> None:
    """A draw of its own at the last step alone is heard by nobody: all before it is as if it were taught."""
    torch.manual_seed(0)
    z, x = torch.randn(2, 3, dtype=torch.float64), rolls()
    known = torch.ones(2, STEPS, dtype=torch.float64)
    known[:, -1] = 0
    partly = run(model, given({"z": z, "taught": known}), model.evidence(x))["x"].p.mean()
    whole = run(model, given({"z": z}), model.evidence(x))["x"].p.mean()
    torch.testing.assert_close(partly[:, :-1], whole[:, :-1])
    assert not torch.equal(partly[:, -1], whole[:, -1])


def test_a_decoder_is_weaned_by_step(model: Narrator) -> None:
    config = ObjectiveConfig(own=0.8, own_length=0.5).over(200)
    weaned = objective(config)
    assert [weaned.schedule(weaned.draw, step) for step in (0, 50, 100, 200)] == [retell(s) for s in (0, 0.4, 0.8, 0.8)]
    torch.manual_seed(0)
    trace = run(model, weaned.schedule(weaned.draw, 50), model.evidence(rolls(500)))
    assert abs(float(trace["taught"].value.mean()) - 0.6) < 0.05
    weaned(trace, 50).total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with pytest.raises(HvaeError, match=r"objective.own_length: expected a number of steps"):
        objective(ObjectiveConfig(own=0.5))
    with pytest.raises(HvaeError, match=r"objective.own: a choice of the elbo alone"):
        ObjectiveConfig(own=0.5, kind="iwae", samples=5)
    with pytest.raises(HvaeError, match="share of steps to retell, from 0 to 1, got 1.5"):
        retell(1.5)


def test_a_model_that_hears_nothing_of_its_past_cannot_be_weaned() -> None:
    """At the first step of training already, where the share is 0."""
    vrnn = build(VRNNConfig(latent=2, state=3, width=3), (STEPS, WIDTH), bits=1)
    weaned = objective(ObjectiveConfig(own=0.5, own_length=10))
    with pytest.raises(HvaeError, match="no level named 'taught'"):
        run(vrnn, weaned.schedule(weaned.draw, 0), vrnn.evidence(rolls().float()))


def test_a_ladder_of_latents() -> None:
    model = build(VRAEConfig(latents=(4, 3, 2), state=6, width=5), (STEPS, WIDTH), bits=1)
    assert names(model) == ["z3", "z2", "z1"]
    assert [record.value.shape[1] for record in model(rolls()).latents] == [2, 3, 4]


# --- attention in place of a recurrence


def speaker(memory: int, chunk: int) -> Narrator:
    torch.manual_seed(0)
    config = VRAEConfig(latents=(3,), state=8, width=5, decoder="transformer", heads=2, memory=memory, chunk=chunk)
    return build(config, (STEPS, WIDTH), bits=1).double().eval()


def test_a_memory_of_the_whole_context_is_the_long_pass() -> None:
    """Chunks change no number, and the gradients of the last leave the steps before it alone."""
    x, z = rolls(), torch.randn(2, 3, dtype=torch.float64)
    whole, cut = speaker(STEPS, 0), speaker(STEPS, 4)
    laws = [run(model, given({"z": z}), model.evidence(x))["x"].p.mean() for model in (whole, cut)]
    torch.testing.assert_close(laws[0], laws[1], rtol=0, atol=1e-12)
    for model, reaches in ((whole, True), (cut, False)):
        evidence = model.evidence(x)
        u = evidence.features["embedded"]
        law = run(model, given({"z": z}), evidence)["x"].p.mean()
        (reach,) = torch.autograd.grad(law[:, -1].sum(), u)
        assert bool(reach[:, : 4 - 1].any()) == reaches and reach[:, 4 - 1 : -1].any()


def test_a_transformer_whose_heads_do_not_fit() -> None:
    with pytest.raises(HvaeError, match="model.state: expected a multiple of twice the 4 heads .* got 60; e.g. 64"):
        VRAEConfig(state=60, decoder="transformer")


# --- bars below a piece

BAR = 4
PIECE = 10  # the third bar is cut short


@pytest.fixture(params=["gru", "lstm"])
def conducted(request: pytest.FixtureRequest) -> Narrator:
    config = VRAEConfig(latents=(3, 2), state=6, width=5, bar=BAR, cell=request.param)
    return build(config, (PIECE, WIDTH), bits=1).double().eval()


def piece(n: int = 2) -> Tensor:
    return torch.bernoulli(torch.full((n, PIECE, WIDTH), 0.4, dtype=torch.float64))


def latents(model: Narrator, x: Tensor) -> dict[Pin, Tensor]:
    return {pin(record.key): record.value for record in model(x, mode).latents}


def test_a_bar_has_a_latent_below_that_of_the_piece(conducted: Narrator) -> None:
    assert names(conducted) == ["z2", "z1"]
    trace = conducted(Datum(piece(), lengths=torch.tensor([PIECE, 3])))
    assert [(r.name, r.step) for r in trace.latents] == [("z2", None), ("z1", 0), ("z1", 4), ("z1", 8)]
    assert trace["z1", 4].mask.tolist() == [True, False]
    assert run(conducted, prior(), conducted.nothing(2, steps=13)).x.shape == (2, 13, WIDTH)


def test_a_bar_reads_itself_and_the_piece_reads_all(conducted: Narrator) -> None:
    x, t = piece(), 5
    other = x.clone()
    other[:, t] = 1 - other[:, t]
    a, b = (run(conducted, given(latents(conducted, x)), conducted.evidence(data)) for data in (x, other))
    assert [torch.equal(r.q.loc, b.records[r.key].q.loc) for r in a.latents] == [False, True, False, True]
    assert all(torch.equal(r.p.loc, b.records[r.key].p.loc) for r in a.latents)


def test_a_bar_changes_what_comes_after_it(conducted: Narrator) -> None:
    x = piece()
    values = latents(conducted, x)
    moved = {**values, ("z1", BAR): values["z1", BAR] + 1}
    a, b = (run(conducted, given(some), conducted.evidence(x)) for some in (values, moved))
    assert [torch.equal(r.p.loc, b.records[r.key].p.loc) for r in a.latents] == [True, True, True, False]
    changed = (a["x"].p.mean() - b["x"].p.mean()).abs().amax((0, 2)) > 0
    assert changed.tolist() == [False] * BAR + [True] * (PIECE - BAR)


def test_the_decoder_begins_each_bar_anew(conducted: Narrator) -> None:
    """Deaf, and with the same plan at each bar, it tells all bars alike: nothing else goes on from bar to bar."""
    evidence = conducted.evidence(piece())
    conducted.conduct = Same(conducted.carry.linear.in_features)
    told = run(conducted, forget(0.0), evidence)["x"].p.mean()
    torch.testing.assert_close(told[:, 1:BAR], told[:, BAR + 1 : 2 * BAR])
    assert not torch.allclose(told[:, 1], told[:, 2])


class Same(nn.Module):
    """A plan of ones for every bar."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, state: Tensor, steps: int, visit: Visit, evidence: Evidence) -> Tensor:
        return state.new_ones(len(state), -(-steps // BAR), 1, self.width)


def test_bars_retold_step_by_step(conducted: Narrator) -> None:
    known = torch.ones(2, PIECE, dtype=torch.float64)
    known[:, -1] = 0
    x = piece()
    values, evidence = latents(conducted, x), conducted.evidence(x)
    partly, whole = (
        run(conducted, given({**values, **more}), evidence)["x"].p.mean() for more in ({"taught": known}, {})
    )
    torch.testing.assert_close(partly[:, :-1], whole[:, :-1])
    assert not torch.equal(partly[:, -1], whole[:, -1])


def test_bars_need_a_latent_above_them() -> None:
    with pytest.raises(HvaeError, match="model.bar: bars of 4 steps have a latent each .* at least 2 entries"):
        VRAEConfig(latents=(3,), bar=4)


# --- timbmg/Sentence-VAE: the encoder reads what the decoder hears, and z is the decoder's first state alone

FILE = recorded("sentence_vae")
SYMBOLS, VECTOR, START, END = 13, 6, 2, 3


class Heard(nn.Module):
    """The last state of one recurrence over the decoder's inputs: the first, and all told steps but the last."""

    def __init__(self, first: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.begin, self.network = first, network

    def forward(self, u: Tensor, lengths: Tensor) -> Tensor:
        h, _ = self.network(torch.cat([self.begin(len(u))[:, None], u[:, :-1]], 1))
        return h[torch.arange(len(u)), lengths - 1]


class ByName(nn.Module):
    def forward(self, summary: Tensor) -> dict[str, Tensor]:
        return {"z": summary}


@pytest.fixture
def published() -> Narrator:
    arrays = part(FILE, "param/")
    model = build(VRAEConfig(latents=(3,), state=9, width=VECTOR, vocabulary=SYMBOLS), (12,), bits=4)
    model.leave, model.climb = nn.Linear(9, SYMBOLS), ByName()
    model.reader = Heard(model.first, nn.GRU(VECTOR, 9, batch_first=True))
    model.levels["z"].posterior.network = nn.Linear(9, 6)
    model.levels["z"].posterior.positive = lambda raw: torch.exp(0.5 * raw)
    put(model.double(), arrays)
    return model


@torch.no_grad()
def put(model: Narrator, arrays: Arrays) -> None:
    model.embed[0].table.weight.copy_(arrays["embedding.weight"])
    model.first.state.copy_(arrays["embedding.weight"][START])
    silent = torch.zeros(27, 3, dtype=torch.float64)  # z enters theirs at no step
    for own, name in ((model.reader.network, "encoder_rnn"), (model.decoder, "decoder_rnn")):
        for key, weight in own.named_parameters():
            theirs = arrays[f"{name}.{key}"]
            fits = theirs.shape == weight.shape
            weight.copy_(theirs if fits else torch.cat([theirs, silent], 1))
    lines = {
        **layer(arrays, model.levels["z"].posterior.network, "hidden2mean", "hidden2logv"),
        **layer(arrays, model.carry.linear, "latent2hidden"),
        **layer(arrays, model.leave, "outputs2vocab"),
    }
    for own, theirs in lines.items():
        own.copy_(theirs)


def test_the_published_terms(published: Narrator) -> None:
    back = FILE["sorted_idx"].argsort()  # theirs come in the order of descending length, but for `logp`
    z = FILE["z_sorted"][back]
    data = Datum(FILE["target"].double(), lengths=FILE["length"])
    trace = run(published, given({"z": z}), published.evidence(data))
    q = trace["z"].q
    close(q.loc, FILE["mean_sorted"][back])
    close(2 * q.scale.log(), FILE["logv_sorted"][back])
    close(q.loc + q.scale * FILE["eps_in_sorted_order"][back], z)
    close(
        trace.rates()["z"] if trace["z"].proposal is None else trace["z"].rate(), FILE["kl_per_sentence_sorted"][back]
    )
    close(-trace.log_likelihood(), FILE["nll_per_sentence"])
    logp = trace["x"].p.each.logits.log_softmax(1).unflatten(0, (3, 12))
    for row, length in enumerate(FILE["length"].tolist()):
        close(logp[row, :length], FILE["logp"][row, :length])


def test_the_published_greedy_decoding(published: Narrator) -> None:
    made = run(published, given({"z": FILE["z_sorted"]}, mode), published.nothing(3, steps=12)).x.long()
    for ours, theirs in zip(made.tolist(), FILE["greedy_from_first_3_z_sorted"].tolist(), strict=True):
        end = theirs.index(END) + 1 if END in theirs else len(theirs)
        assert ours[:end] == theirs[:end]
