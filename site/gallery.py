"""The gallery: what trained models draw, a card for each run, drawn anew whenever the pages are built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import hvae
from hvae.config.data import KIND_OF
from hvae.study.samples import draw_samples
from hvae.study.sequence_files import usual_suffix
from hvae.study.sequence_samples import SequenceSamples

NUMBER, SEQUENCES, WIDTH = 16, 4, 480
"""Pictures of a run; sequences of one; and the width that pictures are brought to, in pixels."""
HEAD = """# Gallery

Samples of the models that come with hvae: latents from the prior, the mean of the likelihood, seed 0, the first that
come. Each is drawn by the command below it when these pages are built. `python site/build.py --gallery RUN ...` adds
run folders of yours.
"""


def gallery(runs: Iterable[str], folder: Path) -> str:
    """The page; its pictures are written into `folder`."""
    folder.mkdir()
    cards = "\n".join(line for run in runs for line in _card(run, folder))
    return f"{HEAD}\n::::{{grid}} 1 2 3 3\n{cards}\n::::\n"


def _card(run: str, folder: Path) -> Iterator[str]:
    loaded = hvae.load(run)
    config, model = loaded.config, loaded.model
    name = Path(run).name
    context = {key: ",".join(map(str, range(one.classes))) for key, one in model.conditions.items() if one.classes}
    count = max((one.classes for one in model.conditions.values()), default=0) or NUMBER
    suffix = usual_suffix(KIND_OF.get(config.data.name, config.data.kind)) if model.timed else ".png"
    number = SEQUENCES if model.timed else count
    samples = draw_samples(
        run,
        folder / f"{name}{suffix}",
        number=number,
        context=context,
        seed=0,
        enlarge="auto" if model.timed else str(max(1, WIDTH // (8 * model.shape[-1]))),
    )
    words = "".join(f" --context {key}={value}" for key, value in context.items())
    yield f":::{{grid-item-card}} {name}"
    if suffix == ".txt":
        yield f"```text\n{samples.file.read_text().rstrip()}\n```"
    elif isinstance(samples, SequenceSamples):
        yield f"{len(samples.sequences)} sequences of {samples.sequences.shape[1]} steps"
    else:
        yield f"![samples of {name}](gallery/{samples.file.name})"
    yield f"\n[{config.model.family}](families/{config.model.family}.md), {config.data.name}\n"
    yield f"`hvae sample {run} -n {number}{words} --seed 0`\n:::"
