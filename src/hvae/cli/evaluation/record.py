"""evaluation.json: the form of what a measure leaves there, and the one reader that believes no more than that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hvae.config.evaluate import MEASURES
from hvae.errors import HvaeError
from hvae.records import Each, check, read_json

_NUMBER = (None, float)  # NaN is stored as null
_MEAN = {"mean": _NUMBER, "standard_error?": _NUMBER}
_INTERVAL = (
    {**_MEAN, "mean": None},
    {**_MEAN, "mean": float, "low95": None},
    {**_MEAN, "mean": float, "low95": float, "high95": float},
)
_INFORMATION = {"stratified": _MEAN, "at_least": _MEAN}
_SPLIT = {"information_nats": _INFORMATION, "marginal_kl_nats": _MEAN}
_RATE = {"rate_nats": _NUMBER, "rate_nats_per_dim": _NUMBER}
_BOUNDS = {
    **{"data": int, "dims": int, "samples": int, "likelihood": str, "effective_samples": _NUMBER},
    **{"negative_elbo_nats": _INTERVAL, "negative_iw_nats": _INTERVAL, "levels": Each(_RATE)},
}
_TOP = {"levels": int, "lowest": str, "rate_nats": _NUMBER, "bits_per_dim": (None, *_INTERVAL)}
_TOP |= {"negative_bound_nats": _INTERVAL, "psnr_db": _INTERVAL}
_DISTANCES = ("fid", "kid", "kid_deviation", "precision", "recall", "density", "coverage")
_CODES = {"codes": str, "data": int}

FORMS: dict[str, Any] = {
    "likelihood": (
        {**_BOUNDS, "elbo_bits_per_dim": None, "iw_bits_per_dim": None},
        {**_BOUNDS, "elbo_bits_per_dim": _INTERVAL, "iw_bits_per_dim": _INTERVAL},
    ),
    "activity": {
        "verdict": str,
        "levels": Each({**_RATE, "dims": int, "active_dims": int, "used_dims": int, "state": str}),
    },
    "mutual": {
        **{"batch": int, "population": int, "ceiling_nats": float, "saturated": bool, "total": _SPLIT},
        "levels": Each({**_SPLIT, "held_nats": _INFORMATION, "saturated?": bool}),
    },
    "reconstruction": {
        **{"data": int, "psnr_db": _INTERVAL, "ms_ssim_scales": int},
        "ms_ssim": (None, {"mean": float, "standard_error": _NUMBER}),
    },
    "contribution": {"data": int, "top": [_TOP]},
    "maps": {"data": int, "levels": Each({"most_nats": _NUMBER})},
    "coarse-to-fine": {
        **{"top_held": float, "top_redrawn": float, "top_swapped?": float, "chance": float},
        **{"held": int, "redraws": int, "groups": int, "classifier?": str},
    },
    "hierarchical": {
        "bounds": [
            {
                **{"shared": [str], "groups": int, "samples": int, "data": int},
                **{"negative_hiw_nats": _INTERVAL, "gap_below_nats": _INTERVAL},
            }
        ]
    },
    "classes": {
        **_CODES,
        **{"chance": float, "dims_at_most": int},
        "levels": Each({"probe_accuracy": float, "nmi": float, "ari": float}),
    },
    "quality": {
        **dict.fromkeys(_DISTANCES, float),
        **{"generated": int, "real": int, "samples": str, "extractor": str, "resizing": str, "note": str},
        **{"kid_subset?": int, "no_inception_score?": (None, str)},
        "inception_score": (None, {"mean": float, "deviation": float, "classifier": str}),
    },
    "disentanglement": {
        **_CODES,
        "levels": Each(
            {"mig": float, "dci_disentanglement": float, "sap": float, "factor_vae": float, "carries": Each(float)}
        ),
    },
}
"""What each measure leaves, as far as anything of it is shown, ranked or compared."""
assert list(FORMS) == list(MEASURES)


def key(measure: str) -> str:
    """Under which key of the record a measure stands."""
    return measure.replace("-", "_")


def _record() -> dict[str, Any]:
    from hvae.checkpoints.description import PROVENANCE

    protocol = {"name": str, "about": str, "kept": bool, "likelihood": str, "reading": str, "stated": (None, str)}
    return {
        **{"step": int, "split": str, "data": PROVENANCE, "protocol?": {**protocol, "unlike?": (None, str)}},
        **{"settings?": str, "skipped?": Each(str), "unlike_training?": [str]},
        **{f"{key(name)}?": (None, form) for name, form in FORMS.items()},
    }


def read_evaluation(path: Path) -> dict[str, Any]:
    """The record of an evaluation.  Raises HvaeError when it is damaged, or is none."""
    record = read_json(path, _record())
    for name in MEASURES:
        check_stage(name, record.get(key(name)), path)
    return record


def check_stage(name: str, stage: Any, path: Path) -> None:
    """Raises HvaeError unless the result of a measure has its form; there may be none."""
    if not stage:
        return
    check(stage, FORMS[name], name)
    empty = {
        "likelihood": lambda: not stage["levels"],
        "classes": lambda: not stage["levels"],
        "disentanglement": lambda: not stage["levels"],
        "hierarchical": lambda: not all(bound["shared"] for bound in stage["bounds"]),
    }
    if name in empty and empty[name]():
        raise HvaeError(f"{path} is damaged ({name} is of no level); delete it and run the command again")


def name_of(settings: object) -> str:
    """A part of a file name for the settings of an evaluation: the beginning of their digest, and never a path."""
    text = str(settings)
    return text[:8] if re.fullmatch(r"[0-9a-f]{64}", text) else "of-other-settings"
