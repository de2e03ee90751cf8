from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hvae.checkpoints import load
from hvae.config import preset
from hvae.config.objective import FreeBitsConfig, ObjectiveConfig
from hvae.metrics import ActivityResult, ContributionResult, Estimate, LevelActivity, TopLevels
from hvae.metrics.information import State
from hvae.metrics.likelihood_result import Averages, LikelihoodResult, StepBounds
from hvae.study import Evaluation
from hvae.study.judgement import FEW, Judgement, against_counting, fixed, judged, verdict_of
from hvae.study.measures.baselines import BaselinesResult
from hvae.study.measures.coarse_to_fine import CoarseToFineResult
from hvae.zoo import build

FOLDER = Path(__file__).parents[1] / "fixtures" / "run-before-evidence"
PLAIN = ObjectiveConfig()


def level(nats: float, used: int = 8, state: State = "alive") -> LevelActivity:
    counts = dict.fromkeys(("active_dims", "active_channels", "used_dims", "used_channels"), used)
    return LevelActivity(**counts, dims=10, channels=10, rate_nats=nats, rate_nats_per_dim=nats, state=state)


def estimate(mean: float, low: float = math.nan, high: float = math.nan) -> Estimate:
    return Estimate(mean, math.nan, low, high)


def row(levels: int, nats: float, gain: tuple[float, float] | None) -> TopLevels:
    return TopLevels(
        **{"levels": levels, "lowest": "", "rate_nats": 0.0, "bits_per_dim": None, "psnr_db": estimate(20.0)},
        negative_bound_nats=estimate(nats),
        gain_nats=gain and estimate(sum(gain) / 2, *gain),
    )


def judge(*rows: TopLevels, objective: ObjectiveConfig = PLAIN, low: Any = None, **levels: LevelActivity) -> Judgement:
    activity = ActivityResult(data=9, samples=1, seed=0, levels=levels, verdict="")
    contribution = ContributionResult(data=9, seed=0, top=rows) if rows else None
    return judged(activity, contribution, objective, low or {})


def test_a_level_that_makes_the_bound_worse_is_not_used() -> None:
    rows = row(0, 3e5, None), row(1, 2e4, (1e5, 3e5)), row(2, 16781, (2e3, 4e3)), row(3, 17224, (-500, -400))
    found = judge(*rows, z3=level(90.0), z2=level(80.0), z1=level(70.0))
    assert {name: one.state for name, one in found.levels.items()} == {"z3": "alive", "z2": "alive", "z1": "weak"}
    assert "are used" not in found.text and "z1 is in doubt: with it the bound is worse, 17,224" in found.text
    assert "16,781" in found.levels["z1"].sentence and found.levels["z1"].advice


@pytest.mark.parametrize("gain", [(-30.0, 10.0), (5.0, 9.0), None])
def test_a_loss_within_its_error_is_none(gain: tuple[float, float] | None) -> None:
    found = judge(row(0, 90, None), row(1, 95, gain), z1=level(9.0))
    assert found.levels["z1"].state == "alive" and found.text == "The level z1 is used."


def test_levels_that_a_deep_model_adds_at_once_share_their_doubt() -> None:
    levels: dict[str, Any] = {f"z{i}": level(9.0) for i in (4, 3, 2, 1)}
    found = judge(row(0, 90, None), row(2, 50, (30, 50)), row(4, 60, (-12, -8)), **levels)
    assert [found.levels[name].state for name in levels] == ["alive", "alive", "weak", "weak"]


@pytest.mark.parametrize(
    ("free", "nats", "state"),
    [
        (FreeBitsConfig(nats=3.0), 3.28, "weak"),
        (FreeBitsConfig(nats={"z1": 3.0}), 3.28, "weak"),
        (FreeBitsConfig(nats=0.3, per="dimension"), 3.28, "weak"),
        (FreeBitsConfig(nats=3.0), 9.0, "alive"),
        (FreeBitsConfig(nats={"z2": 3.0}), 3.28, "alive"),
        (FreeBitsConfig(), 3.28, "alive"),
    ],
)
def test_what_is_spent_for_nothing_is_no_life(free: FreeBitsConfig, nats: float, state: str) -> None:
    found = judge(z1=level(nats), objective=ObjectiveConfig(free_bits=free))
    assert found.levels["z1"].state == state
    assert ("are free: no sign of use" in found.text) == (state == "weak")
    assert "free bits" not in found.levels["z1"].advice


