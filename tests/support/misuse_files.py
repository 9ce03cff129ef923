"""Files that misuses are tried on, in one folder: good ones, and ones with one fault each."""

from pathlib import Path

import numpy as np

from gen.io import write
from gen.leads import LEADS_8
from gen.records import EcgRecord
from gen.simulate import simulate


def make(folder: Path) -> None:
    """Make them; `good` is a strip of leads II, V1, V5, `set` a record set of two recordings."""
    signals = simulate(range(2), seed=0, fs_hz=250).signal_mv[:, :, :1500]
    records = [EcgRecord(x, 250, LEADS_8, f"r{k}", statements={"NORM": 100.0}).to_12() for k, x in enumerate(signals)]
    write([records[0].select(["II", "V1", "V5"])], folder / "strip", format="npz")
    write(records, folder / "set", format="npz")
    (folder / "good.csv").write_text(
        "# fs_hz: 250\n# unit: mV\nII,V1,V5\n"
        + "\n".join(",".join(f"{v:.3f}" for v in row) for row in records[0].select(["II", "V1", "V5"]).signal_mv.T)
    )
    (folder / "bare.csv").write_text("ch1,ch2\n" + "\n".join("0.1,0.2" for _ in range(900)))
    (folder / "text.csv").write_text("dear diary\nnothing here\n")
    (folder / "ragged.csv").write_text("# fs_hz: 250\n# unit: mV\nI,II\n0.1,0.2\n0.1\n" + "0.1,0.2\n" * 300)
    (folder / "flat.csv").write_text("# fs_hz: 250\n# unit: mV\nI\n" + "0.25\n" * 1500)
    (folder / "short.csv").write_text("# fs_hz: 250\n# unit: mV\nI\n" + "0.25\n" * 50)
    (folder / "empty.csv").write_text("")
    for suffix in ("hea", "edf", "dcm", "npz", "mat", "parquet", "tar", "xml", "json"):
        (folder / f"broken.{suffix}").write_bytes(b"\x00\x01\x02 no ECG at all \xff\xfe")
        (folder / f"empty.{suffix}").write_bytes(b"")
    (folder / "script.py").write_text("print('hello')\n")
    (folder / "thesis").mkdir()
    (folder / "thesis" / "thesis.txt").write_text("years of work")
    (folder / "there.txt").write_text("a file")
    (folder / "hollow").mkdir()
    (folder / "begun").mkdir()
    (folder / "begun" / "manifest.json").write_text("{}")
    (folder / "figured").mkdir()
    (folder / "figured" / "figures.json").write_text('{"mine": 1}')
    (folder / "rows.csv").write_text("text,age\nLBBB,60\nblorp zzz,61\n")
    (folder / "labelled.csv").write_text("label,age\nHYP,60\nblorpitis,61\n")
    (folder / "none.csv").write_text("colour,size\nred,3\n")
    (folder / "badage.csv").write_text("text,age\nAF,500\n")
    (folder / "torn.csv").write_text("text,age\nAF\n")
    (folder / "twice.csv").write_text("age,age\n60,61\n")
    (folder / "map.csv").write_text("label,statements\nx,blorp\n")
    (folder / "nomap.csv").write_text("a,b\n1,2\n")
    np.savez(folder / "array.npz", signal=np.zeros((3, 900)))
