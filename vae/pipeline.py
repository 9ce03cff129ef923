"""`ReconstructionPipeline`: records with a few leads in, records with twelve leads out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gen.checkpoint import CARD, checkpoint_digest, load_checkpoint, load_model, model_config, save_checkpoint
from gen.files import read_json
from gen.leads import LEADS_8_TO_12, LEADS_12, canonical_leads, parse_leads
from gen.records import EcgRecord, InputError, records_of
from gen.signals import fill_gaps, resample
from vae.expected import expected
from vae.methods import BASELINES, METHODS
from vae.networks.baseline import LEVELS
from vae.networks.lead_vae import LeadVAE
from vae.networks.wearecg import WearECG
from vae.observation import Observation, assemble, observe
from vae.predictors import WEIGHTS, LinearPredictor, NetworkPredictor, Prediction, Predictor, Windows
from vae.reference import Personal, check_references, check_same, deviations, learn
from vae.windows import OVERLAP_S, Piece, blend, cut, equal_length, prepare, resampled

#: Least share of a lead's samples that makes it one of those which the measured errors speak for.
WHOLE = 0.95


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A rebuilt record.

    Attributes:
        record: twelve leads, observed samples as recorded; marked synthetic.
        observed: (12, time) bool.
        samples: draws from the model, each a twelve-lead record that agrees with the observed samples.
        bands: level in percent -> (lower, upper), each (12, time) mV; no width where observed. The baseline's part
            counts: where a recorder writes offsets, no other lead can tell the one of a missing lead.
        steady_bands: the same around the mean with its baseline taken as given, for beats and their intervals.
    """

    record: EcgRecord
    observed: np.ndarray
    samples: tuple[EcgRecord, ...]
    bands: dict[int, tuple[np.ndarray, np.ndarray]]
    steady_bands: dict[int, tuple[np.ndarray, np.ndarray]]


