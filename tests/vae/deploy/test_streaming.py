"""`StreamingReconstructor`: a fixed delay, the same result however the recording is cut, recorded samples untouched."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gen.leads import LEADS_8, LEADS_12, limb_lead_residual
from gen.records import EcgRecord, InputError
from gen.simulate import simulate
from vae.deploy.streaming import StreamingReconstructor, StreamPart, StreamSettings
from vae.pipeline import load

MAIN = ("II", "V1", "V5")
QUICK = StreamSettings(window_s=4.0, hop_s=1.0, guard_s=0.2, fade_s=0.3)
ROWS = [LEADS_12.index(lead) for lead in MAIN]


@pytest.fixture(scope="module")
def network(checkpoint):
    return load(checkpoint)


@pytest.fixture(scope="module")
def linear():
    return load(method="least-squares")


@pytest.fixture(scope="module")
def long() -> EcgRecord:
    """Eight seconds at 250 Hz."""
    return simulate(range(1), seed=9, duration_s=8, fs_hz=250, noise="light").records()[0]


@pytest.fixture(scope="module")
def recorded(long) -> dict[str, np.ndarray]:
    """Method -> (3, 2000) mV of leads II, V1, V5, for the network with holes, which the linear method does not take."""
    signal = long.select(MAIN).signal_mv
    holed = signal.copy()
    holed[1, 700:1100], holed[:, 1300:1320] = np.nan, np.nan
    return {"network": holed, "linear": signal}


def joined(parts: list[StreamPart]) -> StreamPart:
    """Parts as one, after a look that they follow each other."""
    ends = np.cumsum([0, *(part.signal_mv.shape[1] for part in parts)])
    assert [part.start for part in parts] == list(ends[:-1])
    bands = {
        level: tuple(np.concatenate([part.bands[level][side] for part in parts], axis=1) for side in (0, 1))
        for level in parts[0].bands
    }
    return StreamPart(
        0, *(np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("signal_mv", "observed")), bands
    )


def run(pipeline, signal: np.ndarray, fs_hz: float, leads=MAIN, cuts=(), how: StreamSettings = QUICK) -> StreamPart:
    stream = StreamingReconstructor(leads, fs_hz, pipeline=pipeline, settings=how)
    parts, received = [], 0
    for chunk in np.split(signal, list(cuts), axis=1):
        part = stream.push(chunk)
        received += chunk.shape[1]
        assert part.start + part.signal_mv.shape[1] == max(0, received - stream.latency)  # the promised delay
        parts.append(part)
    return joined([*parts, stream.close()])


def same_bits(a: StreamPart, b: StreamPart) -> bool:
    bands = all(
        np.array_equal(x, y, equal_nan=True) for k in a.bands for x, y in zip(a.bands[k], b.bands[k], strict=True)
    )
    return bands and np.array_equal(a.signal_mv, b.signal_mv, equal_nan=True) and np.array_equal(a.observed, b.observed)


# --- chunks ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_one_piece(network, linear, recorded):
    """Method -> result of the recording as a single chunk."""
    return {name: run(each, recorded[name], 250) for name, each in (("network", network), ("linear", linear))}


@pytest.mark.parametrize("method", ["network", "linear"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_the_result_does_not_depend_on_the_chunks(request, in_one_piece, recorded, method, cuts):
    pipeline = request.getfixturevalue(method)
    assert same_bits(run(pipeline, recorded[method], 250, cuts=sorted(cuts)), in_one_piece[method])


def test_one_sample_at_a_time(linear, recorded, in_one_piece):
    assert same_bits(run(linear, recorded["linear"], 250, cuts=range(1, 2000)), in_one_piece["linear"])


def test_the_chunk_may_be_reused_by_the_caller(linear, recorded, in_one_piece):
    stream = StreamingReconstructor(MAIN, 250, pipeline=linear, settings=QUICK)
    buffer, parts = np.empty((3, 100), dtype=np.float32), []
    for start in range(0, 2000, 100):
        buffer[:] = recorded["linear"][:, start : start + 100]
        parts.append(stream.push(buffer))
        buffer[:] = 1e6
    assert same_bits(joined([*parts, stream.close()]), in_one_piece["linear"])


# --- what comes out --------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    leads=st.lists(st.sampled_from(LEADS_12), min_size=1, max_size=5, unique=True),
    fs_hz=st.sampled_from([100.0, 128.0, 250.0, 300.0, 360.0, 500.0, 1000.0]),
    seconds=st.floats(1.0, 4.0),
    gap=st.floats(0.0, 0.5),
)
def test_recorded_samples_come_back_and_the_limb_leads_obey_their_law(network, leads, fs_hz, seconds, gap):
    heart = simulate(range(1), seed=4, duration_s=5, fs_hz=fs_hz, noise="light").records()[0]
    signal = heart.select(leads).signal_mv[:, : int(seconds * fs_hz) + 1].copy()
    width = signal.shape[1]
    signal[0, int(0.3 * width) : int((0.3 + gap) * width)] = np.nan
    found = run(network, signal, fs_hz, leads=leads, cuts=(width // 3,))
    rows = [LEADS_12.index(lead) for lead in leads]
    known = ~np.isnan(signal)
    assert found.signal_mv.shape == (12, width)
    assert found.signal_mv[rows][known].tobytes() == signal[known].tobytes()
    assert np.array_equal(found.observed[rows], known)
    assert not np.delete(found.observed, rows, axis=0).any()
    assert np.isfinite(found.signal_mv).all()
    # The law holds to the bit that the recorded limb leads themselves obey it.
    assert limb_lead_residual(found.signal_mv, LEADS_12) < 1e-6


def test_one_window_is_what_the_pipeline_gives(network, hearts):
    """A recording no longer than the delay is read as a whole, once, at its end."""
    record = replace(hearts[0], signal_mv=hearts[0].signal_mv[:, :740]).select(MAIN)
    found = run(network, record.signal_mv, 500)
    expected = network(record)
    assert np.array_equal(found.signal_mv, expected.record.signal_mv)
    for level, (lower, upper) in expected.bands.items():
        np.testing.assert_allclose(found.bands[level][0], lower, atol=1e-6)
        np.testing.assert_allclose(found.bands[level][1], upper, atol=1e-6)


def test_a_method_without_memory_is_the_same_in_a_stream(linear, hearts):
    """Least squares looks at one instant: windows and cross-fade must change nothing but rounding."""
    record = hearts[1].select(MAIN)
    found = run(linear, record.signal_mv, 500)
    np.testing.assert_allclose(found.signal_mv, linear(record).record.signal_mv, atol=2e-6)


class _Counting:
    """A pipeline whose every window is the constant number of the window."""

    def __init__(self, real) -> None:
        self.real, self.calls, self.calibration, self.predictor = real, 0, None, real.predictor

    def __call__(self, record, **options):
        self.calls += 1
        result = self.real(record, **options)
        signal = np.full_like(result.record.signal_mv, float(self.calls))
        return replace(result, record=replace(result.record, signal_mv=signal))


def test_windows_pass_into_each_other_without_a_step(linear, long):
    counting = _Counting(linear)
    found = run(counting, long.select(MAIN).signal_mv, 250).signal_mv[LEADS_12.index("V3")]
    hop, fade, guard = 250, 75, 50
    # 2,000 samples: windows end at 375, 625, ... 1875, and the last one at the end.
    assert counting.calls == 8
    assert (np.diff(found) >= 0).all()
    assert np.diff(found).max() <= 1 / (fade + 1) + 1e-6
    for number in range(1, 8):
        begin = (number - 1) * hop + (fade if number > 1 else 0)
        assert (found[begin : number * hop] == number).all()
    assert (found[1875 - guard :] == 8).all()


def test_a_step_would_be_seen(linear, long):
    """The counterpart: without a cross-fade the same windows do step."""
    sharp = StreamSettings(window_s=4.0, hop_s=1.0, guard_s=0.2, fade_s=0.0)
    found = run(_Counting(linear), long.select(MAIN).signal_mv, 250, how=sharp).signal_mv[LEADS_12.index("V3")]
    assert np.diff(found).max() == 1


def test_bands_hold_the_estimate_and_have_no_width_where_recorded(network, long):
    found = run(network, long.select(MAIN).signal_mv, 250)
    (low_50, high_50), (low_90, high_90) = found.bands[50], found.bands[90]
    assert (low_90 <= low_50).all()
    assert (high_50 <= high_90).all()
    assert (low_90 <= found.signal_mv).all()
    assert (found.signal_mv <= high_90).all()
    assert np.array_equal(low_90[ROWS], long.select(MAIN).signal_mv)
    assert (high_90 - low_90)[LEADS_12.index("V3")].min() > 0


# --- what may go wrong -----------------------------------------------------------------------------------------------


def test_a_lead_that_falls_off_does_not_stop_the_stream(network, long):
    signal = long.select(MAIN).signal_mv.copy()
    signal[1, 500:1800] = signal[1, 500]  # flat over whole windows
    found = run(network, signal, 250)
    assert found.signal_mv[ROWS].tobytes() == signal.tobytes()
    assert np.isfinite(found.signal_mv).all()


def test_nothing_recorded_gives_nothing_and_then_goes_on(network, long):
    signal = long.select(MAIN).signal_mv.copy()
    signal[:, 250:1500] = np.nan  # five seconds: the windows of four seconds that end in its last one hold nothing
    found = run(network, signal, 250)
    v3 = found.signal_mv[LEADS_12.index("V3")]
    silent = np.isnan(v3)
    assert silent.any()
    assert not silent[:250].any()
    assert not silent[1750:].any()
    assert np.isnan(found.signal_mv[:, silent]).all()
    everything = run(network, np.full((3, 1000), np.nan, dtype=np.float32), 250)
    assert np.isnan(everything.signal_mv).all()


def test_an_empty_stream_is_empty(linear):
    stream = StreamingReconstructor(MAIN, 250, pipeline=linear)
    assert stream.push(np.empty((3, 0))).signal_mv.shape == (12, 0)
    assert stream.close().signal_mv.shape == (12, 0)


def test_bad_chunks_and_late_ones(linear):
    stream = StreamingReconstructor(MAIN, 250, pipeline=linear)
    for bad in (np.zeros((2, 10)), np.zeros(10), np.full((3, 10), np.inf)):
        with pytest.raises(InputError, match="accepted"):
            stream.push(bad)
    stream.push(np.zeros((3, 100)))
    with pytest.raises(InputError, match="at least 1 s"):
        stream.close()
    stream.push(np.zeros((3, 200)))
    stream.close()
    with pytest.raises(InputError, match="closed"):
        stream.push(np.zeros((3, 10)))
    with pytest.raises(InputError, match="closed"):
        stream.close()


@pytest.mark.parametrize(
    ("leads", "fs_hz", "words"),
    [(("II", "V9"), 250, "V9"), (("II", "II"), 250, "twice"), ((), 250, "at least one"), (("I",), 0, "above 0")],
)
def test_bad_devices(linear, leads, fs_hz, words):
    with pytest.raises(InputError, match=words):
        StreamingReconstructor(leads, fs_hz, pipeline=linear)


@pytest.mark.parametrize(
    "given_s",
    [{"hop_s": 0}, {"fade_s": 2.0}, {"guard_s": -1.0}, {"window_s": 1.2}, {"hop_s": 0.2}, {"hop_s": float("nan")}],
)
def test_bad_settings(given_s):
    with pytest.raises(InputError, match="accepted"):
        StreamSettings(**given_s)


def test_a_method_that_reads_the_truth_is_refused():
    with pytest.raises(InputError, match="per-patient"):
        StreamingReconstructor(MAIN, 250, pipeline=load(method="per-patient"))


def test_every_lead_set_of_eight_is_enough(linear, long):
    found = run(linear, long.to_8().signal_mv, 250, leads=LEADS_8)
    assert np.array_equal(found.signal_mv, long.to_8().to_12().signal_mv)
