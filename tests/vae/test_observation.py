"""What the leads that were given say of the independent ones, sample by sample."""

import numpy as np

from gen.leads import LEADS_8, LEADS_8_TO_12, LEADS_12, LIMB_LEADS, derivation
from vae.observation import AUGMENTED, independent


def test_limb_leads_follow_wherever_two_of_them_are_there(rng):
    given = (LEADS_8_TO_12 @ rng.normal(size=(8, 400))).astype(np.float32)
    given[:6][rng.random((6, 400)) < 0.6] = np.nan
    given[8, 50:90] = np.nan
    signal, augmented = independent(given)
    for sample in range(400):
        names = [lead for row, lead in enumerate(LIMB_LEADS) if not np.isnan(given[row, sample])]
        for lead in ("I", "II"):
            found = signal[LEADS_8.index(lead), sample]
            if lead in names or len(names) >= 2:
                values = [given[LEADS_12.index(name), sample] for name in names]
                expected = (
                    given[LEADS_12.index(lead), sample] if lead in names else derivation(names, [lead])[0] @ values
                )
                assert abs(found - expected) < 1e-5
            else:
                assert np.isnan(found)
        lone = names[0] if len(names) == 1 and names[0] in AUGMENTED else None
        assert [not np.isnan(value) for value in augmented[:, sample]] == [name == lone for name in AUGMENTED]
    assert np.array_equal(signal[2:], given[6:], equal_nan=True)
