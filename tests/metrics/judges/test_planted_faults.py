"""Single faults planted in one half of real recordings: told by their own family of descriptors and by no other."""

import numpy as np
import pytest

from metrics.judges.forest import judge
from metrics.waveform.descriptors import FAMILIES, describe
from metrics.waveform.descriptors.beats import find_beats, slow_signal

FS_HZ = 500.0
LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
#: Samples that a transition takes where pieces of signal meet.
FADE = 10


def band_limited(signal, high_hz):
    """Without anything above ``high_hz``, (n, lead, time)."""
    spectrum = np.fft.rfft(signal, axis=-1)
    spectrum[..., np.fft.rfftfreq(signal.shape[-1], 1 / FS_HZ) > high_hz] = 0
    return np.fft.irfft(spectrum, signal.shape[-1], axis=-1)


def one_band_missing(signal, rng):
    """75 to 100 Hz taken out of every lead."""
    between = band_limited(signal, 100.0) - band_limited(signal, 75.0)
    return signal - between


def low_passed(signal, rng):
    """Nothing above 60 Hz."""
    return band_limited(signal, 60.0)


def noise_doubled(signal, rng, lead=3):
    """Twice the noise between beats, 20 to 150 Hz, in one lead."""
    out = signal.copy()
    band = band_limited(signal[:, lead], 98.0) - band_limited(signal[:, lead], 62.0)
    tiles = (band[:, : signal.shape[-1] // 50 * 50] ** 2).reshape(len(signal), -1, 50).mean(axis=-1)
    density = np.quantile(tiles, 0.3, axis=1) / 36.0
    white = rng.standard_normal((len(signal), signal.shape[-1]))
    shaped = band_limited(white, 150.0) - band_limited(white, 20.0)
    scale = np.sqrt(3 * density * 130.0 / (shaped**2).mean(axis=-1))
    out[:, lead] += scale[:, None] * shaped
    return out


def beat_samples(signal):
    """Middle of every QRS in samples, a list of records."""
    found = find_beats(slow_signal(signal, FS_HZ), LEADS)
    return [np.rint(each.times_s * FS_HZ).astype(int) for each in found]


def rr_jittered(signal, rng, sd_s=0.02):
    """Every beat moved by itself; only the stretches between T and P are made shorter or longer."""
    out = signal.copy()
    for record, (x, at) in enumerate(zip(signal, beat_samples(signal), strict=True)):
        if len(at) < 4:
            continue
        moved = np.clip(np.rint(rng.normal(0, sd_s * FS_HZ, len(at))), -25, 25).astype(int)
        moved[[0, -1]] = 0
        # Between two beats the cut lies halfway between the end of T and the next P.
        cuts = ((at[:-1] + round(0.45 * FS_HZ)) + (at[1:] - round(0.27 * FS_HZ))) // 2
        y = x.copy()
        for k in range(1, len(at) - 1):
            left, right = cuts[k - 1], cuts[k]
            if at[k + 1] - at[k] < 0.8 * FS_HZ or at[k] - at[k - 1] < 0.8 * FS_HZ or not moved[k]:
                continue
            y = _replaced(y, np.roll(x, moved[k], axis=-1), left + min(moved[k], 0), right + max(moved[k], 0))
        out[record] = y
    return out


def beats_exchanged(signal, rng, every=3):
    """Every third beat taken from the record before, laid on the old one's QRS, levels matched at both ends.

    Below 40 Hz: what lies above belongs to the recorder, not to the beat, and stays.
    """
    signal, above = band_limited(signal, 40.0), signal - band_limited(signal, 40.0)
    out = signal.copy()
    found = beat_samples(signal)
    before, after, half = round(0.28 * FS_HZ), round(0.42 * FS_HZ), round(0.05 * FS_HZ)
    for k in range(len(signal)):
        giver, theirs = signal[k - 1], found[k - 1]
        theirs = theirs[(theirs > before + half + 20) & (theirs < signal.shape[-1] - after - half - 20)]
        for number, at in enumerate(found[k][1::every]):
            if at < before or at + after >= signal.shape[-1] or not len(theirs):
                continue
            source = int(theirs[number % len(theirs)])
            core = signal[k][:, at - half : at + half]
            core = core - core.mean(axis=-1, keepdims=True)
            best, place = -np.inf, source
            for shift in range(-20, 21):
                other = giver[:, source + shift - half : source + shift + half]
                other = other - other.mean(axis=-1, keepdims=True)
                score = float((core * other).sum() / np.sqrt((other**2).sum() + 1e-12))
                best, place = (score, source + shift) if score > best else (best, place)
            piece = giver[:, place - before : place + after].astype(np.float64)
            old = signal[k][:, at - before : at + after]
            ends = [(old[:, part] - piece[:, part]).mean(axis=1) for part in (slice(0, 10), slice(-10, None))]
            ramp = np.linspace(0, 1, piece.shape[1])
            piece += ends[0][:, None] * (1 - ramp) + ends[1][:, None] * ramp
            whole = np.pad(piece, [(0, 0), (at - before, signal.shape[-1] - at - after)])
            out[k] = _replaced(out[k], whole, at - before, at + after)
    return out + above


def _replaced(signal, other, first, last):
    """``signal`` with ``other`` from ``first`` to ``last``, faded in and out inside."""
    weight = np.zeros(signal.shape[-1])
    weight[first:last] = 1
    fade = (np.arange(FADE) + 1) / (FADE + 1)
    weight[first : first + FADE] = fade
    weight[last - FADE : last] = fade[::-1]
    return signal * (1 - weight) + other * weight


#: What is planted -> the family that must tell it.
PLANTED = {
    "low_passed": (low_passed, "spectrum"),
    "one_band_missing": (one_band_missing, "spectrum"),
    "noise_doubled": (noise_doubled, "spectrum"),
    "rr_jittered": (rr_jittered, "rhythm"),
    "beats_exchanged": (beats_exchanged, "beats"),
}


@pytest.fixture(scope="module")
def halves(data_dir):
    """Two halves of the people of fold 9: signals and descriptors of the first, signals of the second."""
    from metrics.suite.sets import open_set

    records = open_set(f"{data_dir('ptb-xl')}:fold9")
    people = sorted(set(records.patients))
    first = set(np.random.default_rng(3).permutation(people)[: len(people) // 2])
    signal = np.stack([record.select(LEADS).signal_mv for record in records])
    mine = np.array([patient in first for patient in records.patients])
    names = np.array(records.patients)
    return (describe(signal[mine], FS_HZ, LEADS), names[mine]), (signal[~mine], names[~mine])


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_single_fault_is_told_by_its_family_and_by_no_other(halves, name):
    (real, people), (signal, others) = halves
    plant, family = PLANTED[name]
    changed = describe(plant(signal, np.random.default_rng(1)).astype(np.float32), FS_HZ, LEADS)
    found = judge(
        real, changed, real_groups=people, generated_groups=others, families=FAMILIES, floor=False, trees=150, seed=0
    )
    assert found[family].auroc.low > 0.6, found[family]
    for other in FAMILIES:
        # Beats of other people hold other power: the spectrum changes with them, less clearly (AUROC .8 to .99).
        if other != family and (name, other) != ("beats_exchanged", "spectrum"):
            # The interval takes the forests as given, so it is a little too narrow for .5 itself.
            assert found[other].auroc.low < 0.53, (other, found[other])
