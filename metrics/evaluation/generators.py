"""The sets of `physiogen evaluate leaderboard`: each generator is asked for the same ECGs, and what it made is kept."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gen.evaluation.cost import command, cost_of
from gen.files import write_json
from gen.io import write
from gen.leads import LEADS_8, LEADS_12
from gen.quantities import MEASURED
from gen.records import EcgRecord, InputError, Patient
from gen.signals import fill_gaps
from gen.synthesis.requests import digest_of
from metrics.evaluation.settings import Leaderboard
from metrics.suite.sets import open_set

if TYPE_CHECKING:
    from gen.synthesis.like import LikeRequests
    from gen.synthesis.requests import Request

FS_HZ, SAMPLES = 500.0, 5000


@dataclass(frozen=True)
class Work:
    """What is asked for.

    Attributes:
        settings: of the evaluation.
        requests: rows of the real set, with what was measured on them.
        measured: the table of what was measured.
        tell: takes a line about how far it is.
    """

    settings: Leaderboard
    requests: "LikeRequests"
    measured: Path
    tell: Callable[[str], None]

    def identity(self, asked: Sequence[str] | None) -> dict[str, Any]:
        """JSON values that decide a set.

        Args:
            asked: what of a request the generator is told; None for all.
        """
        told: Any = self.requests.digest
        if asked is not None:
            requests = (self.requests[k] for k in range(len(self.requests)))
            told = digest_of([[_part(request, name) for name in asked] for request in requests])
        return {"n": self.settings.number, "seed": self.settings.seed, "requests": told}


def _part(request: "Request", name: str) -> Any:
    return dict(request.statements or {}) if name == "statements" else request.values.get(name)


@dataclass(frozen=True)
class Made:
    """A set.

    Attributes:
        folder: where it is.
        note: how it came to be.
        cpu_s: processor time of generating it, training left out; None where nothing is generated.
    """

    folder: Path
    note: str
    cpu_s: float | None


@dataclass(frozen=True)
class Generator:
    """One line of the leaderboard.

    Attributes:
        asked: what it is told of each request.
        make: writes the set into a folder; returns a note and the processor time.
        needs: library of another maker: module, and name on PyPI.
        parts: of a request that it is told; None for all.
    """

    asked: str
    make: Callable[[Work, Path], tuple[str, float | None]]
    needs: tuple[str, str] | None = None
    parts: tuple[str, ...] | None = ()


def made(name: str, work: Work, folder: Path) -> Made:
    """The set of a generator; what is there of an earlier run of the same settings is taken.

    Raises:
        InputError: something else is there, or a command failed.
    """
    place, facts = folder / name, folder / f"{name}.json"
    known = json.loads(facts.read_text(encoding="utf-8")) if facts.is_file() else {}
    identity = work.identity(GENERATORS[name].parts)
    if place.exists() and known.get("of") != identity:
        raise InputError(f"{place}: made of other requests; remove it, or give another --folder")
    if not place.exists():
        work.tell(f"{name}: generating {len(work.requests)} ECGs")
        note, cpu_s = GENERATORS[name].make(work, place)
        known = {"of": identity, "note": note, "cpu_s": cpu_s}
        write_json(facts, known)
    return Made(place, known["note"], known["cpu_s"])


def check_libraries(names: Sequence[str]) -> None:
    """Refuse generators whose library is missing, before anything is made.

    Raises:
        InputError: one is not installed.
    """
    for name in names:
        needs = GENERATORS[name].needs
        if needs is not None and find_spec(needs[0]) is None:
            raise InputError(f"{name}: needs {needs[1]}; accepted: pip install 'physiogen[others]', or other --systems")


def write_measured(location: str, path: Path) -> None:
    """Measure a real set, as the table that requests take their numbers from."""
    import pandas as pd

    from metrics.measurement.records import measure_records

    real = open_set(location)
    rows = [
        {"record": name, **{column: getattr(found, column) for column in dict.fromkeys(MEASURED.values())}}
        for name, found in zip(real.ids, measure_records(real), strict=True)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)


# --- ours ------------------------------------------------------------------------------------------------------------


def _command(words: Sequence[str]) -> float:
    """Run a command of the suite; returns its processor time."""
    cost = cost_of(command(*words))
    if cost.status:
        raise InputError(f"physiogen {' '.join(words)}: ended with status {cost.status}: {cost.said}")
    return cost.cpu_s


def _physiogen(work: Work, out: Path) -> tuple[str, float]:
    settings = work.settings
    words = ["synthesize", "--like", str(settings.real), "--split", "test", "--measured", str(work.measured)]
    words += ["-n", str(settings.number), "--seed", str(settings.seed), "--format", "npz", "--out", str(out)]
    return "as shipped", _command(words)


def _simulated(work: Work, out: Path) -> tuple[str, float]:
    settings = work.settings
    words = ["data", "simulate", "-n", str(settings.number), "--seed", str(settings.seed)]
    return "`physiogen data simulate`", _command([*words, "--format", "npz", "--out", str(out)])


# --- others ----------------------------------------------------------------------------------------------------------


def _neurokit2(work: Work, out: Path) -> tuple[str, float]:
    from importlib.metadata import version

    from neurokit2 import ecg_simulate

    start = time.process_time()

    def records() -> Iterator[EcgRecord]:
        for k in range(len(work.requests)):
            rate = work.requests[k].values.get("heart_rate", 70.0)
            leads = ecg_simulate(
                duration=SAMPLES // int(FS_HZ),
                sampling_rate=int(FS_HZ),
                heart_rate=float(rate),
                method="multileads",
                random_state=work.settings.seed + k,
            )
            yield _record(k, leads[list(LEADS_12)].to_numpy().T, LEADS_12, {"heart_rate": float(rate)})

    write(records(), out, format="npz")
    return f"neurokit2 {version('neurokit2')}, method multileads", time.process_time() - start


def _ecgen(work: Work, out: Path) -> tuple[str, float]:
    from importlib.metadata import version

    from metrics.evaluation.others import ecgen

    train = list(open_set(f"{work.settings.real}:train"))
    trained = ecgen.train(train, minutes=work.settings.minutes, seed=work.settings.seed, tell=work.tell)
    requests = [work.requests[k] for k in range(len(work.requests))]
    work.tell(f"ecgen: trained, drawing {len(requests)} ECGs")
    start = time.process_time()
    asked = [(each.statements or {}, each.values.get("age"), each.values.get("sex")) for each in requests]
    signals = ecgen.draw(trained, asked, work.settings.seed)
    cpu_s = time.process_time() - start
    records = (
        _record(k, signal, LEADS_8, {}, each.statements, age=each.values.get("age"), sex=each.values.get("sex"))
        for k, (signal, each) in enumerate(zip(signals, requests, strict=True))
    )
    write(records, out, format="npz")
    note = (
        f"ecgen {version('ecgen')}, its flow matching with a U-Net of {trained.parameters / 1e6:.1f} M parameters, "
        f"eight leads at 100 Hz, trained here on folds 1-8: {trained.minutes:.1f} minutes of processor time, "
        f"{trained.steps} steps of {ecgen.BATCH}"
    )
    return note, cpu_s


# --- for comparison --------------------------------------------------------------------------------------------------


def _noise(work: Work, out: Path) -> tuple[str, float]:
    start = time.process_time()
    rng = np.random.default_rng(np.random.SeedSequence((work.settings.seed, 7)))
    real = np.stack([fill_gaps(record.to_8().at(FS_HZ).signal_mv) for record in open_set(f"{work.settings.real}:val")])
    mean, spread = real.mean(axis=(0, 2))[:, None], real.std(axis=(0, 2))[:, None]
    write(
        (
            _record(k, mean + spread * rng.standard_normal((len(LEADS_8), SAMPLES)), LEADS_8, {})
            for k in range(len(work.requests))
        ),
        out,
        format="npz",
    )
    return "white, with each lead's mean and spread of fold 9", time.process_time() - start


def _recorded(work: Work, out: Path) -> tuple[str, None]:
    real = open_set(f"{work.settings.real}:val")
    rng = np.random.default_rng(np.random.SeedSequence((work.settings.seed, 8)))
    if len(real) < len(work.requests):
        raise InputError(f"recorded: {len(real)} recordings in fold 9; accepted: -n of at most as many")
    write(real.only(rng.permutation(len(real))[: len(work.requests)].tolist()), out, format="npz")
    return "fold 9: other people of the same collection", None


def _record(
    k: int,
    signal: Any,
    leads: Sequence[str],
    request: Mapping[str, Any],
    statements: Mapping[str, float] | None = None,
    **person: Any,
) -> EcgRecord:
    return EcgRecord(
        signal,
        FS_HZ,
        tuple(leads),
        f"g{k:05d}",
        Patient(**person),
        statements=statements or {},
        synthetic=True,
        metadata={"request": dict(request)} if request else {},
    ).to_12()


GENERATORS: Mapping[str, Generator] = {
    "physiogen": Generator("report, age, sex, rate, intervals, axis", _physiogen, parts=None),
    "simulated": Generator("nothing", _simulated),
    "ecgen": Generator(
        "superclasses, age, sex", _ecgen, ("ecgen", "ecgen and pytorch-lightning"), ("statements", "age", "sex")
    ),
    "neurokit2": Generator("rate", _neurokit2, ("neurokit2", "neurokit2"), ("heart_rate",)),
    "noise": Generator("nothing", _noise),
    "recorded": Generator("nothing", _recorded),
}
