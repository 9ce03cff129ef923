"""gen.leads: names, order, and the exact algebra between leads."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen.leads import (
    CHEST_LEADS,
    LEADS_8,
    LEADS_8_TO_12,
    LEADS_12,
    LIMB_LEADS,
    LeadError,
    canonical_lead,
    canonical_leads,
    derivable,
    derivation,
    limb_lead_residual,
    parse_leads,
    to_8,
    to_12,
    to_leads,
)


def potentials(rng: np.random.Generator, samples: int = 50) -> dict[str, np.ndarray]:
    """Twelve leads from electrode potentials, by their textbook definitions and not by the code under test."""
    right, left, foot, *chest = rng.normal(size=(9, samples))
    terminal = (right + left + foot) / 3  # Wilson's central terminal
    limb = {
        "I": left - right,
        "II": foot - right,
        "III": foot - left,
        "aVR": right - (left + foot) / 2,
        "aVL": left - (right + foot) / 2,
        "aVF": foot - (right + left) / 2,
    }
    return limb | {f"V{k + 1}": electrode - terminal for k, electrode in enumerate(chest)}


def test_order_is_the_standard_one():
    assert LEADS_12 == ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    assert LIMB_LEADS + CHEST_LEADS == LEADS_12
    assert tuple(lead for lead in LEADS_12 if lead not in ("III", "aVR", "aVL", "aVF")) == LEADS_8


@pytest.mark.parametrize(
    ("written", "lead"),
    [
        ("AVR", "aVR"), ("avf", "aVF"), ("aVL ", "aVL"), ("MLII", "II"), ("mliii", "III"), ("Lead I", "I"),
        ("lead_v3", "V3"), ("MDC_ECG_LEAD_V1", "V1"), ("mdc_ecg_lead_aVF", "aVF"), ("ECG II", "II"), ("ECG I", "I"),
        ("ECG Lead II", "II"), ("EKG V6", "V6"), ("Ableitung III", "III"), ("C4", "V4"), ("V-5", "V5"), ("V 2", "V2"),
        ("DII", "II"), ("L1", "I"),
    ],
)  # fmt: skip
def test_names_as_devices_write_them(written, lead):
    assert canonical_lead(written) == lead


@pytest.mark.parametrize("name", ["", "V7", "V0", "X", "resp", "IV", "aV", "12", "MCL1", "-aVR", "- I"])
def test_unknown_names_are_refused_with_the_known_ones(name):
    """Cabrera's -aVR is upside down: it must not pass for aVR."""
    with pytest.raises(LeadError, match="known leads: I, II, III, aVR, aVL, aVF, V1, V2, V3, V4, V5, V6") as caught:
        canonical_lead(name)
    assert repr(name) in str(caught.value)


def test_every_standard_name_is_its_own_canonical_name():
    assert canonical_leads(LEADS_12) == LEADS_12
    assert canonical_leads([lead.upper() for lead in LEADS_12]) == LEADS_12
    assert canonical_leads([lead.lower() for lead in LEADS_12]) == LEADS_12


def test_one_lead_under_two_names_is_refused():
    with pytest.raises(LeadError, match=r"lead II is given twice \(as 'MLII' and 'II'\)"):
        canonical_leads(["V1", "MLII", "II"])


def test_parse_leads():
    for text in ("II,V1,V5", "ii, v1 ,v5,", "II;V1;V5", "II+V1+V5"):
        assert parse_leads(text) == ("II", "V1", "V5")
    for text in ("", " , "):
        with pytest.raises(LeadError, match="no lead in"):
            parse_leads(text)


def test_algebra_agrees_with_the_electrodes(rng):
    """Einthoven and Goldberger are consequences of the definitions by potentials."""
    leads = potentials(rng)
    eight = np.stack([leads[lead] for lead in LEADS_8])
    np.testing.assert_allclose(to_12(eight), np.stack([leads[lead] for lead in LEADS_12]), atol=1e-12)
    np.testing.assert_allclose(LEADS_8_TO_12 @ eight, to_12(eight), atol=1e-12)


@pytest.mark.parametrize("pair", list(itertools.combinations(LIMB_LEADS, 2)), ids="+".join)
def test_any_two_limb_leads_give_all_six(pair, rng):
    leads = potentials(rng)
    signal = np.stack([leads[lead] for lead in (*pair, "V2")])
    assert derivable((*pair, "V2")) == (*LIMB_LEADS, "V2")
    limb = to_leads(signal, (*pair, "V2"), LIMB_LEADS)
    np.testing.assert_allclose(limb, np.stack([leads[lead] for lead in LIMB_LEADS]), atol=1e-12)


