"""How PTB-XL's recorders stored what its files of 500 Hz hold, as judges of generated ECGs see it."""

import numpy as np
import wfdb
from scipy.interpolate import CubicSpline

STORED = ("I", "II", "III", "V1", "V2", "V3", "V4", "V5", "V6")


def test_files_of_500_hz_hold_400_hz_in_steps_of_5_microvolts(data_dir) -> None:
    files = sorted((data_dir("ptb-xl") / "records500").rglob("*.hea"))[:: max(1, 3000 // 12)][:12]
    assert len(files) == 12
    for file in files:
        record = wfdb.rdrecord(str(file.with_suffix("")), physical=False)
        microvolts = dict(zip(record.sig_name, record.d_signal.T, strict=True))
        assert record.fs == 500
        assert set(record.adc_gain) == {1000.0}
        for lead in STORED:
            values = microvolts[lead]
            assert not (values[::5] % 5).any(), f"{file.name} {lead}"
            assert (values[2::5] % 5 != 0).mean() > 0.1
        # The four fifths between are splines through samples of 400 Hz, each a multiple of 5 uV: nearer to one than
        # the 1.2 uV that whole numbers have by chance.
        stored = CubicSpline(np.arange(5000) / 500, microvolts["V2"])(np.arange(3999) / 400)
        assert np.abs(stored - 5 * np.round(stored / 5)).mean() < 0.75
