"""hvae evaluate: the numbers of a trained model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from hvae.cli.evaluation.judgement import verdict_of
from hvae.cli.evaluation.measures import measures, possible
from hvae.cli.evaluation.network import check_source
from hvae.cli.evaluation.partial import Partial, fingerprint
from hvae.cli.evaluation.record import key, name_of, read_evaluation
from hvae.cli.evaluation.shown import summary
from hvae.cli.evaluation.work import Work
from hvae.cli.parser import Parser, add_keys, split_dotted, wants_help
from hvae.cli.trusting import trusted
from hvae.cli.voice import Voice
from hvae.config.evaluate import MEASURES
from hvae.errors import HvaeError
from hvae.runs import MEASURING, Claim, claiming
from hvae.runs.protocol import convention
from hvae.runs.provenance import write_json
from hvae.runs.source import shown_for_help
from hvae.runs.subject import Subject, open_run

NAME = "evaluation.json"
ABOUT = (
    "Measure a trained model on data it was not trained on: the ELBO, the importance-weighted bound, what each level "
    "spends, says of the data and adds to a reconstruction, and whether the top level decides what an image is; on "
    "request how well levels know classes and factors, and how good samples are. Writes RUN/evaluation.json; an "
    "interrupted evaluation goes on where it stopped."
)
EXAMPLES = (
    "hvae evaluate runs/digits",
    "hvae evaluate runs/digits --evaluate.samples 1000 --evaluate.limit 500",
    "hvae evaluate runs/digits --evaluate.measures quick,classes,quality",
    "hvae evaluate runs/sprites --evaluate.measures disentanglement --evaluate.factors sprites.npz",
    "hvae evaluate runs/vdvae-cifar10-seed1 --evaluate.protocol vdvae",
)
OWN = ("measures", "factors", "codes", "features", "features_size", "features_channels", "generated", "pairs", "held")
"""Settings that one measure alone reads, and records: others of an earlier evaluation stay as they are."""

UNITS = {
    "negative_elbo_nats": "nats a datum; above -log p(x) in expectation",
    "negative_iw_nats": "nats a datum; the importance-weighted bound with K = samples, between -log p(x) and -ELBO",
    "reconstruction_nats": "nats a datum; -E_q[log p(x given z)]",
    "bits_per_dim": "bits a value of a datum; none for densities",
    "rate_nats": "nats a datum; KL(q || p) of a level",
    "information_nats": "nats a datum; I(x; z_l given the levels drawn before); stratified: biased upwards, at most "
    "log N; weighted: too large by log B to log N; at_least and at_most: in expectation below and above",
    "marginal_kl_nats": "nats a datum; rate - stratified information, KL(q(z) || p)",
    "contribution": "top k levels inferred, the others drawn from the prior: -bound in nats and bits/dim, PSNR in dB",
    "maps": "nats at a place of a level, mean over data",
    "coarse_to_fine": "share of the most frequent class among redraws of an image, mean over images (_pairwise: pairs)",
}


def parser(argv: list[str], command: str = "evaluate", about: str = ABOUT, examples: Any = EXAMPLES) -> Parser:
    made = Parser(command, about, examples, "RUN [--KEY VALUE ...]")
    made.add_argument("run", metavar="RUN", help="a run folder that hvae train has written")
    if wants_help(argv):
        add_keys(made, {"evaluate": shown_for_help(argv).evaluate})
        made.add_argument("--data.root", metavar="FOLDER", help="where known data sets lie now, if they have moved")
    return made


def main(argv: list[str]) -> None:
    rest, dotted = split_dotted(argv)
    args = parser(rest).parse_args(rest)
    voice = Voice(args.json)
    with voice.working():
        subject = open_run(args.run, dotted, voice.tell, trusted(args, dotted))
        if line := subject.no_data():
            raise HvaeError(line)
        with claiming(subject.run.folder, MEASURING, tell=voice.tell) as measuring:
            found = evaluation(subject, voice, measuring)
    voice.answer(found)
    if not args.json:
        voice.show(summary(found))
        voice.show(f"written to {subject.run.folder / NAME}")


def evaluation(subject: Subject, voice: Voice, measuring: Claim) -> dict[str, Any]:
    """Every number, with what it is and where it comes from; also written to the run folder.

    What can be refused is refused before anything takes time.
    """
    check_source(subject.config, subject.trust)
    run, work = subject.run, Work(subject, voice)
    partial = Partial(measuring, fingerprint(subject))
    taken, left = possible(work, measures(partial))
    if partial.found:
        voice.tell("going on with an interrupted evaluation")
    settings = fingerprint(subject, *OWN)
    earlier = _earlier(run.folder / NAME, settings, voice)
    with partial.kept_on_any_end():
        for name, measure in taken.items():
            measuring.check()
            if name not in partial.stages:
                partial.keep(name, measure.take(work))
    numbers = {**earlier, **partial.stages}
    found = {
        "step": run.step,
        "weights": _weights(subject),
        "verified": run.verified,
        "protocol": asdict(convention(run)),
        "split": subject.config.split,
        **{key(name): numbers[name] for name in MEASURES if name in numbers},
        "skipped": left,
        "units": UNITS,
        "data": subject.data.provenance.to_dict(),
        "data_changes": list(run.description.get("data_changes", [])),
        "unlike_training": list(subject.unlike),
        "settings": settings,
        "seconds": round(partial.seconds, 2),
        "device": next(run.model.parameters()).device.type,
    }
    if "activity" in found:
        found["verdict"] = verdict_of(run, found)
    measuring.check()
    write_json(run.folder / NAME, found)
    partial.close()
    return found


def _earlier(path: Path, settings: str, voice: Voice) -> dict[str, Any]:
    """Numbers of an earlier evaluation of the same weights and data by the same settings, by measure.

    Those by other settings are set aside in a file of their own, from where they come back with their settings.
    """
    last = read_evaluation(path) if path.exists() else {}
    record = next((r for r in (last, _aside(path, settings)) if r.get("settings") == settings), {})
    if last and last.get("settings") != settings:
        kept = path.with_stem(f"{path.stem}-{name_of(last.get('settings'))}")
        write_json(kept, last)
        voice.tell(f"the earlier numbers were measured by other settings or weights; they are kept in {kept.name}")
    return {name: record[key(name)] for name in MEASURES if record.get(key(name))}


def _aside(path: Path, settings: str) -> dict[str, Any]:
    kept = path.with_stem(f"{path.stem}-{name_of(settings)}")
    return read_evaluation(kept) if kept.exists() else {}


def _weights(subject: Subject) -> str:
    if source := subject.run.description.get("imported"):
        return f"imported from {source['file']}"
    return "running average" if subject.run.config.train.ema else "as trained"
