"""Personal monitors: a world in which only the own person's ECGs can help, figures, refusals, the command."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from gen.cli import run
from gen.io import RecordSetWriter
from gen.records import InputError
from gen.results import Results
from gen.simulate import simulate
from metrics.evaluation.personal_monitor import labelled
from metrics.utility.fit import FitConfig, LabelledSet
from metrics.utility.monitor_fit import WAYS, decided, monitors, weighted_f1

SMALL = FitConfig(steps=40, batch_size=16, lr=1e-2, widths=(8, 8), feature_width=8, window=200, dropout=0.0, bf16=False)


def of_people(people, each, rng):
    """Two classes; a person's event is the reverse of their normal wave, and half of the people are upside down."""
    signals, labels, patients = [], [], []
    wave = np.tile(np.sin(np.linspace(0, np.pi, 20)), 10)
    for person in people:
        for k in range(each):
            event = k % 2
            sign = (1 if person % 2 else -1) * (-1 if event else 1)
            signals.append(sign * wave + 0.2 * rng.standard_normal((8, 200)))
            labels.append([not event, event])
            patients.append(f"p{person}")
    return LabelledSet(np.stack(signals).astype(np.float32), 100.0, np.array(labels, dtype=bool), np.array(patients))


def world(rng):
    sets = {"population": of_people(range(100, 120), 4, rng), "visits": of_people(range(4), 6, rng)}
    sets["twins"] = of_people(range(4), 8, rng)
    sets["references"] = of_people(range(4), 1, rng)
    return sets


@pytest.mark.slow  # trains a classifier for each setting
def test_what_only_the_person_can_teach_is_learned_from_twins(rng):
    ways = {name: WAYS[name] for name in ("general", "longer", "stranger's twins", "twins")}
    lasting = replace(SMALL, lr=2e-2, steps=60)
    found = monitors(world(rng), classes=("NORM", "E"), ways=ways, seeds=(0,), general=SMALL, personal=lasting,
                     replicates=200)  # fmt: skip
    # People alternate, so the next one is upside down: their twins teach the opposite.
    assert found["twins"].auroc.value > 0.9
    assert found["stranger's twins"].auroc.value < 0.35
    assert 0.2 < found["general"].auroc.value < 0.8
    gain = found["twins"].differences["stranger's twins"]["auroc"].interval
    assert gain.low > 0.3
    assert found["twins"].macro_f1.value > found["longer"].macro_f1.value
    assert set(found["twins"].classes) == {"NORM", "E"}


def test_the_same_seed_gives_the_same_and_own_recordings_are_optional(rng):
    sets = world(rng)
    ways = {name: WAYS[name] for name in ("own reference, augmentation", "own recordings (ceiling)")}
    quick = replace(SMALL, steps=3)

    def run(given):
        return monitors(given, classes=("NORM", "E"), ways=ways, seeds=(1,), general=quick, personal=quick,
                        replicates=100)  # fmt: skip

    first, again = run(sets), run(sets)
    assert set(first) == {"own reference, augmentation"}
    assert first["own reference, augmentation"].auroc == again["own reference, augmentation"].auroc
    assert set(run({**sets, "own": sets["twins"]})) == set(ways)


def test_f1_of_the_likeliest_class(rng):
    truth, guess = rng.integers(0, 3, 80), rng.integers(0, 3, 80)
    labels, one = np.eye(3, dtype=bool)[truth], np.ones((1, 80))
    probabilities = 0.3 * rng.random((80, 3)) + np.eye(3)[guess]
    decisions = decided(probabilities[None])[0]
    assert np.array_equal(decisions.argmax(axis=1), guess)
    expected = f1_score(truth, guess, average="weighted")
    assert weighted_f1(decisions, labels, one)[0] == pytest.approx(expected)
    twice = weighted_f1(decisions, labels, np.array([2.0, 1.0])[[0] * 40 + [1] * 40][None])[0]
    rows = np.r_[0:40, 0:80]
    assert twice == pytest.approx(f1_score(truth[rows], guess[rows], average="weighted"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s, rng: s.pop("twins"), "twins: no such set"),
        (lambda s, rng: s.update(twins=of_people(range(3), 4, rng)), "twins: nothing of 1 scored people, such as p3"),
        (
            lambda s, rng: s.update(population=of_people([2, 50], 4, rng)),
            "population: holds 1 scored people, such as p2",
        ),
        (lambda s, rng: s.update(visits=of_people([1], 4, rng)), "visits: 1 person"),
    ],
)
def test_sets_that_do_not_fit_are_refused(rng, change, words):
    sets = world(rng)
    change(sets, rng)
    with pytest.raises(InputError, match=words):
        monitors(sets, classes=("NORM", "E"))


def test_classes_come_from_statements():
    statements = [["SR", "NORM"], ["SR", "STD_", "PVC"], ["AFIB"], ["SR", "LVH"]]
    specifications = [{"statements": codes} for codes in statements]
    records = simulate(range(4), seed=1, conditions=specifications).records()
    found = labelled(records, ["a", "b", "c", "d"], ("AFIB", "PVC", "STD_"))
    assert found.labels.argmax(axis=1).tolist() == [0, 2, 1, 0]
    assert (found.labels.sum(axis=1) == 1).all()
    short = replace(records[0], signal_mv=records[0].signal_mv[:, :3000])
    with pytest.raises(InputError, match=r"6\.00 s; accepted: ten seconds"):
        labelled([short], ["a"], ("AFIB",))


def test_the_command(tmp_path, capsys):
    def write(name, hearts, visits):
        specifications = [{"statements": codes} for codes in (["SR", "NORM"], ["AFIB"])]
        with RecordSetWriter(tmp_path / "sets" / name, format="npz") as writer:
            for visit in visits:
                batch = simulate(hearts, seed=2, visit=visit, conditions=[specifications[visit % 2]] * len(hearts))
                for record in batch.records():
                    writer.add(record)

    write("population", range(10, 14), (0, 1))
    for name, visits in (("references", [0]), ("visits", (2, 3)), ("twins", (4, 5))):
        write(name, range(2), visits)
    asked = ["--sets", str(tmp_path / "sets"), "--events", "AFIB", "--seeds", "1"]
    asked += ["--general-steps", "2", "--personal-steps", "1"]
    only = ["--only", "general", "--only", "twins", "--out", str(tmp_path / "m.json")]
    assert run(["evaluate", "personal-monitor", *asked, *only]) == 0
    shown = capsys.readouterr()
    assert "| twins | " in shown.out
    assert f"using the sets in {tmp_path / 'sets'}" in shown.err
    found = Results.read(tmp_path / "m.json")
    assert found.settings["records"] == {"population": 8, "references": 2, "visits": 4, "twins": 4}
    assert found["monitors/twins/AUROC over 'general'"].n == 4
    assert found.data[0].name == "sets"
    assert run(["evaluate", "personal-monitor", *asked, "--only", "magic"]) == 2
    assert "--only magic: accepted: general;" in capsys.readouterr().err
    (tmp_path / "half" / "visits").mkdir(parents=True)
    assert run(["evaluate", "personal-monitor", "--sets", str(tmp_path / "half")]) == 2
    assert "no set 'population'" in capsys.readouterr().err