class ReconstructionPipeline:
    """Rebuilds twelve leads from any subset of them.

    Args:
        predictor: the method.
        calibration: level in percent -> factor per lead of ``LEADS_8`` that turns the predicted scale into half the
            width of a band with that coverage; None where the method states no uncertainty.
        batch_size: windows computed together.
    """

    def __init__(
        self,
        predictor: Predictor,
        calibration: dict[int, np.ndarray] | None = None,
        batch_size: int = 32,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.predictor, self.calibration, self.batch_size = predictor, calibration, batch_size
        #: Model card of the weights; empty where the method has none.
        self.card: Mapping[str, Any] = card or {}

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the weights by the method's name; empty where it has none."""
        return {self.predictor.name: self.predictor.digest} if self.card else {}

    def __call__(
        self,
        records: Any,
        *,
        fs: float | None = None,
        leads: Sequence[str] | str | None = None,
        num_samples: int = 0,
        seed: int = 0,
        allow_bad_leads: bool = False,
        reference: EcgRecord | Sequence[EcgRecord] | None = None,
        trust_reference: bool = False,
        person: "Person | None" = None,
    ) -> Any:
        """Reconstruct one record (`Reconstruction`) or several (a list of them).

        Args:
            records: any leads, rate and length from one second on; or arrays and tensors in millivolt, (lead, time) or
                (record, lead, time), see `gen.records.records_of`.
            fs: sampling rate in Hz of an array.
            leads: leads to use as input, all that a record has where not given; names of an array's rows.
            num_samples: draws from the model besides its mean.
            seed: of the draws; draw k of a record depends on seed, k and the record's name alone.
            allow_bad_leads: rebuild flat or saturated leads instead of refusing them.
            reference: complete recordings of the person whom all the records are of, see `vae.reference`.
            trust_reference: take a reference whose beats do not look like the record's.
            person: what `person` made of references, in place of them, for many calls.

        Raises:
            InputError: a record has none of the leads, a bad one, or is too short; a reference is not complete or, not
                trusted, of somebody else.
        """
        self.check_draws(num_samples)
        references = [reference] if isinstance(reference, EcgRecord) else list(reference or ())
        if references:
            check_references(references, trust=trust_reference)
            person = Person(self, references, trust_reference)
        found = records_of(records, fs, leads)
        wanted = None if leads is None else parse_leads(leads) if isinstance(leads, str) else canonical_leads(leads)
        many = [found] if isinstance(found, EcgRecord) else found
        observations = [observe(record, wanted, allow_bad_leads=allow_bad_leads) for record in many]
        results = list(self._reconstruct(many, observations, num_samples, seed, person))
        return results[0] if isinstance(found, EcgRecord) else results

    @property
    def device(self) -> Any:
        """Where the network is; ``cpu`` for methods without one."""
        return getattr(self.predictor, "device", "cpu")

    def to(self, device: Any) -> "ReconstructionPipeline":
        """The same pipeline with its network on another device, such as ``"cuda"``; linear methods stay as they are."""
        if isinstance(self.predictor, NetworkPredictor):
            self.predictor.to(device)
        return self

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the weights as a folder that `from_pretrained` opens; in full precision, bands included.

        Raises:
            InputError: a linear method has no weights of its own.
        """
        if not isinstance(self.predictor, NetworkPredictor):
            raise InputError(f"method {self.predictor.name!r}: no weights to write; accepted: default or wearecg")
        config = {**model_config(self.predictor.model), "pipeline": "reconstruct"}
        save_checkpoint(Path(folder), config=config, model=self.predictor.model)
        return Path(folder)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: Any = "cpu") -> "ReconstructionPipeline":
        """Open a folder of weights; raises `InputError` where it is none."""
        return load(folder).to(device)

    def person(self, references: Sequence[EcgRecord]) -> "Person":
        """Complete recordings of one person, for calls whose recordings are known to be of the same person."""
        return Person(self, list(references), None)

    def check_draws(self, num_samples: int) -> None:
        """Raise `InputError` where the method cannot draw so many samples."""
        if num_samples < 0:
            raise InputError(f"num_samples must be 0 or more, got {num_samples}")
        if num_samples and not self.predictor.draws:
            raise InputError(f"method {self.predictor.name!r} draws no samples; use the default method")

    def _reconstruct(
        self,
        records: list[EcgRecord],
        observations: list[Observation],
        num_samples: int,
        seed: int,
        person: "Person | None" = None,
    ) -> Iterator[Reconstruction]:
        fs = self.predictor.fs_hz
        # Before anything is computed: a reference of somebody else ends the call.
        personal = [
            None if person is None else person.of(record, seen)
            for record, seen in zip(records, observations, strict=True)
        ]
        if self.predictor.name == "per-patient":
            full = [r.to_8().at(fs).signal_mv for r in records]
        pieces: list[Piece] = []
        for number, (record, seen) in enumerate(zip(records, observations, strict=True)):
            prepared = prepare(record, seen, fs)
            if self.predictor.name == "per-patient":
                prepared = (np.where(prepared[1], prepared[0], full[number]), *prepared[1:])
            pieces += [
                Piece(number, start, part[0], part[1], part[2], (seed, record.record_id))
                for start, part in cut(prepared, fs)
            ]
        done: dict[int, Prediction] = {}
        for group in equal_length(pieces, self.batch_size):
            windows = Windows(
                np.stack([pieces[i].signal for i in group]),
                np.stack([pieces[i].observed for i in group]),
                np.stack([pieces[i].augmented for i in group]),
                tuple(pieces[i].seed for i in group),
            )
            prediction = self.predictor(windows, num_samples)
            for row, i in enumerate(group):
                scale = None if prediction.scale_mv is None else prediction.scale_mv[row]
                slow = None if prediction.slow_half_mv is None else prediction.slow_half_mv[row]
                done[i] = Prediction(prediction.mean_mv[row], scale, prediction.draws_mv[row], slow)
                known = personal[pieces[i].record]
                if known is not None:
                    done[i] = known[0].improved(done[i], pieces[i].signal, pieces[i].observed)
        for number, (record, seen) in enumerate(zip(records, observations, strict=True)):
            own = [i for i, piece in enumerate(pieces) if piece.record == number]
            facts = {} if person is None else person.facts(personal[number])
            yield self._finish(record, seen, [pieces[i].start for i in own], [done[i] for i in own], facts)

    def _finish(
        self,
        record: EcgRecord,
        seen: Observation,
        starts: list[int],
        parts: list[Prediction],
        more: Mapping[str, Any],
    ) -> Reconstruction:
        fs = self.predictor.fs_hz

        detail = self._detail(record, seen)

        def whole(arrays: list[np.ndarray]) -> np.ndarray:
            blended = blend(starts, arrays, round(OVERLAP_S * fs))
            return resampled(blended, fs, record.fs_hz, record.num_samples)

        observed = ~np.isnan(seen.given_mv)
        mean = assemble(whole([p.mean_mv for p in parts]) + detail, seen)
        share = {lead: float(observed[LEADS_12.index(lead)].mean()) for lead in seen.leads}
        throughout = [lead for lead in seen.leads if share[lead] >= WHOLE]
        partly = {lead: round(share[lead], 3) for lead in seen.leads if lead not in throughout}
        facts = {
            "observed_leads": list(seen.leads),
            **({"partly_observed": partly} if partly else {}),
            "method": self.predictor.name,
            "model": self.predictor.digest,
            **({"ignored_leads": seen.ignored} if seen.ignored else {}),
            **({"expected": trust} if (trust := expected(throughout, self.predictor.digest)) else {}),
            **more,
        }
        rebuilt = replace(
            record,
            signal_mv=mean,
            leads=LEADS_12,
            synthetic=True,
            metadata={**record.metadata, **facts},
        )
        samples = tuple(
            replace(
                rebuilt,
                signal_mv=assemble(whole([p.draws_mv[k] for p in parts]) + detail, seen),
                record_id=f"{record.record_id}_s{k + 1:02d}",
                metadata={**rebuilt.metadata, "sample": k + 1, "sample_of": record.record_id},
            )
            for k in range(parts[0].draws_mv.shape[0])
        )
        bands, steady = {}, {}
        if self.calibration is not None and parts[0].scale_mv is not None:
            # Linearly: an anti-alias filter would overshoot below zero beside steep changes.
            times = np.arange(record.num_samples) * (fs / record.fs_hz)

            def stretched(arrays: list[np.ndarray]) -> np.ndarray:
                blended = blend(starts, arrays, round(OVERLAP_S * fs))
                return np.stack([np.interp(times, np.arange(len(row)), row) for row in blended])

            scales = [p.scale_mv for p in parts if p.scale_mv is not None]
            scale = stretched(scales)
            for level, factor in self.calibration.items():
                half = scale * factor[:, None]
                slow = np.zeros_like(half)
                if parts[0].slow_half_mv is not None and level in LEVELS:
                    number = LEVELS.index(level)
                    slow = stretched(
                        [
                            np.broadcast_to(p.slow_half_mv[number][:, None], s.shape)
                            for p, s in zip(parts, scales, strict=True)
                            if p.slow_half_mv is not None
                        ]
                    )
                steady[level] = self._band(mean, half, seen)
                bands[level] = self._band(mean, np.hypot(half, slow), seen)
        return Reconstruction(rebuilt, observed, samples, bands, steady)

    def _detail(self, record: EcgRecord, seen: Observation) -> np.ndarray:
        """What lies above the network's band, (8, time) mV: the linear estimate's part there.

        Only for leads observed throughout: at the edge of a hole the linear estimate jumps.
        """
        fs, constant = self.predictor.fs_hz, bool((seen.observed == seen.observed[:, :1]).all())
        if record.fs_hz <= fs or not constant or not np.isnan(seen.augmented_mv).all():
            return np.zeros_like(seen.signal_mv)
        linear = self.predictor.linear(seen.signal_mv, seen.observed)
        slow = resample(linear, record.fs_hz, fs)
        return linear - resampled(slow, fs, record.fs_hz, record.num_samples)

    def _band(self, mean: np.ndarray, half: np.ndarray, seen: Observation) -> tuple[np.ndarray, np.ndarray]:
        half = np.where(seen.observed, 0.0, half)
        # A derived lead is a sum of leads whose errors are taken as independent: half-widths add in square.
        twelve = np.sqrt((LEADS_8_TO_12**2) @ half**2)
        twelve = np.where(np.isnan(seen.given_mv), twelve, 0.0).astype(np.float32)
        return mean - twelve, mean + twelve


class Person:
    """What references give to a person's records; learnt once for each set of given leads.

    Args:
        pipeline: that is to be helped.
        references: complete, of one person.
        trust: take them for the records' person whatever their beats look like; None: do not even compare.
    """

    def __init__(self, pipeline: ReconstructionPipeline, references: list[EcgRecord], trust: bool | None) -> None:
        self.pipeline, self.references, self.trust = pipeline, references, trust
        fs = pipeline.predictor.fs_hz
        self.signals = [fill_gaps(r.to_8().at(fs).signal_mv).astype(np.float32) for r in references]
        self.known: dict[tuple[bool, ...], Personal] = {}

    def of(self, record: EcgRecord, seen: Observation) -> tuple[Personal, float | None]:
        """What is known for a record's leads, and how like its beats are to the references'."""
        like = None
        if self.trust is not None:
            like = check_same(record.select(seen.leads), self.references, trust=self.trust)
        given = seen.observed.mean(axis=1) >= 0.5
        if not given.any():
            raise InputError(
                f"{record.source_name}: {', '.join(seen.leads)} alone; with a reference accepted: I, II or V1-V6"
            )
        key = tuple(given.tolist())
        if key not in self.known:
            self.known[key] = learn(self.signals, given, self.pipeline.predictor.fs_hz, self._rebuild)
        return self.known[key], like

    def _rebuild(self, deviation: np.ndarray, given: np.ndarray) -> np.ndarray:
        found = []
        for start, part in cut((deviation[0],), self.pipeline.predictor.fs_hz):
            signal = part[0][None]
            observed = np.broadcast_to(given[None, :, None], signal.shape)
            none = np.full((1, 4, signal.shape[2]), np.nan, dtype=np.float32)
            windows = Windows(np.where(observed, signal, 0), observed.copy(), none, ((0, "reference"),))
            found.append((start, deviations(self.pipeline.predictor(windows, 0).mean_mv)[0]))
        starts, parts = zip(*found, strict=True)
        return blend(list(starts), list(parts), round(OVERLAP_S * self.pipeline.predictor.fs_hz))[None]

    def facts(self, known: tuple[Personal, float | None] | None) -> dict[str, Any]:
        """What a rebuilt record's metadata say."""
        assert known is not None
        personal, like = known
        missing = personal.narrower[~personal.given]
        return {
            "references": [reference.record_id for reference in self.references],
            "reference_likeness": None if like is None else round(like, 3),
            "bands_narrower_by": round(float(missing.mean()), 3) if missing.size else 0.0,
        }


def load(path: str | Path | None = None, *, method: str = "default", batch_size: int = 32) -> ReconstructionPipeline:
    """The pipeline of a method, with the shipped weights or those of a checkpoint folder.

    Raises:
        InputError: unknown method, or a checkpoint of something else.
    """
    if method not in METHODS + BASELINES:
        raise InputError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    if method not in ("default", "wearecg"):
        if path is not None:
            raise InputError(f"method {method!r} takes no checkpoint")
        linear = LinearPredictor(method)
        card = None if linear.digest == method else read_json(linear.folder / CARD)  # a method without weights
        return ReconstructionPipeline(linear, batch_size=batch_size, card=card)
    if path is None and method == "wearecg":
        raise InputError("method 'wearecg' (69 MB) is not shipped; train it (vae/wearecg) and give --checkpoint")
    folder = WEIGHTS / "default" if path is None else Path(path)
    checkpoint = load_checkpoint(folder)
    found = checkpoint.config.get("_class_name")
    if found not in ("LeadVAE", "WearECG"):
        raise InputError(f"{folder}: checkpoint of {found}; expected LeadVAE or WearECG")
    if method == "wearecg" and found != "WearECG":
        raise InputError(f"{folder}: checkpoint of {found}; method 'wearecg' needs one of WearECG (vae/wearecg)")
    digest = checkpoint_digest(folder)
    if found == "WearECG":
        wearecg = NetworkPredictor(load_model(WearECG, folder), "wearecg", digest)
        return ReconstructionPipeline(wearecg, None, batch_size, checkpoint.card)
    model = load_model(LeadVAE, folder)
    factors = model.config.band_factors
    calibration = None if factors is None else {int(k): np.asarray(v, dtype=np.float64) for k, v in factors.items()}
    predictor = NetworkPredictor(model, "default", digest)
    return ReconstructionPipeline(predictor, calibration, batch_size, checkpoint.card)
