import numpy as np
import pytest
import wfdb

from gen.datasets import open_source
from gen.leads import to_8
from gen.records import InputError
from gen.simulate import simulate
from metrics.privacy import attacks as privacy
from metrics.privacy.copies import find_copies

FS_HZ = 500.0


def resonances(rng, count, time=5000):
    """Independent records (count, 8, time) of a noise-driven 5 Hz resonance, mixed into eight leads."""
    from scipy.signal import lfilter

    source = lfilter([1], [1, -1.99, 0.9939], rng.standard_normal((count, 3, time)), axis=-1)
    return np.einsum("nls,nst->nlt", rng.standard_normal((count, 8, 3)), source / source.std())


def plant(rng, original, shift):
    """The copy that must be found: later by ``shift`` samples, 1.1 times as large, 20 dB of white noise."""
    copy = 1.1 * np.roll(original, shift, axis=-1)
    return copy + 0.1 * np.sqrt((copy**2).mean()) * rng.standard_normal(copy.shape)


def test_one_percent_of_planted_copies_is_flagged(rng):
    train, generated = resonances(rng, 60), resonances(rng, 200)
    generated[31] = plant(rng, train[5], 100)
    generated[77] = plant(rng, train[59], -100)
    found = find_copies(reference=train, generated=generated, fs_hz=FS_HZ)
    assert found.share == 0.01
    np.testing.assert_array_equal(np.flatnonzero(found.copies), [31, 77])
    np.testing.assert_array_equal(found.index[[31, 77]], [5, 59])
    np.testing.assert_allclose(found.lag_s[[31, 77]], [0.2, -0.2], atol=0.002)
    assert {pair[0] for pair in found.top(2)} == {31, 77}


def test_real_recordings_planted_copies_and_a_fresh_set(rng, data_dir):
    files = sorted((data_dir("ptb-xl") / "records500").glob("*/*.hea"))[:60]
    x = np.stack([to_8(np.nan_to_num(wfdb.rdrecord(str(f.with_suffix(""))).p_signal.T)) for f in files])
    train, fresh = x[:30], x[30:]
    clean = find_copies(reference=train, generated=fresh, fs_hz=FS_HZ)
    assert clean.share == 0
    assert clean.correlation.max() < 0.95
    shifts = [100, -100, 3, 333]
    spoiled = np.concatenate([fresh, [plant(rng, train[7 * i], s) for i, s in enumerate(shifts)]])
    found = find_copies(reference=train, generated=spoiled, fs_hz=FS_HZ)
    np.testing.assert_array_equal(np.flatnonzero(found.copies), [30, 31, 32, 33])
    np.testing.assert_array_equal(found.index[30:], [0, 7, 14, 21])


def test_every_planted_copy_of_fold_10_is_found_and_fold_9_is_clean(data_dir):
    source = open_source(data_dir("ptb-xl"))
    table = source.table.reset_index(drop=True)
    folds = [np.flatnonzero(table.fold == fold) for fold in (8, 9, 10)]
    drifting = np.flatnonzero(table.record_id == "00168")  # its circular shift leaves a seam of 1.5 mV
    rows = np.concatenate([folds[0][:90], folds[2][:19], drifting])
    train, fresh = (_eight(source, some) for some in (rows, folds[1][:60]))
    clean = find_copies(reference=train, generated=fresh, fs_hz=FS_HZ)
    assert clean.share == 0
    assert clean.correlation.max() < 0.95
    rng = np.random.default_rng(1)
    shifts = [100, *rng.integers(-490, 490, 18), 100]
    spoiled = np.concatenate([fresh, [plant(rng, x, s) for x, s in zip(train[90:], shifts, strict=True)]])
    found = find_copies(reference=train, generated=spoiled, fs_hz=FS_HZ)
    np.testing.assert_array_equal(np.flatnonzero(found.copies), np.arange(60, 80))
    np.testing.assert_array_equal(found.index[60:], np.arange(90, 110))
    np.testing.assert_allclose(found.lag_s[60:], np.array(shifts) / FS_HZ, atol=0.002)


def test_copies_of_simulated_ecgs_with_drift_and_steps_are_found(rng):
    time_s = np.arange(5000) / FS_HZ
    clean = simulate(range(24), seed=1, noise="light").signal_mv
    slow = np.zeros_like(clean)
    slow[:8] = 2.0 * np.sin(2 * np.pi * 0.23 * time_s + np.arange(8)[:, None, None])
    slow[8:16] = 0.4 * time_s  # a circular shift makes a step of 4 mV of it
    fresh = simulate(range(24), seed=2, noise="light").signal_mv
    train = clean + slow
    assert find_copies(reference=train, generated=fresh, fs_hz=FS_HZ).share == 0
    copies = np.stack([plant(rng, x, 100) for x in clean]) + 1.1 * np.roll(slow, 100, axis=-1)
    found = find_copies(reference=train, generated=np.concatenate([fresh, copies]), fs_hz=FS_HZ)
    np.testing.assert_array_equal(found.index[24:], np.arange(24))
    np.testing.assert_allclose(found.lag_s[24:], 0.2, atol=0.002)
    np.testing.assert_array_equal(np.flatnonzero(found.copies), np.arange(24, 48))