@pytest.mark.parametrize(("gain", "state"), [((15.0, 21.0), "alive"), ((-1.0, 2.0), "weak"), (None, "weak")])
def test_a_level_at_its_free_nats_that_improves_the_bound_is_of_use(
    gain: tuple[float, float] | None, state: str
) -> None:
    rows = row(0, 274, None), row(1, 100, (160, 190)), row(2, 82, gain)
    found = judge(*rows, z2=level(12.0), z1=level(3.26), objective=ObjectiveConfig(free_bits=FreeBitsConfig(nats=3.0)))
    assert found.levels["z1"].state == state
    assert ("All levels" in found.text) == (state == "alive")


def test_advice_is_nothing_that_was_done() -> None:
    gone = {"z2": level(0.0, used=0, state="collapsed"), "z1": level(9.0)}
    free = ObjectiveConfig(free_bits=FreeBitsConfig(nats=0.1))
    plain, advised = (judge(objective=objective, **gone) for objective in (PLAIN, free))
    assert "free bits" in plain.text and "free bits" in plain.levels["z2"].advice
    assert "free bits" not in advised.text and "free bits" not in advised.levels["z2"].advice


def test_a_warm_up_that_was_not_over_comes_first() -> None:
    found = judge(low={"z1": 0.055}, z1=level(9.0))
    assert found.text.startswith(
        "The warm-up outlasted the training, which ended with the rate of z1 at a weight of 0.055"
    )


def test_a_warm_up_that_was_not_over_is_not_to_be_longer() -> None:
    gone = {"z2": level(0.0, used=0, state="collapsed"), "z1": level(9.0)}
    early, late = (judge(low=low, **gone) for low in ({"z2": 0.1}, None))
    assert "a longer KL warm-up" in late.text and "for longer" in late.levels["z2"].advice
    assert "a longer KL warm-up" not in early.text and "train beyond the warm-up" in early.text
    assert "for longer" not in early.levels["z2"].advice


def test_a_rate_that_is_no_number_is_no_fault() -> None:
    assert judge(z1=level(math.nan)).levels["z1"].state == "alive"


@pytest.mark.parametrize(("held", "chance", "is_shown"), [(1.0, 1.0, False), (0.97, 0.95, False), (0.9, 0.2, True)])
def test_an_experiment_that_tells_nothing_is_not_shown(held: float, chance: float, is_shown: bool) -> None:
    pairs = dict.fromkeys(("top_held_pairwise", "top_redrawn_pairwise", "chance_pairwise"), 0.5)
    result = CoarseToFineResult(top_held=held, chance=chance, top_redrawn=0.5, held=1, groups=9, redraws=8, **pairs)
    record = json.loads((FOLDER / "evaluation.json").read_text())
    evaluation = replace(Evaluation.from_dict(record), results={"coarse-to-fine": result})
    assert result.tells == is_shown
    assert any(line.name == "coarse to fine" for line in evaluation.headlines()) == is_shown
    assert bool(evaluation.ranked()) == is_shown, "nor is it the best of a comparison"


def counted(model: float, plainest: float) -> tuple[LikelihoodResult, BaselinesResult]:
    """What a model and counting need a frame."""
    both = (Averages(frame_average=estimate(nats), sequence_mean=estimate(nats)) for nats in (model, plainest, 1.0))
    own, marginals, chain = both
    steps = StepBounds(steps=9, dims=4, negative_elbo_nats=own, negative_iw_nats=own, rate_nats=own)
    rest = {"data": 3, "dims": 4, "samples": 1, "seed": 0, "likelihood": "mass", "effective_samples": 1.0}
    nats = dict.fromkeys(("negative_elbo_nats", "negative_iw_nats", "reconstruction_nats"), estimate(model))
    likelihood = LikelihoodResult(
        **rest, **nats, elbo_bits_per_dim=None, iw_bits_per_dim=None, levels={}, nonfinite_data=0, steps=steps
    )
    each = {"independent marginals": marginals, "Markov, key by key": chain}
    return likelihood, BaselinesResult(data=3, steps=9, values=4, step="frame", nats=each, bits_per_value={})


def test_a_model_that_counting_beats_uses_nothing() -> None:
    found = against_counting(judge(z=level(90.0)), *counted(11.5, 11.06))
    assert found.text.startswith("The model is worse than frame marginals, which have no latents: 11.50 nats a frame")
    assert (
        "used" not in found.text
        and found.levels["z"].state == "weak"
        and "frame marginals" in found.levels["z"].sentence
    )


def test_one_that_beats_the_plainest_count_is_judged_as_ever() -> None:
    plain = judge(z=level(90.0))
    assert against_counting(plain, *counted(10.9, 11.06)) == plain == against_counting(plain, None, None)
    assert against_counting(plain, *counted(math.nan, 11.06)) == plain


