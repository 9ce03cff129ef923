"""The three jobs with the guide's own lines on real files: augment a set, rebuild a wearable's leads, judge a set.

Only numbers of records and folders are changed, so that a job takes seconds.
"""

import json

import numpy as np
import pytest
from guide_lines import ROOT, command, with_values

from gen import cli
from gen.io import read, read_set, set_table, write
from gen.leads import LEADS_12


@pytest.fixture
def run(monkeypatch, tmp_path, data_dir, capsys):
    """Run a line in a folder where ``.data`` is the recordings' place; returns stdout."""
    (tmp_path / ".data").symlink_to(data_dir("ptb-xl").parent)
    monkeypatch.chdir(tmp_path)

    def call(arguments):
        capsys.readouterr()
        status = cli.run(arguments)
        found = capsys.readouterr()
        assert status == 0, found.err
        return found.out

    return call


@pytest.mark.slow
def test_augment_a_data_set(run, tmp_path):
    line = command("docs/guide/augment.md", "--like", "--balance superclass", "--format parquet")
    out = run([*with_values(line, n=10), "--seed", "1"])
    counts = dict(part.split() for part in out.splitlines()[1].partition(": ")[2].split(", "))
    assert set(counts) == {"NORM", "MI", "STTC", "CD", "HYP"}
    assert max(map(int, counts.values())) - min(map(int, counts.values())) <= 2
    table = set_table(tmp_path / "AUG")
    assert len(table) == 10
    assert table["label"].str.len().min() > 0
    import physiogen

    loader = __import__("torch").utils.data.DataLoader(physiogen.dataset("AUG"), batch_size=4)
    batch = next(iter(loader))
    assert tuple(batch["signal"].shape) == (4, 12, 5000)
    assert float(batch["label"].sum(dim=1).min()) >= 1


@pytest.mark.slow
def test_rebuild_a_wearables_leads(run, tmp_path):
    line = command("docs/guide/reconstruct.md", "export.csv", "--columns time,II,V1,-")
    clinic = read(ROOT / ".data/ptb-xl/records500/09000/09002_hr.hea").at(250)
    chosen = clinic.select(["II", "V1", "V5"]).signal_mv
    rows = [f"{k / 250:.3f}," + ",".join(f"{1000 * v:.0f}" for v in column) for k, column in enumerate(chosen.T)]
    (tmp_path / "export.csv").write_text("time,ch1,ch2,ch3\n" + "\n".join(rows) + "\n")
    out = run(line)
    assert "from II,V1 " in out
    (record,) = read_set(tmp_path / "OUT")
    assert record.leads == LEADS_12
    assert np.allclose(record.lead("II"), chosen[0], atol=2e-3), "what was recorded comes back"
    assert set(record.metadata["expected"]["mae_mv"]) >= {"V2", "V6"}
    with np.load(tmp_path / "OUT" / "bands" / f"{record.record_id}.npz") as bands:
        assert (bands["upper_90_mv"] >= bands["lower_90_mv"]).all()


@pytest.mark.slow
def test_judge_a_generator(run, tmp_path):
    line = command("docs/guide/benchmark.md", "physiogen benchmark", "--real", "--generated", "--out")
    real = list(read_set(ROOT / ".data/ptb-xl/records500/09000"))[:12]
    write(real, tmp_path / "REALSET", format="npz")
    write(real[:6], tmp_path / "GENSET", format="npz")
    arguments = with_values(line, real="REALSET", generated="GENSET", out="REPORT")
    for option in ("--train",):
        if option in arguments:
            del arguments[arguments.index(option) : arguments.index(option) + 2]
    arguments = [*arguments, *([] if "--preset" in arguments else ["--preset", "quick"])]
    run(arguments)
    report = json.loads((tmp_path / "REPORT" / "report.json").read_text())
    assert report["metrics"]["limb_lead_residual_mv"]["value"] is not None
    assert report["metrics"]["mae"]["value"] == pytest.approx(0, abs=1e-6), "pairs are found by name, and are the same"
    assert any("small-sample bias" in line for line in report["warnings"])
    assert (tmp_path / "REPORT" / "report.html").is_file()


@pytest.mark.slow
def test_fine_tune_on_ecgs_of_ones_own(run, tmp_path):
    page = "docs/guide/fine-tune.md"
    table = ["file,patient_id,age,sex,statements"]
    for k, record in enumerate(list(read_set(ROOT / ".data/ptb-xl/records500/09000"))[:8]):
        write(record, tmp_path / "MINE" / f"e{k}.edf")
        table.append(f'e{k},p{k},{50 + k},F,"NORM,SR"')
    (tmp_path / "mine.csv").write_text("\n".join(table) + "\n")
    assert "8 records of own:MINE" in run(command(page, "data prepare MINE", "--table"))
    line = command(page, "train diffusion/beats-tune", "--out GEN")
    line = [part for part in line if not part.startswith("#")]
    short = {"steps": 2, "warmup": 0, "batch_size": 8, "kept_samples": 8, "variants": 1, "rank": 2}
    run([*line, *(word for name, value in short.items() for word in ("--set", f"{name}={value}"))])
    card = json.loads((tmp_path / "GEN/best/card.json").read_text())
    assert [source["name"] for source in card["data"]][:2] == ["own:MINE", "ptb-xl"]
    assert card["licence"].startswith("internal use; CC BY 4.0")
    run(with_values(command(page, "synthesize", "--checkpoint GEN/best"), n=2))
    assert len(set_table(tmp_path / "MADE")) == 2
