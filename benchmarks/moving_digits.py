"""What the levels of a ladder on films of moving digits hold: which digits, or how they move; and at which pace.

    python benchmarks/moving_digits.py RUN --data.root DATA

A classifier is trained first, on single frames of as many digits of MNIST's training set at random places, to say which
digits are in a frame; its accuracy on frames of test digits, and on those of the films, is named.  Then films are
drawn again with some levels held at their posteriors and the others from their priors, and compared with the films
themselves: do they show the same digits (the classifier's opinion of all frames of each), and do they move alike (the
correlation of the centres of their light, frame by frame)?  `nothing held` is what chance alone gives.

Of several runs the first is the one that the others are measured against: -ELBO of one draw, film by film, in nats.

Last, how slowly each level's posterior means change: their correlation from tick to tick (lag 1), and from frame to
frame where a mean stands until the next tick, both about the mean over all films, averaged over dimensions by their
variance.  A level that ticks once has no lag of its own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae.cli.words import split_dotted
from hvae.config.data import DataConfig
from hvae.data.catalogue import MNIST
from hvae.data.lookup import found_set
from hvae.data.sequences.video import FIELD, SEED, film_counts, paths
from hvae.distributions import Normal
from hvae.draw import each, posterior, prior
from hvae.nn.sprites import Sprites
from hvae.runs.subject import open_run
from hvae.walk import Evidence, Model, names, run, still

CLASSES = 10
SIDE, TEST_DIGITS = 28, 10_000


def digits(root: str, split: str) -> tuple[Tensor, Tensor]:
    """Digits of MNIST, (M, 28, 28) in [0, 1], and their classes (M,)."""
    part = found_set(MNIST, DataConfig(name="mnist", root=root)).parts[split]
    return torch.from_numpy(part.levels[:, 0]).float() / 255, torch.from_numpy(part.labels).long()


def frames(images: Tensor, classes: Tensor, count: int, number: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Frames (count, 1, S, S) of so many digits at random places, and which digits they show, (count, 10)."""
    which = torch.randint(len(images), (count, number), generator=random)
    place = torch.randint(FIELD - images.shape[1] + 1, (count, number, 2), generator=random).tolist()
    field = torch.zeros(count, 1, FIELD, FIELD)
    for one, pair, corners in zip(field, which, place, strict=True):
        for digit, (y, x) in zip(images[pair], corners, strict=True):
            spot = one[0, y : y + len(digit), x : x + len(digit)]
            spot.copy_(torch.maximum(spot, digit))
    return field, present(classes[which])


def present(classes: Tensor) -> Tensor:
    """Which digits there are of some (N, M), (N, 10) of 0 and 1."""
    return F.one_hot(classes, CLASSES).amax(1).float()


def shown(config: DataConfig, labels: Tensor, split: str) -> Tensor:
    """The classes (N, M) of the digits of films of test digits, in the order in which they were drawn."""
    counts = film_counts(config)
    random = np.random.default_rng((SEED, list(counts).index(split)))
    return labels[torch.from_numpy(random.integers(0, len(labels), (counts[split], config.digits)))]


