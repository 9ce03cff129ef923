import numpy as np
import pytest

from gen.records import InputError
from metrics.distribution.diversity import spread_ratio, vendi_score
from metrics.distribution.manifold import manifold_scores
from metrics.distribution.mmd import kid, kid_subsets, rbf_mmd
from metrics.statistics.distances import nearest, neighbour_radii


def naive_scores(real, fake, k):
    """The published definitions, point by point (Kynkäänniemi et al. 2019; Naeem et al. 2020)."""

    def distance(a, b):
        return float(np.sqrt(((a - b) ** 2).sum()))

    def radius(points, i):
        return sorted(distance(points[i], p) for j, p in enumerate(points) if j != i)[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    fake_radii = [radius(fake, i) for i in range(len(fake))]
    inside = [[distance(y, x) <= r for x, r in zip(real, real_radii, strict=True)] for y in fake]
    return (
        np.mean([any(row) for row in inside]),
        np.mean([any(distance(x, y) <= r for y, r in zip(fake, fake_radii, strict=True)) for x in real]),
        np.sum(inside) / (k * len(fake)),
        np.mean([any(row[i] for row in inside) for i in range(len(real))]),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_agrees_with_the_published_definitions(rng, k):
    real, fake = rng.standard_normal((40, 3)), rng.standard_normal((30, 3)) * 1.2 + 0.4
    found = manifold_scores(reference=real, generated=fake, k=k)
    np.testing.assert_allclose(
        (found.precision, found.recall, found.density, found.coverage), naive_scores(real, fake, k), rtol=1e-12
    )


def test_mode_collapse_is_precise_but_has_no_recall(rng):
    """Asymmetric on purpose: swapped arguments would turn the two around."""
    real = rng.standard_normal((500, 4))
    collapsed = real[:1] * 0.05 + 0.02 * rng.standard_normal((500, 4))
    found = manifold_scores(reference=real, generated=collapsed)
    assert found.precision > 0.95
    assert found.recall < 0.05
    assert found.coverage < 0.3
    assert found.density > 1
    swapped = manifold_scores(reference=collapsed, generated=real)
    assert swapped.precision < 0.05
    assert swapped.recall > 0.95


def test_equal_distributions_reach_the_expected_coverage(rng):
    real, fake = rng.standard_normal((2, 3000, 3))
    for k in (3, 5):
        found = manifold_scores(reference=real, generated=fake, k=k)
        assert found.coverage == pytest.approx(1 - 2.0**-k, abs=0.012)
        assert found.density == pytest.approx(1, abs=0.05)


def test_copies_are_inside_even_far_from_the_origin(rng):
    """The identity |x|^2 + |y|^2 - 2xy loses 14 digits here unless the data is centred first."""
    points = rng.standard_normal((50, 6)) + 1e7
    found = manifold_scores(reference=points, generated=points)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_duplicates_have_a_radius_of_exactly_zero(rng):
    points = np.repeat(rng.standard_normal((10, 5)), 4, axis=0)
    np.testing.assert_array_equal(neighbour_radii(points, 3), 0)
    assert (neighbour_radii(points, 4) > 0).all()


def test_nearest_agrees_with_brute_force(rng):
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((30, 3))
    full = np.sqrt(((x[:, None] - y) ** 2).sum(-1))
    distance, index = nearest(x, y, 4)
    np.testing.assert_allclose(distance, np.sort(full, axis=1)[:, :4], rtol=1e-9)
    np.testing.assert_array_equal(index, np.argsort(full, axis=1)[:, :4])
    with pytest.raises(InputError, match="1 to 30"):
        nearest(x, y, 31)


def test_kid_agrees_with_its_definition(rng):
    x, y = rng.standard_normal((12, 4)), rng.standard_normal((9, 4)) + 0.5

    def k(a, b):
        return (a @ b / 4 + 1) ** 3

    within_x = np.mean([k(x[i], x[j]) for i in range(12) for j in range(12) if i != j])
    within_y = np.mean([k(y[i], y[j]) for i in range(9) for j in range(9) if i != j])
    across = np.mean([k(a, b) for a in x for b in y])
    assert kid(reference=x, generated=y) == pytest.approx(within_x + within_y - 2 * across, rel=1e-10)


def test_kid_agrees_with_torchmetrics(rng):
    torch = pytest.importorskip("torch")
    from torchmetrics.image.kid import poly_mmd

    x, y = rng.standard_normal((2, 60, 8))
    expected = poly_mmd(torch.tensor(x), torch.tensor(y + 0.3), degree=3, gamma=None, coef=1.0)
    assert kid(reference=x, generated=y + 0.3) == pytest.approx(float(expected), rel=1e-10)


def test_kid_is_unbiased_where_fid_is_not(rng):
    values = [kid(reference=a, generated=b) for a, b in rng.standard_normal((200, 2, 20, 6))]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_kid_subsets_centre_on_kid(rng):
    x, y = rng.standard_normal((2, 400, 5))
    subsets = kid_subsets(reference=x, generated=y + 0.5, subsets=50, size=200)
    assert subsets.mean == pytest.approx(kid(reference=x, generated=y + 0.5), abs=4 * subsets.std / np.sqrt(50))


def test_rbf_mmd_has_its_closed_form(rng):
    """N(0, I) against N(m, I) with bandwidth h in d dimensions: 2 (h2/(h2+2))^(d/2) (1 - exp(-|m|^2/(2(h2+2))))."""
    d, h, shift = 2, 1.5, 1.0
    x, y = rng.standard_normal((2, 2000, d))
    y[:, 0] += shift
    expected = 2 * (h**2 / (h**2 + 2)) ** (d / 2) * (1 - np.exp(-(shift**2) / (2 * (h**2 + 2))))
    assert rbf_mmd(reference=x, generated=y, bandwidth=h) == pytest.approx(expected, rel=0.1)
    assert abs(rbf_mmd(reference=x, generated=rng.standard_normal((2000, d)))) < 0.003


def test_vendi_score_counts_what_is_different():
    assert vendi_score(generated=np.ones((7, 3))) == pytest.approx(1)
    assert vendi_score(generated=np.eye(6)) == pytest.approx(6)
    assert vendi_score(generated=np.repeat(np.eye(3), 5, axis=0)) == pytest.approx(3)
    assert vendi_score(generated=np.repeat(np.eye(3, 40), 5, axis=0)) == pytest.approx(3)
    with pytest.raises(InputError, match="all 0"):
        vendi_score(generated=np.zeros((3, 3)))


def test_spread_ratio_scales_with_the_spread(rng):
    x = rng.standard_normal((100, 5))
    assert spread_ratio(reference=x, generated=0.3 * x + 9) == pytest.approx(0.3)