def _eight(source, rows):
    return np.stack([np.nan_to_num(source[int(row)].to_8().signal_mv) for row in rows])


def test_a_set_compared_with_itself_is_all_copies(rng):
    x = resonances(rng, 5)
    found = find_copies(reference=x, generated=x, fs_hz=FS_HZ)
    assert found.share == 1
    np.testing.assert_allclose(found.correlation, 1, atol=1e-5)


def test_a_flat_record_is_like_nothing(rng):
    x = resonances(rng, 3)
    found = find_copies(reference=x, generated=np.zeros((2, 8, 5000)), fs_hz=FS_HZ)
    assert found.share == 0
    np.testing.assert_array_equal(found.correlation, 0)


def test_an_inverted_record_is_no_copy(rng):
    x = resonances(rng, 3)
    assert find_copies(reference=x, generated=-x, fs_hz=FS_HZ).share == 0


@pytest.mark.parametrize("shape", [(2, 8, 900), (2, 7, 5000), (8, 5000), (0, 8, 5000)])
def test_unfit_sets_are_refused(shape):
    with pytest.raises(InputError, match="accepted"):
        find_copies(reference=np.ones((2, 8, shape[-1])), generated=np.ones(shape), fs_hz=FS_HZ)


@pytest.fixture
def world(rng):
    """Training, holdout, population and a fresh generator; then one that memorised."""
    train, holdout, population, fresh = rng.standard_normal((4, 300, 6))
    memorised = train + 0.05 * rng.standard_normal(train.shape)
    return {"reference": train, "holdout": holdout}, population, fresh, memorised


def test_a_fresh_sample_passes_and_an_overfitted_one_is_flagged(world):
    sets, population, fresh, memorised = world
    good = privacy.nearer_to_train(**sets, generated=fresh)
    bad = privacy.nearer_to_train(**sets, generated=memorised)
    assert good.share.low <= 0.5 <= good.share.high
    assert good.auroc == pytest.approx(0.5, abs=0.05)
    assert bad.share.low > 0.95
    for attack, extra in (
        (privacy.membership_black_box, {}),
        (privacy.membership_density_ratio, {"population": population}),
    ):
        passed = attack(**sets, generated=fresh, **extra)
        caught = attack(**sets, generated=memorised, **extra)
        assert passed.auroc.low <= 0.5 <= passed.auroc.high
        assert caught.auroc.low > 0.9
        assert caught.tpr_at_1_percent > 0.5 > passed.tpr_at_1_percent


def test_one_percent_of_copies_shows_in_the_neighbour_ratio(world, rng):
    sets, _, fresh, _ = world
    spoiled = fresh.copy()
    spoiled[:3] = sets["reference"][:3] + 1e-4 * rng.standard_normal((3, 6))
    ratio = privacy.nearest_neighbour_ratio(reference=sets["reference"], generated=spoiled)
    assert (ratio[:3] < 0.01).all()
    assert (ratio[3:] > 0.05).all()
    assert ((ratio >= 0) & (ratio <= 1)).all()


def test_a_duplicate_in_the_training_set_hides_no_copy(rng):
    train = np.repeat(rng.standard_normal((5, 3)), 2, axis=0)
    np.testing.assert_array_equal(privacy.nearest_neighbour_ratio(reference=train, generated=train[:4]), 0)


def test_a_larger_training_set_is_not_held_against_the_generator(rng):
    train, holdout, fresh = rng.standard_normal((2000, 4)), rng.standard_normal((200, 4)), rng.standard_normal((500, 4))
    found = privacy.nearer_to_train(reference=train, generated=fresh, holdout=holdout)
    assert found.size == 200
    assert found.share.value == pytest.approx(0.5, abs=0.12)


def test_a_far_generator_fools_the_share_but_not_the_membership_attack(rng):
    values = []
    for _ in range(8):
        train, holdout, far = rng.standard_normal((3, 200, 8))
        sets = {"reference": train, "generated": far + 20, "holdout": holdout}
        values.append((privacy.nearer_to_train_share(**sets), privacy.membership_auroc(**sets)))
    share, attack = np.array(values).T
    assert share.std() > 0.3
    assert np.abs(attack - 0.5).max() < 0.12


def test_white_box_attack_on_losses(rng):
    others = rng.gamma(5, 1, (300, 4)) * [1, 10, 100, 1000]  # levels of very different size
    members = rng.gamma(5, 0.5, (300, 4)) * [1, 10, 100, 1000]
    assert privacy.membership_white_box(members, others).auroc.low > 0.85
    same = privacy.membership_white_box(others[:150], others[150:])
    assert same.auroc.value == pytest.approx(0.5, abs=0.1)  # three standard errors
    # One level given as a vector is the same as a matrix of one column.
    a, b = (privacy.membership_white_box(x(members), x(others)) for x in (lambda z: z[:, 0], lambda z: z[:, :1]))
    assert a == b


def test_a_patient_cannot_be_member_and_stranger(world):
    sets, _, fresh, _ = world
    with pytest.raises(InputError, match="300 patients"):
        privacy.membership_black_box(
            **sets, generated=fresh, reference_groups=np.arange(300), holdout_groups=np.arange(300)
        )
