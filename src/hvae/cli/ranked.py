"""The numbers of an evaluation that can be ranked, each under a title that says all it depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hvae.reporting.comparison import Measure

Record = Mapping[str, Any]
Titled = Iterator[tuple[str, "Measure"]]


def measures(record: Record) -> dict[str, Measure]:
    """Every number that has a better and a worse; rates and informations have none."""
    found: dict[str, Measure] = {}
    for measure in (_bounds, _hierarchical, _reconstruction, _coarse_to_fine, _quality, _classes, _factors):
        found.update(measure(record))
    return found


def _estimated(estimate: Mapping[str, float], *, low: bool = True) -> Measure:
    from hvae.reporting.comparison import Measure

    return Measure(value=estimate["mean"], error=estimate["standard_error"], low=low)


def _number(value: float, *, low: bool = False) -> Measure:
    from hvae.reporting.comparison import Measure

    return Measure(value=value, low=low)


def _bounds(record: Record) -> Titled:
    """A bound and its K are of the title: columns of other bounds are not ranked with it."""
    result = record["likelihood"]
    k, bits = result["samples"], record["data"]["bits"] > 1
    yield "-ELBO, nats", _estimated(result["negative_elbo_nats"])
    if k > 1:
        yield f"-IW-{k}, nats", _estimated(result["negative_iw_nats"])
    if bits and result["elbo_bits_per_dim"]:
        yield "-ELBO, bits/dim", _estimated(result["elbo_bits_per_dim"])
        if k > 1:
            yield f"-IW-{k}, bits/dim", _estimated(result["iw_bits_per_dim"])


def _hierarchical(record: Record) -> Titled:
    for bound in (record.get("hierarchical") or {"bounds": []})["bounds"]:
        shared = f"{len(bound['shared'])} of the levels shared, {bound['data']:,} data"
        yield f"-HIW-{bound['groups']}x{bound['samples']}, nats ({shared})", _estimated(bound["negative_hiw_nats"])


def _reconstruction(record: Record) -> Titled:
    if found := record.get("reconstruction"):
        of = f"of {found['data']:,} reconstructions"
        yield f"PSNR {of}, dB", _estimated(found["psnr_db"], low=False)
        if found.get("ms_ssim"):
            yield f"MS-SSIM {of}, {found['ms_ssim_scales']} scales", _estimated(found["ms_ssim"], low=False)


def _coarse_to_fine(record: Record) -> Titled:
    if coarse := record.get("coarse_to_fine"):
        judge = f" by {coarse['classifier']}" if coarse.get("classifier") else ""
        yield f"top {coarse['held']} held, agreement of {coarse['redraws']} redraws{judge}", _number(coarse["top_held"])


def _quality(record: Record) -> Titled:
    """Distances of samples; without the extractor and the counts they mean nothing."""
    found = record.get("quality")
    if not found:
        return
    by = f" ({found['extractor']}; {found['real']:,} real, {found['generated']:,} generated)"
    for title, key in (("FID", "fid"), ("KID", "kid")):
        yield title + by, _number(found[key], low=True)
    for key in ("precision", "recall", "density", "coverage"):
        yield key + by, _number(found[key])
    if score := found.get("inception_score"):
        yield f"inception score ({score['classifier']}; {found['generated']:,} generated)", _number(score["mean"])


def _classes(record: Record) -> Titled:
    if found := record.get("classes"):
        best = max(level["probe_accuracy"] for level in found["levels"].values())
        yield f"linear probe of the best level ({found['codes']}, {found['data']:,} data)", _number(best)


def _factors(record: Record) -> Titled:
    found = record.get("disentanglement")
    if not found:
        return
    titles = {"mig": "MIG", "dci_disentanglement": "DCI disentanglement", "sap": "SAP", "factor_vae": "FactorVAE score"}
    for key, title in titles.items():
        best = max(level[key] for level in found["levels"].values())
        yield f"{title} of the best level ({found['codes']}, {found['data']:,} data)", _number(best)
