"""`ECGToCMRPipeline`: an ECG in, a beating heart out, in phase with it, with volumes and their intervals.

pipeline = load()                                    # or load("RUN/pipeline")
heart = pipeline(record, num_samples=8, seed=0)
heart.cine, heart.samples, heart.volumes["edv_ml"]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flow.checkpoints import PARTS, checked_index, index_digest, save_pipeline, write_index
from flow.ecg.preparation import Prepared, prepare
from flow.heart import HeartResult, nearest_to, volumes_of
from flow.levels import check_levels
from flow.networks.cine_codec import CineCodec
from flow.networks.conditions import Conditions
from flow.networks.ecg_reader import FIGURES, ToldHeart
from flow.networks.objective import Context, sample
from flow.networks.pamae import PhaseAwareMAE, cycle_tokens, summary_of
from flow.networks.slice_codec import SliceCodec
from flow.networks.slices import SliceFlow
from flow.networks.steering import Steering
from flow.networks.velocity import VelocityDiT
from flow.reading import HeartReader
from flow.stack import Slices, heart_length_mm, pictures_of, slice_shares
from flow.volumes.intervals import Interval, summarise
from flow.volumes.reader import VolumeReader
from flow.weights import pipeline_folder
from gen.checkpoint import checkpoint_digest, load_model, model_config, save_checkpoint
from gen.cine import RV_CAVITY, CineRecord, mask_volume_ml
from gen.files import replace_folder
from gen.precision import reduced_precision
from gen.randomness import record_generator
from gen.records import EcgRecord, InputError, records_of
from gen.simulate.cine import MID_LEVEL

__all__ = ["ECGToCMRPipeline", "HeartResult", "Interval", "load", "save_pipeline", "with_patient"]
FIELD_MM, THICKNESS_MM = 192.0, 8.0

OWN_SPREAD = ("intervals are the samples' own spread: they are not calibrated (physiogen train flow/steering)",)
#: Share of the work on a heart that solving the ODE takes; the rest is drawing its pictures.
_DRAWING = 0.4


@dataclass(frozen=True, eq=False)
class Telling:
    """What lets hearts have the figures that a reader, which learned from more hearts than have pictures, tells.

    Attributes:
        reader: of ECGs.
        steering: brings the pictures there.
    """

    reader: HeartReader
    steering: Steering


class ECGToCMRPipeline:
    """Generates cines from ECGs.

    Args:
        encoder, codec, network: trained parts that belong together.
        volumes: reads volumes off labels.
        digest: names the whole pipeline.
        steps, solver: of the ODE by default.
        telling: figures of the hearts and their intervals; without, the network draws the figures itself, and
            intervals are the samples' own spread.
        slices: draw slices from base to apex; without, a heart is its mid slice.
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
        telling: Telling | None = None,
        slices: Slices | None = None,
    ) -> None:
        self.encoder, self.codec, self.network = encoder.eval(), codec.eval(), network.eval()
        self.volumes, self.digest, self.steps, self.solver = volumes, digest, steps, solver
        self.telling, self.slices = telling, slices

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "ECGToCMRPipeline":
        """Open a pipeline folder.

        Raises:
            InputError: a part is missing, damaged, or not the one that it belongs to.
        """
        folder = Path(folder)
        index = checked_index(folder)
        parts = {name: folder / name for name in PARTS}
        encoder, codec = load_model(PhaseAwareMAE, parts["encoder"]), load_model(CineCodec, parts["codec"])
        network = load_model(VelocityDiT, parts["network"])
        reader = VolumeReader.from_json(index.get("volumes") or {})
        telling = None
        if "reader" in index["parts"]:
            steering = load_model(Steering, folder / "steering")
            telling = Telling(HeartReader.from_pretrained(folder / "reader"), steering)
        slices = None
        if "slices" in index["parts"]:
            slices = Slices(load_model(SliceCodec, folder / "slice_codec"), load_model(SliceFlow, folder / "slices"))
        digest, steps, solver = index_digest(index)[:16], index.get("steps", 8), index.get("solver", "euler")
        return cls(encoder, codec, network, reader, digest, steps, solver, telling, slices)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.network.parameters()).device

    def to(self, device: Any) -> "ECGToCMRPipeline":
        """The same pipeline with its networks on another device, such as ``"cuda"``; hearts come back to the CPU."""
        told = () if self.telling is None else (self.telling.reader.network, self.telling.steering)
        further = () if self.slices is None else (self.slices.codec, self.slices.flow)
        for part in (self.encoder, self.codec, self.network, *told, *further):
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
            if self.telling is not None:
                self.telling.reader.save(temporary / "reader")
                steering = self.telling.steering
                config = {**model_config(steering), "codec_digest": digests["codec_digest"]}
                save_checkpoint(temporary / "steering", config=config, model=steering)
            if self.slices is not None:
                self.slices.save(temporary, digests["codec_digest"])
            write_index(temporary, self.volumes, {}, self.steps, self.solver)
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
            levels: slices of a heart: ``"mid"``, ``"three"`` (basal, mid, apical) or ``"stack"`` (10 mm steps, base to
                apex).
            steps, solver: of the ODE ('euler' or 'heun').
            guidance: above 1 leans on the ECG at the cost of calibration.
            allow_bad_leads: rebuild unusable leads instead of refusing the record.
            progress: told what share is done, from 0 to 1.

        Raises:
            InputError: no usable ECG, or slices that the network was not trained on; the message says why.
        """
        if num_samples < 1:
            raise InputError(f"num_samples must be 1 or more, got {num_samples}")
        check_levels(levels, further=self.slices is not None)
        given = records_of(record, fs, leads)
        if not isinstance(given, EcgRecord):
            raise InputError(f"{len(given)} records; accepted: one at a time")
        record = given
        prepared = prepare(record, self.encoder, allow_bad_leads=allow_bad_leads)
        told = None if self.telling is None else self.telling.reader.tell(prepared)
        drawing = {"steps": steps, "solver": solver, "guidance": guidance}
        tell = progress or (lambda share: None)
        seeds = (seed, record.record_id)
        packed = self.latents(prepared, seeds, num_samples, told, lambda share: tell(_DRAWING * share), **drawing)
        drawn = []
        for k, latent in enumerate(packed):
            drawn.append(self._cine(latent, prepared, record, seed, k, levels))
            tell(_DRAWING + (1 - _DRAWING) * (k + 1) / num_samples)
        cines = tuple(drawn)
        if self.telling is None or told is None:
            reading, volumes = None, summarise(volumes_of(cines), self.volumes)
            warnings = prepared.warnings + (OWN_SPREAD if num_samples > 1 else ())
        else:
            reading = self.telling.reader.reading(told, prepared)
            volumes = {name: reading.volumes[name] for name in volumes_of(cines)}
            warnings = reading.warnings
        shown = cines[nearest_to(cines, volumes)]
        found = (prepared.beats, prepared.ecg, warnings, reading, prepared.read_from_s)
        return HeartResult(shown, cines, volumes, *found)

    @torch.no_grad()
    def context(self, prepared: Prepared) -> Context:
        """Conditions (batch of one) of a prepared ECG."""
        device = self.device
        signal, beat = (torch.from_numpy(x)[None].to(device) for x in (prepared.signal_mv, prepared.beat_mv))
        rr = torch.tensor([prepared.beats.rr_s], dtype=torch.float32, device=device)
        features = self.encoder.features(signal, beat, rr)
        tokens = cycle_tokens(features, torch.from_numpy(prepared.weights)[None].to(device))
        known = Conditions.of(prepared.beats.rr_s, prepared.ecg.patient, MID_LEVEL)
        numbers = torch.from_numpy(known.values).to(device)
        return Context(tokens, summary_of(features), numbers, torch.ones(1, dtype=torch.bool, device=device))

    def latents(
        self,
        prepared: Prepared,
        seeds: tuple[int, str],
        count: int = 1,
        told: ToldHeart | None = None,
        progress: Callable[[float], None] | None = None,
        **drawing: Any,
    ) -> torch.Tensor:
        """Packed latents (count, size) of the mid slices of hearts.

        Args:
            prepared: ECG.
            seeds: seed and name of the recording; heart k depends on them and k alone.
            count: hearts.
            told: distribution of its figures (batch of one), from the reader.
            progress: told what share is done.
            drawing: see `solve`.
        """
        noise, numbers = self.chance(*seeds, count)
        figures = None if told is None else self.figures(told, numbers)
        return self.solve(noise, self.context(prepared).expand(count), figures, progress=progress, **drawing)

    def chance(self, seed: int, name: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What the first ``count`` hearts of the recording of this name are drawn from.

        Returns:
            Noise (count, size), and standard normal numbers (count, 1 + len(FIGURES)) for `figures`.
        """
        rows = [record_generator(seed, name, k) for k in range(count)]
        noise, numbers = (
            np.stack([g.standard_normal(size, dtype=np.float32) for g in rows])
            for size in (self.network.size, 1 + len(FIGURES))
        )
        return torch.from_numpy(noise), torch.from_numpy(numbers)

    def figures(self, told: ToldHeart, numbers: torch.Tensor) -> torch.Tensor:
        """Figures (K, 4), standardised, drawn from a distribution (batch of one) by K rows of `chance`'s numbers."""
        assert self.telling is not None
        uniform, normal = torch.special.ndtr(numbers[:, 0]), numbers[:, 1:]
        raw, _ = told.draw(uniform[None].to(told.mean.device), normal[None].to(told.mean.device))
        return self.telling.steering.within(self.encoder.standardise(raw[0, :, : self.network.figures]))

    def solve(
        self,
        noise: torch.Tensor,
        context: Context,
        figures: torch.Tensor | None = None,
        *,
        steps: int | None = None,
        solver: str | None = None,
        guidance: float = 1.0,
        progress: Callable[[float], None] | None = None,
    ) -> torch.Tensor:
        """Packed latents (batch, size) from noise (batch, size).

        Args:
            noise: standard normal.
            context: conditions of the batch.
            figures: (batch, 4) standardised, that the hearts shall have (see `flow.networks.steering`); the network
                draws them where None.
            steps, solver: of the ODE; the pipeline's own where None.
            guidance: above 1 leans on the ECG.
            progress: told what share is done.
        """
        noise, known, moved = noise.to(self.device), None, None
        if figures is not None:
            figures = figures.to(self.device)
            known = torch.full_like(noise, float("nan"))
            known[:, -self.network.figures :] = figures
            moved = partial(self.telling.steering, figures=figures) if self.telling is not None else None
        return sample(
            self.network,
            noise,
            context,
            steps=steps or self.steps,
            solver=solver or self.solver,
            guidance=guidance,
            known=known,
            pull=moved,
            progress=progress,
        )

    @torch.no_grad()
    def render(self, latent: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Frames (frame, row, col) 0..1 float32 and labels uint8 of one packed latent (size,).

        One loop at a time, so that a heart does not depend on what it was drawn with.
        """
        anatomy, motion = self.codec.restore(*self.network.unpack(latent[None])[:2])
        with reduced_precision(self.device.type):
            return pictures_of(self.codec.decode(anatomy, motion))[0]

    @torch.no_grad()
    def _cine(
        self, latent: torch.Tensor, prepared: Prepared, record: EcgRecord, seed: int, k: int, levels: str
    ) -> CineRecord:
        mid = self.render(latent)
        spacing = FIELD_MM / self.codec.size
        curve, mass = self.volumes.read(mid[1][None], spacing**2)
        length = heart_length_mm(mid[1], spacing**2, float(curve[0].max()))
        shares = slice_shares(levels, length)
        drawn = [mid] if levels == "mid" else self._slices(latent, mid, shares, (seed, record.record_id, k))
        frames, masks = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
        cine = CineRecord(
            frames=frames,
            spacing_mm=(spacing, spacing),
            rr_s=prepared.beats.rr_s,
            record_id=f"{record.record_id}_s{k + 1:02d}",
            slice_thickness_mm=THICKNESS_MM,
            slice_positions_mm=(shares - shares[0]) * length,
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
                "levels": [round(float(share), 4) for share in shares],
                "trained_on": "simulated hearts; not a diagnostic device",
            },
        )
        return replace(cine, rv_volume_ml=mask_volume_ml(cine, RV_CAVITY)) if levels == "stack" else cine

    def _slices(
        self, latent: torch.Tensor, mid: tuple[np.ndarray, np.ndarray], shares: np.ndarray, key: tuple[int, str, int]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pictures and labels of the slices of a heart at these heights, moved by the motion of its mid one."""
        assert self.slices is not None
        anatomy, motion, figures = self.network.unpack(latent[None])
        seed, name, k = key
        chance = record_generator(seed, f"{name} slices", k).standard_normal(self.slices.flow.size, dtype=np.float32)
        moved = self.codec.restore(anatomy, motion)[1]
        drawn = self.slices.draw(anatomy[0], figures[0], moved[0], shares, torch.from_numpy(chance))
        return [mid if share == MID_LEVEL else other for share, other in zip(shares, drawn, strict=True)]


def load(path: str | Path | None = None) -> ECGToCMRPipeline:
    """The pipeline with the shipped weights, or of a folder.

    Raises:
        InputError: no weights are shipped, or the folder holds no matching pipeline.
    """
    return ECGToCMRPipeline.from_pretrained(pipeline_folder(path))


def with_patient(record: EcgRecord, **known: Any) -> EcgRecord:
    """The record with the patient fields that are given (not None) replaced."""
    return replace(record, patient=replace(record.patient, **{k: v for k, v in known.items() if v is not None}))