def test_more_than_two_limb_leads_change_nothing_when_they_agree(rng):
    leads = potentials(rng)
    signal = np.stack([leads[lead] for lead in ("I", "III", "aVF")])
    np.testing.assert_allclose(to_leads(signal, ("I", "III", "aVF"), ("II",))[0], leads["II"], atol=1e-12)


def test_derivation_has_the_textbook_coefficients():
    np.testing.assert_array_equal(derivation(("I", "II"), ("III", "aVR")), [[-1, 1], [-0.5, -0.5]])
    np.testing.assert_array_equal(derivation(("II", "V1", "I"), ("aVL", "V1")), [[-0.5, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize(("leads", "wanted"), [(("I",), "II"), (("I", "V1"), "aVR"), (("I", "II"), "V1")])
def test_leads_that_do_not_follow_are_refused(leads, wanted):
    with pytest.raises(LeadError, match=f"lead {wanted} does not follow from {', '.join(leads)}"):
        derivation(leads, (wanted,))
    assert wanted not in derivable(leads)


@given(
    order=st.permutations(LEADS_12),
    count=st.integers(1, 12),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=50, deadline=None)
def test_present_leads_are_returned_bit_for_bit(order, count, dtype, seed):
    """Also when they break Einthoven's law: nothing recorded is ever recomputed."""
    signal = np.random.default_rng(seed).normal(size=(2, 12, 7)).astype(dtype)
    wanted = order[:count]
    out = to_leads(signal, LEADS_12, wanted)
    assert out.dtype == dtype
    for row, lead in enumerate(wanted):
        np.testing.assert_array_equal(out[:, row], signal[:, LEADS_12.index(lead)])
    partly = to_leads(signal[:, :8], LEADS_12[:8], [lead for lead in order if lead in LEADS_12[:8]])
    assert partly.dtype == dtype


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e2))
@settings(max_examples=50, deadline=None)
def test_eight_to_twelve_and_back(seed, scale):
    eight = (scale * np.random.default_rng(seed).normal(size=(3, 8, 20))).astype(np.float32)
    twelve = to_12(eight)
    assert twelve.shape == (3, 12, 20)
    np.testing.assert_array_equal(to_8(twelve), eight)
    residual = limb_lead_residual(twelve, LEADS_12)
    assert residual.shape == (3,)
    assert (residual < 4 * np.finfo(np.float32).eps * scale * 5).all()  # rounding of values up to about five sigma


def test_a_gap_stays_in_its_leads(rng):
    leads = potentials(rng)
    signal = np.stack([leads[lead] for lead in LEADS_8])
    signal[LEADS_8.index("V3"), 5] = np.nan
    signal[LEADS_8.index("I"), 9] = np.nan
    out = to_12(signal)
    missing = {(LEADS_12[row], column) for row, column in np.argwhere(np.isnan(out))}
    assert missing == {("V3", 5), *((lead, 9) for lead in LIMB_LEADS if lead != "II")}


def test_wrong_number_of_names_is_refused():
    with pytest.raises(ValueError, match="signal has 3 leads, but 2 names"):
        to_leads(np.zeros((3, 5)), ("I", "II"), ("I",))


def test_residual_closed_form(rng):
    """An error c in one of four identities has RMS c/2; one that is not there is not counted."""
    leads = potentials(rng)
    signal = np.stack([leads[lead] for lead in LEADS_12])
    signal[LEADS_12.index("III")] += 0.2
    assert limb_lead_residual(signal, LEADS_12) == pytest.approx(0.1)
    assert limb_lead_residual(signal[:3], LEADS_12[:3]) == pytest.approx(0.2)
    order = [LEADS_12.index(lead) for lead in ("II", "V1", "III", "I")]
    assert limb_lead_residual(signal[order], ("II", "V1", "III", "I")) == pytest.approx(0.2)
    for leads_without in (("I", "II", "V1"), ("II", "III")):
        with pytest.raises(LeadError, match="needs I, II and one of"):
            limb_lead_residual(np.zeros((len(leads_without), 4)), leads_without)
