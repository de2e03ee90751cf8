"""An evaluation for people: its headlines, one table of the levels, and what comes back from the top of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group

from hvae.cli.evaluation.judgement import tells
from hvae.cli.voice import table
from hvae.runs.protocol import Convention
from hvae.screen.numbers import interval, number

Record = Mapping[str, Any]
ELSEWHERE = "a wider window, the report, or --json"
Headline = tuple[str, str, str]


def summary(found: Record) -> Group:
    """The numbers for people."""
    made = table("", "", "")
    for name, value, note in headlines(found):
        made.add_row(name, value, note)
    if "activity" in found:
        made.add_row("verdict", "", conclusion(found))
    for name, line in found.get("skipped", {}).items():
        made.add_row("not measured", name, line)
    parts = (part for group in (_levels(found), _tops(found)) if group for part in group.renderables)
    return Group(made, *parts)


def conclusion(found: Record) -> str:
    """What is made of all the levels together; records of earlier versions have that of their activity alone."""
    return str(found["verdict"]["text"] if "verdict" in found else found["activity"]["verdict"])


def headlines(found: Record) -> Iterator[Headline]:
    """Name, value with unit, and what it is, of each number that stands for the whole."""
    for change in found.get("data_changes", ()):
        yield "data changed", "during training", f"{change}; some of what is scored may have been trained on"
    if result := found.get("likelihood"):
        yield from _likelihood(found, result)
    # Records of before protocols had names lack it.
    if (protocol := found.get("protocol")) and "likelihood" in found:
        yield "protocol", protocol["name"], _sentence(protocol, found["likelihood"])
        if protocol["stated"]:
            value, _, whose = protocol["stated"].partition(", ")
            yield "stated", value, f"{whose}, by the same protocol"
    if back := found.get("reconstruction"):
        yield from _reconstruction(back)
    if (coarse := found.get("coarse_to_fine")) and tells(coarse):
        mirror = coarse.get("top_swapped", coarse["top_redrawn"])
        note = f"redraws agree on the class with the top {coarse['held']} held; mirror {mirror:.0%}"
        yield "coarse to fine", f"{coarse['top_held']:.0%}", f"{note}; chance {coarse['chance']:.0%}"
    if hierarchical := found.get("hierarchical"):
        yield from map(_hierarchical, hierarchical["bounds"])
    if quality := found.get("quality"):
        yield from _quality(quality)


def _sentence(protocol: Record, result: Record) -> str:
    return Convention(**{"reading": "exact", **protocol}).sentence(result["samples"], result["data"])


def _likelihood(found: Record, result: Record) -> Iterator[Headline]:
    """Each bound with its interval, K, and the data that it is of: without them it is comparable with nothing."""
    k, of = result["samples"], task(found)
    yield "-ELBO", f"{_spread(result['negative_elbo_nats'])} nats", f"upper bound on -log p(x), K = {k}, {of}"
    draws = f"effective samples {number(result['effective_samples'])} of {k}"
    yield f"-IW-{k}", f"{_spread(result['negative_iw_nats'])} nats", f"tighter bound, K = {k}, {draws}, {of}"
    if result["iw_bits_per_dim"] and found["data"]["bits"] > 1:
        # With one sample the bound is the ELBO, whose rates are closed forms.
        bound, key = (f"-IW-{k}", "iw_bits_per_dim") if k > 1 else ("-ELBO", "elbo_bits_per_dim")
        yield "bits/dim", _spread(result[key]), f"from {bound}, {result['dims']} values a datum, {of}"


def task(found: Record) -> str:
    """The data of a number: how many of which, in which version, depth and binarisation.

    >>> data = {"name": "mnist", "bits": 1, "binarisation": "static", "version": "", "shape": [1, 28, 28]}
    >>> task({"likelihood": {"data": 1000, "likelihood": "mass"}, "split": "test", "data": data})
    '1,000 test data of mnist (1x28x28, 1 bit, static binarisation, as published)'
    """
    result, data = found["likelihood"], found["data"]
    drawn = f"{data['binarisation']} binarisation" if data["binarisation"] != "none" else "not binarised"
    form = f"{'x'.join(map(str, data['shape']))}, {data['bits']} bit, {drawn}, {data['version'] or 'as published'}"
    density = "; a density, not comparable with bits" if result["likelihood"] == "density" else ""
    return f"{result['data']:,} {found['split']} data of {data['name']} ({form}){density}"


def _reconstruction(back: Record) -> Iterator[Headline]:
    alike = back["ms_ssim"]
    other = f"; MS-SSIM {alike['mean']:.3f} over {back['ms_ssim_scales']} scales" if alike else ""
    means = "" if back.get("exact_mean", True) else "approximate means, "
    yield "PSNR", f"{_spread(back['psnr_db'])} dB", f"{means}reconstructions of {back['data']:,} data{other}"


def _hierarchical(bound: Record) -> Headline:
    shared, m, k = bound["shared"], bound["groups"], bound["samples"]
    name = f"shared {shared[0]}" + (f" to {shared[-1]}" if len(shared) > 1 else "")
    gap = f"of the ELBO's gap the other levels answer for {_spread(bound['gap_below_nats'])} nats at least"
    return f"-HIW-{m}x{k}", f"{_spread(bound['negative_hiw_nats'])} nats", f"{name}, {bound['data']:,} data; {gap}"


def _quality(found: Record) -> Iterator[Headline]:
    by = f"{found['generated']:,} samples ({found['samples']}), {found['real']:,} real; {found['extractor']}; "
    by += f"resizing {found['resizing']}; {found['note']}"
    yield "FID", number(found["fid"]), by
    subsets = f"100 subsets of {found['kid_subset']:,}" if "kid_subset" in found else "its subsets"
    yield "KID", f"{number(found['kid'])} ± {number(found['kid_deviation'])}", f"deviation over {subsets}; same samples"
    yield "precision, recall", f"{found['precision']:.3f}, {found['recall']:.3f}", "same samples"
    yield "density, coverage", f"{found['density']:.3f}, {found['coverage']:.3f}", "same samples"
    if score := found["inception_score"]:
        value = f"{number(score['mean'])} ± {number(score['deviation'])}"
        own = score["classifier"] == found["extractor"]
        whose = "the same network and samples" if own else f"{score['classifier']}, not the Inception network"
        yield "inception score", value, f"by {whose}"
    elif line := found.get("no_inception_score"):  # records of before the Inception lack it
        yield "inception score", "not measured", line


def _spread(measured: Mapping[str, float | None]) -> str:
    """A mean with its 95 % interval."""
    return interval(measured["mean"], measured["low95"], measured["high95"])


def level_columns(found: Record) -> dict[str, dict[str, str]]:
    """One table of the levels, top first: {level: {title: text}}; what was not measured has no column."""
    rows: dict[str, dict[str, str]] = {}
    for column in (_rates, _information, _activity, _classes, _factors):
        for level, cells in column(found).items():
            rows.setdefault(level, {}).update(cells)
    return rows


def _rates(found: Record) -> dict[str, dict[str, str]]:
    levels = (found.get("likelihood") or found.get("activity") or {"levels": {}})["levels"]
    return {
        name: {"nats": number(level["rate_nats"]), "nats/dim": number(level["rate_nats_per_dim"])}
        for name, level in levels.items()
    }


def _information(found: Record) -> dict[str, dict[str, str]]:
    result = found.get("mutual")
    if not result:
        return {}
    from hvae.metrics.mutual import CLOSE

    ceiling = result["ceiling_nats"] - CLOSE
    return {
        name: {
            "I(x; z)": _small(level["information_nats"]) + _full(level.get("saturated", result["saturated"])),
            "KL(q(z) || p)": number(level["marginal_kl_nats"]["mean"]),
            "I held": _small(level["held_nats"]) + _full((level["held_nats"]["stratified"]["mean"] or 0.0) > ceiling),
        }
        for name, level in result["levels"].items()
    }


def _full(saturated: bool) -> str:
    return " full" if saturated else ""


def _small(information: Record) -> str:
    return number(information["stratified"]["mean"])


def _activity(found: Record) -> dict[str, dict[str, str]]:
    result = found.get("activity") or {"levels": {}}
    return {
        name: {
            "active": f"{level['active_dims']:,} of {level['dims']:,}",
            "used": f"{level['used_dims']:,}",
            "verdict": (found["verdict"]["levels"][name] if "verdict" in found else level)["state"],
        }
        for name, level in result["levels"].items()
    }


def _classes(found: Record) -> dict[str, dict[str, str]]:
    result = found.get("classes") or {"levels": {}}
    return {
        name: {"probe": f"{level['probe_accuracy']:.1%}", "NMI": f"{level['nmi']:.2f}", "ARI": f"{level['ari']:.2f}"}
        for name, level in result["levels"].items()
    }


def _factors(found: Record) -> dict[str, dict[str, str]]:
    result = found.get("disentanglement") or {"levels": {}}
    titles = {"MIG": "mig", "DCI d": "dci_disentanglement", "SAP": "sap", "FactorVAE": "factor_vae"}
    return {
        name: {
            **{title: f"{level[key]:.2f}" for title, key in titles.items()},
            "carries": ", ".join(f"{factor} {share:.0%}" for factor, share in _most(level["carries"])),
        }
        for name, level in result["levels"].items()
    }


def _most(carries: Mapping[str, float]) -> list[tuple[str, float]]:
    """The three factors that a level says most of, those it says little of left out."""
    return [(name, share) for name, share in sorted(carries.items(), key=lambda pair: -pair[1])[:3] if share > 0.1]


def notes(found: Record) -> list[str]:
    """What the columns of the levels must be read with."""
    said = []
    if result := found.get("mutual"):
        bound = result["total"]["information_nats"]["at_least"]["mean"]
        full = (
            "; full: at the end of the scale, where neither I nor rate - I is an estimate any more (what holds in "
            f"expectation: all levels say at least {number(bound)})"
            if result["saturated"]
            else ""
        )
        said.append(
            f"I(x; z) given the levels drawn before, nats: minibatch-stratified, {result['batch']} of "
            f"{result['population']:,} data, biased upwards, up to log N = {number(result['ceiling_nats'])}{full}; "
            f"KL(q(z) || p) = rate - I; I held: against q replayed on the levels before, not bounded by what they say; "
            f"all levels together: I(x; z) {_small(result['total']['information_nats'])}, KL(q(z) || p(z)) "
            f"{number(result['total']['marginal_kl_nats']['mean'])}"
        )
    if result := found.get("classes"):
        said.append(
            f"probe (chance {result['chance']:.1%}), NMI and ARI of k-means: {result['codes']} of q, "
            f"{result['data']:,} data, {result['dims_at_most']} dimensions of a level at most"
        )
    if result := found.get("disentanglement"):
        said.append(
            f"MIG, DCI disentanglement, SAP, FactorVAE score; carries: share of a factor beyond chance that a forest "
            f"reads from the level: {result['codes']} of q, {result['data']:,} data"
        )
    return said


_FIRST_TO_GO = ("ARI", "SAP", "FactorVAE", "DCI d", "NMI", "MIG", "carries", "probe", "used", "nats/dim", "I held")


def _levels(found: Record) -> Group | None:
    rows = level_columns(found)
    if not rows:
        return None
    titles = list(dict.fromkeys(title for cells in rows.values() for title in cells))
    made = table("level", *titles, "", first_to_go=_FIRST_TO_GO, elsewhere=ELSEWHERE)
    for name, cells in rows.items():
        made.add_row(name, *(cells.get(title, "") for title in titles), "")
    return Group("", made, *notes(found))


def top_rows(found: Record) -> list[tuple[str, ...]]:
    """What the top k levels give when the others are drawn from the prior: levels, nats, bits/dim, PSNR."""
    result = found.get("contribution")
    return [_top_row(row) for row in result["top"]] if result else []


TOP_HEADS = ("levels inferred", "rate, nats", "-bound, nats", "bits/dim", "PSNR, dB")


def _top_row(row: Record) -> tuple[str, ...]:
    lowest = row["lowest"]
    name = "none" if not lowest else lowest if row["levels"] == 1 else f"top {row['levels']}, to {lowest}"
    bits = row["bits_per_dim"]
    numbers = (_spread(row["negative_bound_nats"]), _spread(bits) if bits else "", _spread(row["psnr_db"]))
    return name, number(row["rate_nats"]), *numbers


def top_note(found: Record) -> str:
    """What the rows of the top levels are of."""
    return f"top levels from the data, the others drawn from the prior; {found['contribution']['data']:,} data"


def _tops(found: Record) -> Group | None:
    rows = top_rows(found)
    if not rows:
        return None
    made = table(*TOP_HEADS, "", elsewhere=ELSEWHERE)
    for row in rows:
        made.add_row(*row, "")
    return Group("", made, top_note(found))
