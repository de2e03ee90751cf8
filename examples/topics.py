"""Topic above, wording below?  Sentences of a grammar, a two-level VRAE, and what each level knows of them.

    python examples/topics.py [--steps 1500] [--seeds 3] [--out runs/topics]

A sentence has one of eight topics, which choose its nouns, verbs and adjectives (three of each, any of them), and one
of eight wordings, which choose its order and its function words; both are drawn independently.  Printed is how often a
linear probe on the posterior means of a level (z2 above z1, as many dimensions each) names the topic, the wording and
the first noun of held-out sentences, by seed; and the rate of each level, nats a sentence.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import torch

import hvae
from hvae import mode, names, run
from hvae.data import load_any
from hvae.metrics.codes import Codes
from hvae.metrics.probe import classes
from hvae.walk import still

TOPICS = {
    "sea": "ship wave sailor | sinks carries sees | wet deep salty",
    "farm": "cow field farmer | feeds ploughs owns | green muddy early",
    "law": "judge court thief | accuses hears frees | guilty strict fair",
    "music": "violin singer tune | plays follows ends | loud slow sweet",
    "space": "rocket planet pilot | orbits leaves finds | distant cold bright",
    "kitchen": "cook soup oven | burns stirs serves | hot spicy fresh",
    "war": "soldier tank general | attacks guards fears | brave armed lost",
    "school": "teacher pupil lesson | explains forgets likes | clever boring short",
}
WORDINGS = (
    "the {0} {2} the {1} .",
    "does the {0} , which {2} , know the {3} {1} ?",
    "no {3} {0} ever {2} a {1} .",
    "yesterday the {1} said that the {0} {2} it .",
    "it is the {0} that {2} every {3} {1} .",
    "if a {0} {2} the {1} , all is {3} .",
    "what a {3} {0} , it {2} this {1} !",
    "some say : the {3} {0} {2} our {1} .",
)


def sentence(random: random.Random) -> tuple[str, tuple[int, int, int]]:
    """A sentence, and its topic, its wording and the number of its first noun.

    >>> sentence(random.Random(0))
    ('the teacher likes the lesson .', (7, 0, 0))
    """
    topic, wording = random.randrange(len(TOPICS)), random.randrange(len(WORDINGS))
    nouns, verbs, adjectives = (part.split() for part in list(TOPICS.values())[topic].split("|"))
    first, second = random.sample(range(len(nouns)), 2)
    words = (nouns[first], nouns[second], random.choice(verbs), random.choice(adjectives))
    return WORDINGS[wording].format(*words), (topic, wording, first)


def written(folder: Path, seed: int = 0) -> torch.Tensor:
    """train.txt, valid.txt and test.txt, a sentence a line; the classes of the test sentences, (N, 3)."""
    source = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        name: [sentence(source) for _ in range(n)] for name, n in {"train": 8000, "valid": 500, "test": 1500}.items()
    }
    for name, lines in parts.items():
        (folder / f"{name}.txt").write_text("".join(f"{text}\n" for text, _ in lines), encoding="utf-8")
    return torch.tensor([labels for _, labels in parts["test"]])


def probes(folder: Path, labels: torch.Tensor) -> str:
    """Probe accuracy of each level for each kind of class, and its rate."""
    trained = hvae.load(folder)
    data, model = load_any(trained.config.data), trained.model
    with still(model, seed=0):
        trace = run(model, mode, model.evidence(data.test.batch(range(len(labels)))))
    rates = {name: float(rate.mean()) for name, rate in trace.rates().items()}
    codes = Codes("means", {name: trace[name].value.double() for name in names(model)})
    scores = [classes(codes, labels[:, column]).levels for column in range(labels.shape[1])]
    return "\n".join(
        f"  {name}: topic {scores[0][name].probe_accuracy:.1%}, wording {scores[1][name].probe_accuracy:.1%}, "
        f"first noun {scores[2][name].probe_accuracy:.1%}; {rates[name]:.2f} nats at the means"
        for name in names(model)
    )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--steps", type=int, default=1500)
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--out", type=Path, default=Path("runs/topics"))
    args = words.parse_args()
    labels = written(args.out / "sentences")
    keys = {
        "data.name": "sequences",
        "data.path": str(args.out / "sentences"),
        "data.kind": "text",
        "data.tokens": "word",
        "model.latents": (16, 16),
        "model.vocabulary": 0,
        "model.state": 96,
        "model.width": 48,
        "train.steps": args.steps,
        "evaluate.samples": 1,
    }
    print(f"chance: topic 1/{len(TOPICS)}, wording 1/{len(WORDINGS)}, first noun 1/3")
    for seed in range(args.seeds):
        folder = args.out / str(seed)
        hvae.train("text-vrae", out=folder, overrides={**keys, "train.seed": seed})
        print(f"seed {seed}\n{probes(folder, labels)}", flush=True)


if __name__ == "__main__":
    main()
