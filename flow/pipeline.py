"""`ECGToCMRPipeline`: an ECG in, a beating heart out, in phase with it, with volumes and their intervals.

pipeline = load()                                    # or load("RUN/pipeline")
heart = pipeline(record, num_samples=8, seed=0)
heart.cine, heart.samples, heart.volumes["edv_ml"]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flow.checkpoints import INDEX, PARTS, checked_index, index_digest, save_pipeline, write_index
from flow.ecg.beats import Beats
from flow.ecg.preparation import Prepared, prepare
from flow.networks.cine_codec import CineCodec
from flow.networks.conditions import Conditions
from flow.networks.objective import Context, sample
from flow.networks.pamae import PhaseAwareMAE, cycle_tokens, summary_of
from flow.networks.velocity import VelocityDiT
from flow.volumes.intervals import Calibration, Interval, load_calibration, save_calibration, summarise, volume_table
from flow.volumes.reader import VolumeReader
from flow.weights import pipeline_folder
from gen.checkpoint import checkpoint_digest, load_model, model_config, save_checkpoint
from gen.cine import CineRecord
from gen.files import read_json, replace_folder
from gen.precision import reduced_precision
from gen.randomness import record_generator
from gen.records import EcgRecord, InputError, records_of
from gen.simulate.cine import LEVEL_SHARES, usual_length_mm

__all__ = ["ECGToCMRPipeline", "HeartResult", "Interval", "load", "save_pipeline", "with_patient"]
FIELD_MM, THICKNESS_MM, MID_LEVEL = 192.0, 8.0, LEVEL_SHARES["mid"][0]

#: Share of the work on a heart that solving the ODE takes; the rest is drawing its pictures.
_DRAWING = 0.4


@dataclass(frozen=True, eq=False)
class HeartResult:
    """A generated heart.

    Attributes:
        cine: the sample nearest to the medians of the volumes, marked synthetic.
        samples: all samples, in order.
        volumes: medians and intervals of ``edv_ml``, ``esv_ml``, ``sv_ml``, ``ef_percent``, ``mass_g``, ``es_frame``.
        beats: what was found in the ECG.
        ecg: the twelve leads that were used.
        warnings: what a reader should know.
        calibration: what the intervals rest on; None where they are the samples' own spread.
        read_from_s: where in ``ecg`` the part begins that was read; times of ``beats`` count from there.
    """

    cine: CineRecord
    samples: tuple[CineRecord, ...]
    volumes: dict[str, Interval]
    beats: Beats
    ecg: EcgRecord
    warnings: tuple[str, ...]
    calibration: Calibration | None = None
    read_from_s: float = 0.0

    @property
    def tables(self) -> tuple[dict[str, float], ...]:
        """Volumes of every sample, by the names in ``volumes``: in each, EF = SV / EDV and SV = EDV - ESV."""
        found = volumes_of(self.samples)
        return tuple({name: float(values[k]) for name, values in found.items()} for k in range(len(self.samples)))

    @property
    def shown(self) -> dict[str, float]:
        """Volumes of ``cine``; ``volumes`` are medians over the samples, each by itself."""
        return self.tables[self.cine.metadata["sample"] - 1]


class ECGToCMRPipeline:
    """Generates cines from ECGs.

    Args:
        encoder, codec, network: trained parts that belong together.
        volumes: reads volumes off labels.
        digest: names the whole pipeline.
        steps, solver: of the ODE by default.
        calibration: of the intervals; without, they are the samples' own spread.
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
        calibration: Calibration | None = None,
    ) -> None:
        self.encoder, self.codec, self.network = encoder.eval(), codec.eval(), network.eval()
        self.volumes, self.digest, self.steps, self.solver = volumes, digest, steps, solver
        self.calibration = calibration

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, calibrated: bool = True) -> "ECGToCMRPipeline":
        """Open a pipeline folder; ``calibrated=False`` does not look at its calibration of intervals.

        Raises:
            InputError: a part is missing, damaged, or not the one the network was trained with; or the intervals were
                calibrated for another pipeline.
        """
        folder = Path(folder)
        index = checked_index(folder)
        parts = {name: folder / name for name in PARTS}
        encoder, codec = load_model(PhaseAwareMAE, parts["encoder"]), load_model(CineCodec, parts["codec"])
        network = load_model(VelocityDiT, parts["network"])
        reader = VolumeReader.from_json(index.get("volumes") or {})
        digest = checkpoint_digest(parts["network"])[:16]
        calibration = load_calibration(folder, index_digest(index)) if calibrated else None
        steps, solver = index.get("steps", 8), index.get("solver", "euler")
        return cls(encoder, codec, network, reader, digest, steps, solver, calibration)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.network.parameters()).device

    def to(self, device: Any) -> "ECGToCMRPipeline":
        """The same pipeline with its networks on another device, such as ``"cuda"``; hearts come back to the CPU."""
        for part in (self.encoder, self.codec, self.network):
            part.to(device)
        return self

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the pipeline as a folder that `from_pretrained` opens; weights in full precision."""
        folder = Path(folder)
        with replace_folder(folder) as temporary:
            for name in ("encoder", "codec"):
                part = getattr(self, name)
                save_checkpoint(temporary / name, config=model_config(part), model=part)
            digests = {f"{name}_digest": checkpoint_digest(temporary / name) for name in ("encoder", "codec")}
            save_checkpoint(temporary / "network", config={**model_config(self.network), **digests}, model=self.network)
            write_index(temporary, self.volumes, {}, self.steps, self.solver)
            if self.calibration is not None:
                save_calibration(self.calibration, temporary, index_digest(read_json(temporary / INDEX)))
        return folder

    def __call__(
        self,
        record: Any,
        *,
        fs: float | None = None,
        leads: Sequence[str] | str | None = None,
        num_samples: int = 8,
        seed: int = 0,
        levels: str = "mid",
        steps: int | None = None,
        solver: str | None = None,
        guidance: float = 1.0,
        allow_bad_leads: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> HeartResult:
        """Generate the heart of one record.

        Age, sex, height and weight are taken from ``record.patient``; each may be unknown.

        Args:
            record: any leads, rate and length with three heartbeats; missing leads are reconstructed first. Or an array
                or tensor (lead, time) in millivolt, see `gen.records.records_of`.
            fs, leads: sampling rate in Hz and names of the rows of an array.
            num_samples: hearts that could belong to this ECG; sample k of a seed is the same whatever else is drawn.
            seed: of the samples.
            levels: slices of a heart, see `slice_levels`.
            steps, solver: of the ODE ('euler' or 'heun').
            guidance: above 1 leans on the ECG at the cost of calibration.
            allow_bad_leads: rebuild unusable leads instead of refusing the record.
            progress: told what share is done, from 0 to 1.

        Raises:
            InputError: no usable ECG, or slices that the network was not trained on; the message says why.
        """
        if num_samples < 1:
            raise InputError(f"num_samples must be 1 or more, got {num_samples}")
        heights = self.slice_levels(levels)
        given = records_of(record, fs, leads)
        if not isinstance(given, EcgRecord):
            raise InputError(f"{len(given)} records; accepted: one at a time")
        record = given
        prepared = prepare(record, self.encoder, allow_bad_leads=allow_bad_leads)
        seeds = (seed, record.record_id)
        drawing = {"steps": steps or self.steps, "solver": solver or self.solver, "guidance": guidance}
        tell = progress or (lambda share: None)
        packed = self._draw_slices(prepared, heights, num_samples, seeds, drawing, lambda share: tell(_DRAWING * share))
        drawn = []
        for k, latents in enumerate(packed):
            drawn.append(self._cine(latents, prepared, record, seed, k, heights))
            tell(_DRAWING + (1 - _DRAWING) * (k + 1) / num_samples)
        cines = tuple(drawn)
        volumes = summarise(volumes_of(cines), self.volumes, self.calibration)
        warnings = prepared.warnings + (self._doubts(drawing, bool(prepared.rebuilt)) if num_samples > 1 else ())
        shown = cines[_nearest_to_median(cines)]
        found = (prepared.beats, prepared.ecg, warnings, self.calibration, prepared.read_from_s)
        return HeartResult(shown, cines, volumes, *found)

    def _doubts(self, drawing: dict[str, Any], rebuilt: bool) -> tuple[str, ...]:
        """What to say of the intervals; ``rebuilt``: leads of the ECG were."""
        if self.calibration is None:
            return ("intervals are the samples' own spread: they are not calibrated (physiogen train flow/intervals)",)
        doubts = []
        if rebuilt:
            doubts.append("intervals were calibrated on whole ECGs; with rebuilt leads their coverage is unknown")
        if drawing != self.calibration.drawn:
            known = "{steps} {solver} steps and guidance {guidance:g}".format(**self.calibration.drawn)
            doubts.append(f"intervals were calibrated for {known}; with other settings their coverage is unknown")
        return tuple(doubts)

    def slice_levels(self, levels: str) -> tuple[float, ...]:
        """Heights (0 base, 1 apex) of the slices that ``"mid"`` or ``"three"`` (basal, mid, apical) names.

        Raises:
            InputError: another word, or heights that the network has not been trained on: its answer to them would be
                made up.
        """
        if levels not in LEVEL_SHARES:
            raise InputError(f"--levels {levels}: accepted: {' or '.join(LEVEL_SHARES)}")
        learned = tuple(self.network.config["levels"])
        if not set(LEVEL_SHARES[levels]) <= set(learned):
            known = next((name for name, heights in LEVEL_SHARES.items() if heights == learned), str(learned))
            raise InputError(
                f"--levels {levels}: these weights were trained on {known} slices alone; train others on a cache of "
                f"`physiogen data pairs --levels {levels}` and give --checkpoint"
            )
        return LEVEL_SHARES[levels]

    @torch.no_grad()
    def context(self, prepared: Prepared, level: float = MID_LEVEL) -> Context:
        """Conditions (batch of one) of a prepared ECG."""
        device = self.device
        signal, beat = (torch.from_numpy(x)[None].to(device) for x in (prepared.signal_mv, prepared.beat_mv))
        rr = torch.tensor([prepared.beats.rr_s], dtype=torch.float32, device=device)
        features = self.encoder.features(signal, beat, rr)
        tokens = cycle_tokens(features, torch.from_numpy(prepared.weights)[None].to(device))
        numbers = torch.from_numpy(Conditions.of(prepared.beats.rr_s, prepared.ecg.patient, level).values).to(device)
        return Context(tokens, summary_of(features), numbers, torch.ones(1, dtype=torch.bool, device=device))

    def _draw_slices(
        self,
        prepared: Prepared,
        heights: tuple[float, ...],
        count: int,
        seeds: tuple[int, str],
        drawing: dict[str, Any],
        progress: Callable[[float], None],
    ) -> torch.Tensor:
        """Packed latents (count, slice, size); the slices of a heart share its noise and the mid slice's figures."""
        mid = self._draw(self.context(prepared), count, seeds, drawing, progress=progress)
        known = torch.full_like(mid, float("nan"))
        known[:, -self.network.figures :] = mid[:, -self.network.figures :]
        slices = [
            mid if height == MID_LEVEL else self._draw(self.context(prepared, height), count, seeds, drawing, known)
            for height in heights
        ]
        return torch.stack(slices, dim=1)

    def noise(self, seed: int, name: str, count: int) -> torch.Tensor:
        """(count, size) noise that the first ``count`` hearts of the recording of this name are drawn from."""
        rows = [record_generator(seed, name, k) for k in range(count)]
        return torch.from_numpy(np.stack([g.standard_normal(self.network.size, dtype=np.float32) for g in rows]))

    def _draw(
        self,
        context: Context,
        count: int,
        seeds: tuple[int, str],
        drawing: dict[str, Any],
        known: torch.Tensor | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> torch.Tensor:
        noise = self.noise(*seeds, count).to(self.device)
        many = Context(
            context.tokens.expand(count, -1, -1),
            context.summary.expand(count, -1),
            context.numbers.expand(count, -1),
            context.has_ecg.expand(count),
        )
        return sample(self.network, noise, many, known=known, progress=progress, **drawing)

    @torch.no_grad()
    def render(self, latent: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Frames (frame, row, col) 0..1 float32 and labels uint8 of one packed latent (size,).

        One loop at a time, so that a heart does not depend on what it was drawn with.
        """
        anatomy, motion = self.codec.restore(*self.network.unpack(latent[None])[:2])
        with reduced_precision(self.device.type):
            decoded = self.codec.decode(anatomy, motion)
        return decoded.frames[0].clamp(0, 1).float().cpu().numpy(), decoded.masks()[0].cpu().numpy()

    def _cine(
        self,
        latents: torch.Tensor,
        prepared: Prepared,
        record: EcgRecord,
        seed: int,
        k: int,
        heights: tuple[float, ...],
    ) -> CineRecord:
        drawn = [self.render(latent) for latent in latents]
        frames, masks = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
        spacing = FIELD_MM / self.codec.size
        curve, mass = self.volumes.read(masks[heights.index(MID_LEVEL), None], spacing**2)
        return CineRecord(
            frames=frames,
            spacing_mm=(spacing, spacing),
            rr_s=prepared.beats.rr_s,
            record_id=f"{record.record_id}_s{k + 1:02d}",
            slice_thickness_mm=THICKNESS_MM,
            slice_positions_mm=(np.array(heights) - heights[0]) * usual_length_mm(float(curve[0].max())),
            masks=masks,
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
                "levels": list(heights),
                "trained_on": "simulated hearts; not a diagnostic device",
            },
        )


def volumes_of(cines: tuple[CineRecord, ...]) -> dict[str, np.ndarray]:
    """Volumes of each cine, (n,) per name; see `flow.volumes.intervals.volume_table`."""
    curves = np.stack([cine.lv_volume_ml for cine in cines])  # type: ignore[misc]
    return volume_table(curves, np.array([cine.lv_mass_g for cine in cines]))


def _nearest_to_median(cines: tuple[CineRecord, ...]) -> int:
    table = volumes_of(cines)
    logs = np.log(np.stack([table[name] for name in ("edv_ml", "esv_ml", "mass_g")], axis=1))
    return int(np.abs(logs - np.median(logs, axis=0)).sum(axis=1).argmin())


def load(path: str | Path | None = None) -> ECGToCMRPipeline:
    """The pipeline with the shipped weights, or of a folder.

    Raises:
        InputError: no weights are shipped, or the folder holds no matching pipeline.
    """
    return ECGToCMRPipeline.from_pretrained(pipeline_folder(path))


def with_patient(record: EcgRecord, **known: Any) -> EcgRecord:
    """The record with the patient fields that are given (not None) replaced."""
    return replace(record, patient=replace(record.patient, **{k: v for k, v in known.items() if v is not None}))
