"""hvae: hierarchical and ladder variational autoencoders.

A model is a walk over its random variables, a draw decides where their values come from, and a trace is what the walk
leaves behind.

    import hvae

    run = hvae.load("runs/digits")                        # a trained model and its configuration
    trace = run.model(x)                                  # x (B, C, H, W) in [0, 1]
    trace.elbo(), trace.rates()                           # (B,) nats, {level: (B,) nats}
    hvae.sample(run.model, 16, temperature={"z3": 0.7})   # (16, C, H, W)

Names are loaded when they are first used: importing hvae costs nothing, and torch comes with the first model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hvae.checkpoints import LoadedRun, load
    from hvae.coding import Codec
    from hvae.condition import Condition
    from hvae.config import PRESETS, ModelConfig, RunConfig, family, preset
    from hvae.datum import Datum
    from hvae.draw import (
        Draw,
        Drawn,
        by_step,
        each,
        forget,
        given,
        guided,
        masked,
        mode,
        posterior,
        prior,
        replay,
        thin,
    )
    from hvae.errors import HvaeError
    from hvae.explore import (
        cells,
        decode,
        encode,
        from_top,
        interpolate,
        mix,
        reconstruct,
        sample,
        top_held,
        top_redrawn,
        traverse,
    )
    from hvae.inspection import Inspection, inspect
    from hvae.metrics import activity, bounds, extractor
    from hvae.objectives import ELBO, IWAE
    from hvae.site import Site
    from hvae.study.augment import augment
    from hvae.study.augmented import Augmentation
    from hvae.study.compare import Comparison, compare
    from hvae.study.compress import compress
    from hvae.study.decompress import decompress
    from hvae.study.evaluate import evaluate
    from hvae.study.evaluation import Evaluation
    from hvae.study.export import Export, export
    from hvae.study.forgetting import Forgetting, forgetting
    from hvae.study.gifts.cached import from_pretrained
    from hvae.study.gifts.pull import Pull, pull
    from hvae.study.gifts.push import Push, push
    from hvae.study.grow import Growth, grow
    from hvae.study.listen import ListeningTest, listen, opinions
    from hvae.study.listening.opinions import Opinions
    from hvae.study.report import report
    from hvae.study.restore import restore
    from hvae.study.restored import Restoration
    from hvae.study.score import Scores, score
    from hvae.study.slides.score import SlideScores, score_slide
    from hvae.study.train import TrainedRun, train
    from hvae.study.transformer import Features
    from hvae.training import FitResult, fit
    from hvae.walk import Evidence, Model, Record, Trace, names, run
    from hvae.zoo import build

__version__ = "0.1.0"

_PLACES = {
    "checkpoints": ("LoadedRun", "load"),
    "coding": ("Codec",),
    "config": ("PRESETS", "ModelConfig", "RunConfig", "family", "preset"),
    "condition": ("Condition",),
    "datum": ("Datum",),
    "draw": (
        "Draw",
        "Drawn",
        "by_step",
        "coarse",
        "each",
        "forget",
        "given",
        "guided",
        "masked",
        "mode",
        "posterior",
        "prior",
        "replay",
        "solver",
        "thin",
    ),
    "errors": ("HvaeError",),
    "explore": (
        "cells",
        "decode",
        "encode",
        "from_top",
        "interpolate",
        "mix",
        "reconstruct",
        "sample",
        "top_held",
        "top_redrawn",
        "traverse",
    ),
    "inspection": ("Inspection", "inspect"),
    "metrics": ("activity", "bounds", "extractor"),
    "objectives": ("ELBO", "IWAE"),
    "site": ("Site",),
    "study.augment": ("Augmentation", "augment"),
    "study.compare": ("Comparison", "compare"),
    "study.compress": ("compress",),
    "study.decompress": ("decompress",),
    "study.score": ("Scores", "score"),
    "study.slides.score": ("SlideScores", "score_slide"),
    "study.evaluate": ("evaluate",),
    "study.evaluation": ("Evaluation",),
    "study.export": ("Export", "export"),
    "study.forgetting": ("Forgetting", "forgetting"),
    "study.gifts.cached": ("from_pretrained",),
    "study.gifts.pull": ("Pull", "pull"),
    "study.gifts.push": ("Push", "push"),
    "study.grow": ("Growth", "grow"),
    "study.listen": ("ListeningTest", "listen", "opinions"),
    "study.listening.opinions": ("Opinions",),
    "study.report": ("report",),
    "study.restore": ("restore",),
    "study.restored": ("Restoration",),
    "study.train": ("TrainedRun", "train"),
    "study.transformer": ("Features",),
    "training": ("FitResult", "fit"),
    "walk": ("Evidence", "Model", "Record", "Trace", "names", "run"),
    "zoo": ("build",),
}
_PLACE = {name: f"hvae.{module}" for module, names in _PLACES.items() for name in names}

__all__ = [  # noqa: RUF022, the order of _PLACES
    "LoadedRun",
    "load",
    "Codec",
    "PRESETS",
    "ModelConfig",
    "RunConfig",
    "family",
    "preset",
    "Condition",
    "Datum",
    "Draw",
    "Drawn",
    "by_step",
    "coarse",
    "each",
    "forget",
    "from_pretrained",
    "given",
    "guided",
    "masked",
    "mode",
    "posterior",
    "prior",
    "replay",
    "solver",
    "thin",
    "HvaeError",
    "cells",
    "decode",
    "encode",
    "from_top",
    "interpolate",
    "mix",
    "reconstruct",
    "sample",
    "top_held",
    "top_redrawn",
    "traverse",
    "Inspection",
    "inspect",
    "activity",
    "bounds",
    "extractor",
    "ELBO",
    "IWAE",
    "Site",
    "Augmentation",
    "augment",
    "Comparison",
    "compare",
    "compress",
    "decompress",
    "Scores",
    "score",
    "SlideScores",
    "score_slide",
    "evaluate",
    "Evaluation",
    "Export",
    "export",
    "Forgetting",
    "forgetting",
    "Pull",
    "pull",
    "Push",
    "push",
    "Growth",
    "grow",
    "ListeningTest",
    "listen",
    "opinions",
    "Opinions",
    "report",
    "restore",
    "Restoration",
    "TrainedRun",
    "train",
    "Features",
    "FitResult",
    "fit",
    "Evidence",
    "Model",
    "Record",
    "Trace",
    "names",
    "run",
    "build",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACE:
        raise AttributeError(f"module 'hvae' has no attribute '{name}'")
    value = getattr(import_module(_PLACE[name]), name)
    globals()[name] = value  # the next look-up finds it at once
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