def test_what_else_is_wrong_is_still_said() -> None:
    dead = judge(z2=level(90.0), z1=level(0.0, 0, "collapsed"))
    found = against_counting(dead, *counted(12.0, 11.06))
    assert dead.text in found.text and found.levels["z1"].state == "collapsed" and found.levels["z2"].state == "weak"


def test_a_few_steps_are_no_ground_for_a_verdict(run: Path) -> None:
    """A run of six steps: its levels are measured, and nothing is said of what they are worth."""
    loaded = load(run)
    assert loaded.step == 6
    activity = ActivityResult(
        data=9, samples=1, seed=0, levels={"z2": level(0.01, 0, "collapsed"), "z1": level(9.0)}, verdict=""
    )
    early = verdict_of(loaded, activity, None)
    assert early.text.startswith("After 6 steps there is no verdict yet") and "collapsed" not in early.text
    assert early.levels["z2"].advice == "Train for longer, then judge it again." and not early.levels["z1"].advice
    assert [early.levels[name].state for name in ("z2", "z1")] == ["none yet", "alive"], "as the sentence says"
    dull = replace(activity, levels={"z2": level(0.1, 1, "weak"), "z1": level(9.0)})
    assert verdict_of(loaded, dull, None).levels["z2"].state == "none yet"
    late = replace(loaded, description={**loaded.description, "step": FEW})
    assert "z2" in verdict_of(late, activity, None).text and "no verdict" not in verdict_of(late, activity, None).text
    begun = replace(loaded, config=loaded.config.override({"train.init": str(run)}))
    assert "no verdict" not in verdict_of(begun, activity, None).text, "weights that were trained before"


def test_levels_of_fixed_q_cannot_collapse() -> None:
    names = {f"z{n}": level(0.0, 0, "collapsed") for n in (2, 1)}
    activity = ActivityResult(data=9, samples=1, seed=0, levels=names, verdict="")
    judgement = judged(activity, None, PLAIN, {}, {"z2", "z1"})
    assert judgement.text.startswith("The q of every level is fixed") and "What to change" not in judgement.text
    assert {(one.state, one.advice) for one in judgement.levels.values()} == {("fixed", "")}


@pytest.mark.parametrize("unlearnt", [{"z2", "z1"}, {"z2"}])
def test_gains_of_levels_are_those_of_their_own_place_beside_fixed_ones(unlearnt: set[str]) -> None:
    """A diffusion of few levels has a row for each; of a context the fixed ones are the first."""
    rows = row(0, 99.0, None), row(1, 60.0, (30, 50)), row(2, 80.0, (-25, -15))
    contribution = ContributionResult(data=9, seed=0, top=rows)
    names = {"z2": level(9.0), "z1": level(9.0)}
    activity = ActivityResult(data=9, samples=1, seed=0, levels=names, verdict="")
    judgement = judged(activity, contribution, PLAIN, {}, unlearnt)
    assert judgement.levels["z2"].state == "fixed"
    assert judgement.levels["z1"].state == ("fixed" if "z1" in unlearnt else "weak")
    assert ("z1 is in doubt: with it the bound is worse" in judgement.text) == ("z1" not in unlearnt)


def test_a_context_is_fixed_and_the_levels_below_are_judged() -> None:
    names = {"u1": level(0.0, 0, "collapsed"), "u": level(3.0), "z2": level(0.0, 0, "collapsed"), "z1": level(9.0)}
    activity = ActivityResult(data=9, samples=1, seed=0, levels=names, verdict="")
    judgement = judged(activity, None, PLAIN, {}, {"u1", "u"})
    assert judgement.text.startswith("1 of 2 levels is collapsed (z2)") and "The q of u1, u is fixed" in judgement.text
    assert [one.state for one in judgement.levels.values()] == ["fixed", "fixed", "collapsed", "alive"]


def test_which_levels_are_fixed_is_known_of_the_model() -> None:
    diffusion = preset("cifar10-vdm", {"model.steps": 2})
    context = preset("mnist-static-ladder", {"model.context.size": 2})
    plain = preset("mnist-static-ladder")
    expected = [({"z2", "z1"}, {"z2", "z1"}), ({"z2", "u1", "u"}, {"u1", "u"}), ({"z2", "z1"}, set())]
    for config, (levels, unlearnt) in zip((diffusion, context, plain), expected, strict=True):
        shape, bits = ((3, 32, 32), 8) if config is diffusion else ((1, 28, 28), 1)
        assert fixed(build(config.model, shape, bits), sorted(levels)) == unlearnt
