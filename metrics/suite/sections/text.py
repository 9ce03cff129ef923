"""Whether generated ECGs show what their texts say, as the shipped judge of ECG and text sees it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gen.leads import LEADS_8
from gen.records import EcgRecord, InputError
from metrics.conditioning import Retrieval, retrieval, text_agreement
from metrics.report.entries import Entry, entry, from_interval, skip
from metrics.statistics.arrays import Array
from metrics.statistics.bootstrap import bootstrap_mean
from metrics.suite.aligned import AlignedSet, blocks
from metrics.suite.job import Job

SECTION = "Conditioning"
NAMES = ("clip_score", "clip_relative", "clip_calibrated", "text_retrieval_at_1", "text_retrieval_at_5",
         "text_retrieval_at_10", "text_median_rank")  # fmt: skip
#: Source of simulated ECGs, as their metadata name it; the shipped judge has learned from them.
SIMULATOR = "gen.simulate"
#: Fewer records with a text are not judged.
LEAST_TEXTS = 10


def text_of(record: EcgRecord) -> str | None:
    """The text a record was generated from (``metadata["request"]["text"]``), else its report; None without words."""
    request = record.metadata.get("request")
    asked = request.get("text") if isinstance(request, Mapping) else None
    text = asked if isinstance(asked, str) and asked.strip() else record.report
    return text if text is not None and text.strip() else None


def text_entries(job: Job) -> list[Entry]:
    """Cosine of ECG and text with its references, and how often the own text is found among 100."""
    texts = [text_of(record) for record in job.generated.facts]
    if sum(text is not None for text in texts) < LEAST_TEXTS:
        return _skipped(f"fewer than {LEAST_TEXTS} generated records carry a report or a request.text")
    if not job.real.has_8:
        return _skipped("the judge of ECG and text needs the 8 independent leads")
    try:
        from metrics.judges.clip.model import shipped

        clip = shipped()
    except (InputError, ImportError) as error:
        return _skipped(f"no judge of ECG and text: {error}")
    sides = {}
    for which, each in (("generated", job.generated), ("real", job.real)):
        rows = np.array([k for k, record in enumerate(each.facts) if text_of(record)], dtype=np.int64)
        said = [text_of(each.facts[k]) or "" for k in rows]
        sides[which] = (rows, _embedded(each, rows, clip), clip.embed_text(said))
    noise_rows = np.arange(min(job.noise_count, 200))
    noise = clip.embed_ecg(job.noise(noise_rows, LEADS_8), job.real.fs_hz)
    made = _entries(job, sides, noise, clip.digest)
    partial = sum(record.metadata.get("source") == SIMULATOR for record in job.generated.facts)
    if not partial:
        return made
    # The judge has learned from this simulator's ECGs and their reports: it knows them better than recorded ones.
    job.warnings.append(
        f"the judge of ECG and text has learned from ECGs of {SIMULATOR}, which made {partial} of the generated ones: "
        "its figures are partial and give no verdict"
    )
    return [replace(each, extra={**each.extra, "partial_judge": True}) for each in made]


def _entries(job: Job, sides: dict, noise: Array, digest: str) -> list[Entry]:
    rows, ecg, text = sides["generated"]
    cosine = np.full(len(job.generated), np.nan)
    cosine[rows] = np.einsum("nd,nd->n", ecg, text)
    interval = bootstrap_mean(cosine, groups=job.generated.patients, replicates=1000, seed=job.seed)
    real_rows, real_ecg, real_text = sides["real"]
    extra: dict[str, object] = {"judge": digest}
    given = {"section": SECTION, "better": "higher"}
    summary = "Mean cosine of generated ECG and its text; floor: real ECG and report, baseline: another's report."
    if len(real_rows) < LEAST_TEXTS:
        # A cosine is worth nothing alone, but it can be compared between two reports.
        reason = "too few real records carry a report to compare with"
        first = from_interval("clip_score", interval, summary=summary, records=cosine, extra=extra, **given)
        out = [first, skip("clip_relative", reason, SECTION), skip("clip_calibrated", reason, SECTION)]
        return [*out, *_retrieval(job, retrieval(reference=text, generated=ecg, seed=job.seed), None)]
    found = text_agreement(
        reference=real_ecg, reference_text=real_text, generated=ecg, generated_text=text, noise=noise, seed=job.seed
    )
    extra |= {"real": found.real, "real_with_other_texts": found.shuffled, "noise": found.noise}
    count = len(rows)
    size = min(100, len(text), len(real_text))  # ranks are comparable among equally many candidates only
    mine = retrieval(reference=text, generated=ecg, candidates=size, seed=job.seed)
    theirs = retrieval(reference=real_text, generated=real_ecg, candidates=size, seed=job.seed)
    return [
        from_interval(
            "clip_score", interval, ideal=1.0, floor=found.real, baseline=found.shuffled,
            baseline_name="another's text", summary=summary, records=cosine, extra=extra, **given,
        ),
        entry(
            "clip_relative", value=found.ratio, n=count, ideal=1.0, **given,
            summary="Cosine of generated over that of real ECGs (rCLIP); hides how high another's text scores.",
        ),
        entry(
            "clip_calibrated", value=found.calibrated, n=count, ideal=1.0, floor=1.0, baseline=0.0,
            baseline_name="text not read", **given,
            summary="Cosine on a scale where 1 is real ECG and report and 0 a real ECG with another's report.",
        ),
        *_retrieval(job, mine, theirs),
    ]  # fmt: skip


def _retrieval(job: Job, mine: Retrieval, real: Retrieval | None) -> list[Entry]:
    chance = (mine.candidates + 1) / 2
    count = sum(text_of(record) is not None for record in job.generated.facts)
    given = {"n": count, "section": SECTION, "baseline_name": "chance", "extra": {"candidates": mine.candidates}}
    out = [
        entry(
            f"text_retrieval_at_{k}", value=getattr(mine, f"at_{k}"), better="higher", ideal=1.0,
            floor=None if real is None else getattr(real, f"at_{k}"), baseline=min(1.0, k / mine.candidates),
            summary=f"Share of ECGs whose own text is among the nearest {k} of {mine.candidates}; equal texts tie.",
            **given,
        )
        for k in (1, 5, 10)
    ]  # fmt: skip
    summary = f"Median rank of the own text among {mine.candidates}; equal texts tie."
    floor = None if real is None else real.median_rank
    return [
        *out,
        entry("text_median_rank", value=mine.median_rank, better="lower", ideal=1.0, floor=floor, baseline=chance,
              summary=summary, **given),
    ]  # fmt: skip


def _embedded(each: AlignedSet, rows: np.ndarray, clip: object) -> Array:
    parts = [clip.embed_ecg(each.block(rows[part], LEADS_8), each.fs_hz) for part in blocks(len(rows))]  # type: ignore[attr-defined]
    return np.concatenate(parts) if parts else np.zeros((0, 1))


def _skipped(reason: str) -> list[Entry]:
    return [skip(name, reason, SECTION) for name in NAMES]
