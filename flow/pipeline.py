"""`ECGToCMRPipeline`: an ECG in, a beating heart out, in phase with it, with volumes and their intervals.

pipeline = load()                                    # or load("RUN/pipeline")
heart = pipeline(record, num_samples=8, seed=0)
heart.cine, heart.samples, heart.volumes["edv_ml"]
"""

import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flow.beats import Beats
from flow.codec import CineCodec
from flow.conditions import Conditions
from flow.latents import cycle_tokens, summary_of
from flow.network import VelocityDiT
from flow.objective import Context, sample
from flow.pamae import PhaseAwareMAE
from flow.preparation import Prepared, prepare
from flow.volumes import VolumeReader, central
from flow.weights import pipeline_folder
from gen.checkpoint import (
    CONFIG,
    checkpoint_digest,
    load_checkpoint,
    load_model,
    read_json,
    replace_folder,
    write_json,
)
from gen.cine import CineRecord
from gen.records import EcgRecord, InputError

PARTS = ("encoder", "codec", "network")
INDEX = "model_index.json"
FIELD_MM, THICKNESS_MM, MID_LEVEL = 192.0, 8.0, 0.45


@dataclass(frozen=True)
class Interval:
    """Median over the samples, and the central 90 % with the reading error (None for a single sample)."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class HeartResult:
    """A generated heart.

    Attributes:
        cine: the sample nearest to the medians of the volumes, marked synthetic.
        samples: all samples, in order.
        volumes: ``edv_ml``, ``esv_ml``, ``sv_ml``, ``ef_percent``, ``mass_g``, ``es_frame``.
        beats: what was found in the ECG.
        ecg: the twelve leads that were used.
        warnings: what a reader should know.
    """

    cine: CineRecord
    samples: tuple[CineRecord, ...]
    volumes: dict[str, Interval]
    beats: Beats
    ecg: EcgRecord
    warnings: tuple[str, ...]


class ECGToCMRPipeline:
    """Generates cines from ECGs.

    Args:
        encoder, codec, network: trained parts that belong together.
        volumes: reads volumes off labels.
        digest: names the whole pipeline.
        steps, solver: of the ODE by default.
    """

    def __init__(
        self,
        encoder: PhaseAwareMAE,
        codec: CineCodec,
        network: VelocityDiT,
        volumes: VolumeReader,
        digest: str = "",
        steps: int = 8,
        solver: str = "euler",
    ) -> None:
        self.encoder, self.codec, self.network = encoder.eval(), codec.eval(), network.eval()
        self.volumes, self.digest, self.steps, self.solver = volumes, digest, steps, solver

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "ECGToCMRPipeline":
        """Open a pipeline folder.

        Raises:
            InputError: a part is missing, damaged, or not the one the network was trained with.
        """
        folder = Path(folder)
        index = _checked_index(folder)
        parts = {name: folder / name for name in PARTS}
        encoder, codec = load_model(PhaseAwareMAE, parts["encoder"]), load_model(CineCodec, parts["codec"])
        network = load_model(VelocityDiT, parts["network"])
        reader = VolumeReader.from_json(index.get("volumes") or {})
        digest = checkpoint_digest(parts["network"])[:16]
        return cls(encoder, codec, network, reader, digest, index.get("steps", 8), index.get("solver", "euler"))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the pipeline as a folder that `from_pretrained` opens; weights in full precision."""
        from gen.checkpoint import model_config, save_checkpoint

        folder = Path(folder)
        with replace_folder(folder) as temporary:
            for name in ("encoder", "codec"):
                part = getattr(self, name)
                save_checkpoint(temporary / name, config=model_config(part), model=part)
            digests = {f"{name}_digest": checkpoint_digest(temporary / name) for name in ("encoder", "codec")}
            save_checkpoint(temporary / "network", config={**model_config(self.network), **digests}, model=self.network)
            _write_index(temporary, self.volumes, {}, self.steps, self.solver)
        return folder

    def __call__(
        self,
        record: EcgRecord,
        *,
        num_samples: int = 8,
        seed: int = 0,
        level: float = MID_LEVEL,
        steps: int | None = None,
        solver: str | None = None,
        guidance: float = 1.0,
        allow_bad_leads: bool = False,
    ) -> HeartResult:
        """Generate the heart of one record.

        Age, sex, height and weight are taken from ``record.patient``; each may be unknown.

        Args:
            record: any leads, rate and length with three heartbeats; missing leads are reconstructed first.
            num_samples: hearts that could belong to this ECG; sample k of a seed is the same whatever else is drawn.
            seed: of the samples.
            level: height of the slice, 0 base to 1 apex.
            steps, solver: of the ODE ('euler' or 'heun').
            guidance: above 1 leans on the ECG at the cost of calibration.
            allow_bad_leads: rebuild unusable leads instead of refusing the record.

        Raises:
            InputError: no usable ECG; the message says why.
        """
        if num_samples < 1:
            raise InputError(f"num_samples must be 1 or more, got {num_samples}")
        prepared = prepare(record, self.encoder, allow_bad_leads=allow_bad_leads)
        context = self.context(prepared, level)
        seeds = (seed, zlib.crc32(record.record_id.encode()))
        packed = self._draw(context, num_samples, seeds, steps or self.steps, solver or self.solver, guidance)
        cines = tuple(self._cine(latent, prepared, record, seed, k, level) for k, latent in enumerate(packed))
        volumes = intervals(cines, self.volumes)
        return HeartResult(
            cines[_nearest_to_median(cines)], cines, volumes, prepared.beats, prepared.ecg, prepared.warnings
        )

    @torch.no_grad()
    def context(self, prepared: Prepared, level: float = MID_LEVEL) -> Context:
        """Conditions (batch of one) of a prepared ECG."""
        signal, beat = (torch.from_numpy(x)[None] for x in (prepared.signal_mv, prepared.beat_mv))
        features = self.encoder.features(signal, beat, torch.tensor([prepared.beats.rr_s], dtype=torch.float32))
        tokens = cycle_tokens(features, torch.from_numpy(prepared.weights)[None])
        numbers = Conditions.of(prepared.beats.rr_s, prepared.ecg.patient, level).values
        return Context(tokens, summary_of(features), torch.from_numpy(numbers), torch.ones(1, dtype=torch.bool))

    def _draw(
        self, context: Context, count: int, seeds: tuple[int, int], steps: int, solver: str, guidance: float
    ) -> torch.Tensor:
        rows = [
            np.random.default_rng(np.random.SeedSequence((seeds[0], k), spawn_key=(seeds[1],))) for k in range(count)
        ]
        noise = torch.from_numpy(np.stack([g.standard_normal(self.network.size, dtype=np.float32) for g in rows]))
        many = Context(
            context.tokens.expand(count, -1, -1),
            context.summary.expand(count, -1),
            context.numbers.expand(count, -1),
            context.has_ecg.expand(count),
        )
        return sample(self.network, noise, many, steps=steps, solver=solver, guidance=guidance)

    @torch.no_grad()
    def render(self, latent: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Frames (frame, row, col) 0..1 float32 and labels uint8 of one packed latent (size,).

        One loop at a time, so that a heart does not depend on what it was drawn with.
        """
        anatomy, motion = self.codec.restore(*self.network.unpack(latent[None])[:2])
        with torch.autocast("cpu", torch.bfloat16):
            decoded = self.codec.decode(anatomy, motion)
        return decoded.frames[0].clamp(0, 1).float().numpy(), decoded.masks()[0].numpy()

    def _cine(
        self, latent: torch.Tensor, prepared: Prepared, record: EcgRecord, seed: int, k: int, level: float
    ) -> CineRecord:
        frames, masks = self.render(latent)
        spacing = FIELD_MM / self.codec.size
        curve, mass = self.volumes.read(masks[None], spacing**2)
        return CineRecord(
            frames=frames[None],
            spacing_mm=(spacing, spacing),
            rr_s=prepared.beats.rr_s,
            record_id=f"{record.record_id}_s{k + 1:02d}",
            slice_thickness_mm=THICKNESS_MM,
            masks=masks[None],
            lv_volume_ml=curve[0],
            lv_mass_g=float(mass[0]),
            patient=prepared.ecg.patient,
            synthetic=True,
            metadata={
                "source": "flow",
                "model": self.digest,
                "ecg": record.record_id,
                "seed": seed,
                "sample": k + 1,
                "beats": prepared.beats.description,
                "level": level,
                "trained_on": "simulated hearts; not a diagnostic device",
            },
        )


def intervals(cines: tuple[CineRecord, ...], reader: VolumeReader) -> dict[str, Interval]:
    """Median over samples and the central 90 %, in which the reader's own error is included."""
    out = {}
    for name, values in volume_table(cines).items():
        error, log = reader.error_of(name)
        middle, low, high = (float(v) for v in central(values, error, log=log))
        out[name] = Interval(middle, low, high) if len(values) > 1 else Interval(float(values[0]), None, None)
    return out


def volume_table(cines: tuple[CineRecord, ...]) -> dict[str, np.ndarray]:
    """Volumes of each cine, (n,) per name."""
    curve = np.stack([cine.lv_volume_ml for cine in cines])  # type: ignore[misc]
    edv, esv = curve.max(axis=1), curve.min(axis=1)
    return {
        "edv_ml": edv,
        "esv_ml": esv,
        "sv_ml": edv - esv,
        "ef_percent": 100 * (1 - esv / edv),
        "mass_g": np.array([cine.lv_mass_g for cine in cines], dtype=np.float64),
        "es_frame": curve.argmin(axis=1).astype(np.float64),
    }


def _nearest_to_median(cines: tuple[CineRecord, ...]) -> int:
    table = volume_table(cines)
    logs = np.log(np.stack([table[name] for name in ("edv_ml", "esv_ml", "mass_g")], axis=1))
    return int(np.abs(logs - np.median(logs, axis=0)).sum(axis=1).argmin())


def save_pipeline(
    folder: Path,
    *,
    encoder: Path,
    codec: Path,
    network: Path,
    volumes: VolumeReader,
    card: Mapping[str, Any] | None = None,
    steps: int = 8,
    solver: str = "euler",
) -> Path:
    """Put three checkpoints together, byte by byte.

    Raises:
        InputError: encoder or codec is not the one that the network was trained with.
    """
    with replace_folder(folder) as temporary:
        for name, source in (("encoder", encoder), ("codec", codec), ("network", network)):
            shutil.copytree(source, temporary / name)
        _write_index(temporary, volumes, card or {}, steps, solver)
        _checked_index(temporary)
    return folder


def _write_index(folder: Path, volumes: VolumeReader, card: Mapping[str, Any], steps: int, solver: str) -> None:
    network = read_json(folder / "network" / CONFIG)
    index = {
        "_class_name": "ECGToCMRPipeline",
        "pipeline": "cmr",
        "parts": {name: checkpoint_digest(folder / name) for name in PARTS},
        "alpha": network["alpha"],
        "steps": steps,
        "solver": solver,
        "volumes": volumes.to_json(),
    }
    write_json(folder / INDEX, index)
    write_json(folder / "card.json", dict(card))


def _checked_index(folder: Path) -> dict[str, Any]:
    """The index of a pipeline folder whose parts belong together."""
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder}: no {INDEX}; a cmr pipeline holds it beside {', '.join(PARTS)}")
    index = read_json(folder / INDEX)
    if index.get("_class_name") != "ECGToCMRPipeline":
        raise InputError(f"{folder}: pipeline of {index.get('_class_name')}; expected ECGToCMRPipeline")
    stored = index.get("parts") or {}
    for name in PARTS:
        if checkpoint_digest(folder / name) != stored.get(name):
            raise InputError(f"{folder / name}: is not the part this pipeline was saved with (digest differs)")
    config = load_checkpoint(folder / "network", VelocityDiT).config
    for name in ("encoder", "codec"):
        if config[f"{name}_digest"] != stored[name]:
            raise InputError(f"{folder / name}: the network was trained with another {name} (digest differs)")
    if config["alpha"] != index.get("alpha"):
        raise InputError(f"{folder}: alpha {index.get('alpha')}, but the network was trained with {config['alpha']}")
    return index


def load(path: str | Path | None = None) -> ECGToCMRPipeline:
    """The pipeline with the shipped weights, or of a folder.

    Raises:
        InputError: no weights are shipped, or the folder holds no matching pipeline.
    """
    return ECGToCMRPipeline.from_pretrained(pipeline_folder(path))


def with_patient(record: EcgRecord, **known: Any) -> EcgRecord:
    """The record with the patient fields that are given (not None) replaced."""
    return replace(record, patient=replace(record.patient, **{k: v for k, v in known.items() if v is not None}))