def classifier(images: Tensor, classes: Tensor, number: int, steps: int) -> nn.Module:
    """A network from frames to a logit of each digit."""
    layers: list[nn.Module] = [nn.AvgPool2d(2)]
    for a, b in pairwise((1, 16, 32, 64)):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 128), nn.ReLU(), nn.Linear(128, CLASSES))
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    random = torch.Generator().manual_seed(0)
    for _ in range(steps):
        x, y = frames(images, classes, 64, number, random)
        loss = F.binary_cross_entropy_with_logits(network(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def opinion(network: nn.Module, films: Tensor) -> Tensor:
    """What the classifier says of films (N, T, 1, S, S): the mean of the logits of all frames, (N, 10)."""
    return torch.cat([network(part.flatten(0, 1)).unflatten(0, part.shape[:2]).mean(1) for part in films.split(20)])


def shared(logits: Tensor, truth: Tensor) -> Tensor:
    """The share of the digits shown that the classifier names, if it names as many as there are, (N,)."""
    count = truth.sum(1).long()
    ranks = logits.argsort(1, descending=True).argsort(1)
    return (truth * (ranks < count[:, None])).sum(1) / count


def centres(films: Tensor) -> Tensor:
    """The centre of the light of each frame, (N, T, 2)."""
    light, place = films[:, :, 0], torch.arange(FIELD).float()
    mass = light.sum((2, 3)).clamp_min(1e-6)
    return torch.stack([(light.sum(3) @ place) / mass, (light.sum(2) @ place) / mass], 2)


def alike(a: Tensor, b: Tensor) -> Tensor:
    """The correlation over time of two series (N, T, 2), averaged over both coordinates, (N,)."""
    a, b = (series - series.mean(1, keepdim=True) for series in (a, b))
    return ((a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt().clamp_min(1e-6)).mean(1)


def redrawn(model: Model, evidence: Evidence, levels: Sequence[str]) -> Tensor:
    """The mean frames of films whose levels are held at draws of their posteriors, or else drawn from their priors."""
    trace = run(model, each({name: prior() for name in names(model) if name not in levels}, posterior), evidence)
    return model.picture(trace)


def companions(model: Model, part: Sprites, evidence: Sequence[Evidence], config: DataConfig, split: str) -> str:
    """How far two pictures are from two digits, in pixels, and whether each stays with one of them."""
    counts, states = film_counts(config), []
    random, room = np.random.default_rng((SEED, list(counts).index(split))), FIELD - SIDE
    random.integers(0, TEST_DIGITS, (counts[split], 2))  # which digits they are comes first
    truth = torch.from_numpy(paths(room, counts[split], 2, random)).transpose(1, 2).float() + SIDE / 2  # (N, T, 2, 2)
    hook = part.place.register_forward_hook(lambda module, inputs, raw: states.append(raw.sigmoid()))
    for one in evidence:
        run(model, posterior, one)
    hook.remove()
    own = torch.cat(states).view(-1, truth.shape[1], 2, 2) * (FIELD - part.shape[-1]) + part.shape[-1] / 2
    far = torch.cdist(own, truth[: len(own)])  # (N, T, picture, digit)
    straight, crossed = far[..., 0, 0] + far[..., 1, 1], far[..., 0, 1] + far[..., 1, 0]
    first = (straight < crossed).float()
    stays = torch.maximum(first.mean(1), 1 - first.mean(1)).mean()
    return (
        f"two pictures: {torch.minimum(straight, crossed).mean() / 2:.1f} pixels from the digits, with the same one in "
        f"{stays:.3f} of the frames, {(first.diff(dim=1) != 0).sum(1).float().mean():.2f} changes a film; the first is "
        f"the left one in {(own[:, :, 0, 1] < own[:, :, 1, 1]).float().mean():.3f}"
    )


def paces(model: Model, evidence: Sequence[Evidence], steps: int) -> dict[str, tuple[float, float]]:
    """The lag-1 correlation of each level's posterior means, by ticks and by frames."""
    means: dict[str, list[Tensor]] = {}
    for part in evidence:
        trace = run(model, posterior, part)
        for name in names(model):
            series = torch.stack([r.q.loc for r in trace.latents if r.name == name and isinstance(r.q, Normal)], 1)
            means.setdefault(name, []).append(series)
    whole = {name: torch.cat(parts) for name, parts in means.items()}
    return {name: (lagged(m), lagged(m.repeat_interleave(-(-steps // m.shape[1]), 1))) for name, m in whole.items()}


def lagged(series: Tensor) -> float:
    """The correlation of a step with the next, of (N, K, D)."""
    rest = series - series.mean((0, 1))
    before, after = rest[:, :-1], rest[:, 1:]
    scale = (before.square().sum() * after.square().sum()).sqrt()
    return float((before * after).sum() / scale) if series.shape[1] > 1 else float("nan")


def interval(values: Tensor) -> str:
    """A mean and its 95 % interval over films."""
    return f"{values.mean():6.3f} +- {1.96 * values.std() / len(values) ** 0.5:.3f}"


@torch.no_grad()
def report(network: nn.Module, folder: str, root: str, split: str, count: int) -> Tensor:
    """The two tables of one run; -ELBO of each film in nats, (N,)."""
    subject = open_run(folder, {"data.root": root}, print)
    model, part = subject.run.model, getattr(subject.data, split)  # in the order in which they were drawn
    truth = present(shown(subject.run.config.data, digits(root, "test")[1], split))[:count]
    films = torch.cat([part.batch([i]).x for i in range(count)])
    print(f"{folder}: {count} films of the split {split}")
    print(f"{'films themselves':24} digits {interval(shared(opinion(network, films), truth))}")
    with still(model, 0):
        evidence = [model.evidence(chunk) for chunk in films.split(20)]
        levels = names(model)
        holds = {"all held": levels, **{f"{name} held": [name] for name in levels}}
        holds |= {f"all but {name} held": [n for n in levels if n != name] for name in levels if len(levels) > 2}
        for title, own in {**holds, "nothing held": []}.items():
            again = torch.cat([redrawn(model, chunk, own) for chunk in evidence])
            same = interval(shared(opinion(network, again), truth))
            print(f"{title:24} digits {same}   motion {interval(alike(centres(films), centres(again)))}", flush=True)
        for name, (ticks, steps) in paces(model, evidence, films.shape[1]).items():
            print(f"{name:24} lag-1 correlation of the means: {ticks:6.3f} by ticks, {steps:6.3f} by frames")
        for part in model.modules():
            if isinstance(part, Sprites) and subject.run.config.data.digits == 2:
                print(companions(model, part, evidence, subject.run.config.data, split))
        return -torch.cat([run(model, posterior, chunk).elbo() for chunk in evidence])


def main() -> None:
    rest, dotted = split_dotted(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--split", choices=["valid", "test"], default="test")
    parser.add_argument("--steps", type=int, default=1500, help="training steps of the classifier, 64 frames each")
    parser.add_argument("-n", type=int, default=100)
    args, root = parser.parse_args(rest), dotted.get("data.root", "")
    start = time.perf_counter()
    torch.manual_seed(0)
    number = open_run(args.runs[0], {"data.root": root}, print).run.config.data.digits
    network = classifier(*digits(root, "train"), number, args.steps)
    with torch.no_grad():
        x, y = frames(*digits(root, "test"), 2000, number, torch.Generator().manual_seed(1))
        marks = shared(network(x), y)
    print(f"classifier: {time.perf_counter() - start:.0f} s; single frames of test digits: names {interval(marks)}")
    nats = {folder: report(network, folder, root, args.split, args.n) for folder in args.runs}
    for folder, each_film in nats.items():
        above = interval(each_film - nats[args.runs[0]])
        print(f"{folder}: -ELBO {interval(each_film)} nats a film, above that of the first by {above}")


if __name__ == "__main__":
    main()
