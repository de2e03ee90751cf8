"""What the levels of a ladder on speech hold: how loud it is when, and which digit is spoken.

    python benchmarks/speech_levels.py RUN --data.root DATA
    python benchmarks/speech_levels.py RUN --data.root DATA --digits train

Each recording of the test split (`--split valid`: of the other one) is drawn again, its levels above a cut held at
their posterior and those below drawn from their priors, and the mirror: those above drawn and those below held.  The
samples are drawn too.  Two recordings are compared by the correlation over time of their energy in windows of 32 ms, of
its logarithm too; a redraw in which nothing is held says what recordings of one length have in common anyway.

`--digits train`, of recordings named DIGIT_SPEAKER_TAKE.wav, fits a linear probe (logistic regression) for the digit
to the mean and the deviation over time of each level's posterior means, on the training split, and tests it on the test
split, whose speakers may be others; `--digits test` does both on the test split alone, in five folds by takes: of
digits that no training has heard.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from hvae.cli.words import split_dotted
from hvae.data import SequenceData, SequenceSplit, load_sequences
from hvae.distributions import Normal
from hvae.draw import each, posterior, prior
from hvae.runs.subject import open_run
from hvae.walk import Model, names, run, still

WINDOW = 0.032
FOLDS = 5
ROWS = 20
Features = dict[str, np.ndarray]


def envelope(sound: Tensor, window: int) -> Tensor:
    """The energy of windows of samples, (T, D) in [0, 1] -> (W,)."""
    samples = (2 * sound.flatten().double() - 1)[: sound.numel() // window * window]
    return samples.unflatten(0, (-1, window)).square().mean(1)


def correlation(a: Tensor, b: Tensor) -> float:
    """Of two series; 0 where one of them never changes."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt().clamp_min(1e-30))


def likeness(model: Model, split: SequenceSplit, redrawn: Sequence[str], window: int, draws: int) -> np.ndarray:
    """The correlations of energies and of their logarithms with those of the recordings, (N, 2)."""
    rows: list[np.ndarray] = []
    for some in split.lengths.argsort().split(ROWS):  # of like length together: a walk goes as far as the longest
        batch = split.batch(some)
        evidence, lengths = model.evidence(batch), split.lengths[some].tolist()
        own = [envelope(x[:length], window) for x, length in zip(batch.x, lengths, strict=True)]
        pairs = []
        for _ in range(draws):
            law = run(model, each({name: prior() for name in redrawn}, posterior), evidence)["x"].p
            assert law is not None
            again = [envelope(x[:length], window) for x, length in zip(law.sample(), lengths, strict=True)]
            pairs.append([alike(one, other) for one, other in zip(own, again, strict=True)])
        rows.extend(np.mean(pairs, 0))
    return np.array(rows)


def alike(own: Tensor, again: Tensor) -> tuple[float, float]:
    """The correlation of two series of energies, and that of their logarithms."""
    return correlation(own, again), correlation(own.clamp_min(1e-9).log(), again.clamp_min(1e-9).log())


def interval(values: np.ndarray) -> str:
    """A mean and its 95 % interval over recordings."""
    return f"{values.mean():6.3f} +- {1.96 * values.std(ddof=1) / len(values) ** 0.5:.3f}"


def envelopes(split: SequenceSplit, model: Model, rate: float, draws: int) -> None:
    """The table of energies, at so many samples a second."""
    levels, window = names(model), round(WINDOW * rate)
    rows = {"nothing redrawn but the samples": []}
    for cut in range(1, len(levels)):
        rows[f"{', '.join(levels[:cut])} held, the rest redrawn"] = levels[cut:]
        rows[f"mirror: {', '.join(levels[:cut])} redrawn, the rest held"] = levels[:cut]
    print(f"{len(split)} recordings, {draws} draws each: correlation of energies in windows of {window} samples")
    for title, redrawn in {**rows, "all redrawn": levels}.items():
        values = likeness(model, split, redrawn, window, draws)
        print(f"{title:44} energy {interval(values[:, 0])}   its logarithm {interval(values[:, 1])}", flush=True)


def pooled(model: Model, split: SequenceSplit) -> Features:
    """The mean and the deviation over time of each level's posterior means, (N, 2 D) by level."""
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names(model)}
    order = split.lengths.argsort()
    for some in order.split(ROWS):
        trace = run(model, posterior, model.evidence(split.batch(some)))
        for name in rows:
            records = [r for r in trace.latents if r.name == name and isinstance(r.q, Normal)]
            means = torch.stack([r.q.loc for r in records], 1)  # (B, K, D)
            stride = -(-int(split.lengths[some].max()) // len(records))
            for one, length in zip(means, split.lengths[some].tolist(), strict=True):
                ticks = one[: -(-length // stride)]
                rows[name].append(torch.cat([ticks.mean(0), ticks.std(0, correction=0)]).numpy())
    back = order.argsort().numpy()
    return {name: np.stack(some)[back] for name, some in rows.items()}


def digits(split: SequenceSplit) -> tuple[np.ndarray, np.ndarray]:
    """The digit and the take of each recording, (N,) each, by its name."""
    parts = [PurePosixPath(name).stem.split("_") for name in split.names()]
    return np.array([int(part[0]) for part in parts]), np.array([int(part[-1]) for part in parts])


def right(train: np.ndarray, targets: np.ndarray, test: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Which test recordings a probe names rightly, (N,) of 0 and 1."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(train, targets)
    return (probe.predict(test) == truth).astype(float)


def probe(data: SequenceData, model: Model, where: str) -> None:
    """The table of the probe, fitted on the split `where`."""
    features, (truth, takes) = pooled(model, data.test), digits(data.test)
    if where == "train":
        trained, (targets, _) = pooled(model, data.train), digits(data.train)
        marks = {name: right(trained[name], targets, features[name], truth) for name in features}
    else:
        marks = {name: np.empty(len(truth)) for name in features}
        for fold in range(FOLDS):
            out = takes % FOLDS == fold
            for name, one in features.items():
                marks[name][out] = right(one[~out], truth[~out], one[out], truth[out])
    print(f"digits of {len(truth)} recordings by a linear probe, {len(set(truth.tolist()))} of them, fitted on {where}")
    for name, values in marks.items():
        print(f"{name:10} {interval(values)} right, of {features[name].shape[1]} numbers")


def main() -> None:
    rest, dotted = split_dotted(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--digits", choices=["train", "test"])
    parser.add_argument("--split", choices=["valid", "test"], default="test", help="of the redraws")
    parser.add_argument("--draws", type=int, default=4)
    args = parser.parse_args(rest)
    loaded = open_run(args.run, dotted, print).run
    data = load_sequences(loaded.config.override({**dotted, "data.chunk": 0}).data)  # whole recordings to train on too
    with torch.no_grad(), still(loaded.model, 0):
        if args.digits:
            probe(data, loaded.model, args.digits)
        else:
            envelopes(getattr(data, args.split), loaded.model, data.form.rate, args.draws)


if __name__ == "__main__":
    main()
