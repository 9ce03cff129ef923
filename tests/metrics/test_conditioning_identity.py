import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gen.records import InputError
from metrics.conditioning import request_error, retrieval, statement_accuracy, text_agreement
from metrics.identity import (
    compare_identities,
    identity_intervals,
    identity_scores,
    scores_of,
    separation,
    silhouette,
    silhouettes,
)


def test_requested_rates():
    asked = np.array([40.0, 80.0, 120.0, 160.0])
    found = request_error(reference=asked, generated=0.5 * asked + 50)  # errors 30, 10, -10, -30
    assert (found.mae, found.bias, found.slope) == (20, 0, 0.5)
    assert (found.within_5, found.within_10, found.coverage) == (0, 0.5, 1)


def test_what_cannot_be_measured_counts_against_the_model():
    found = request_error(reference=[60.0, 80.0, 100.0, 120.0], generated=[60.0, np.nan, 100.0, np.nan])
    assert (found.mae, found.within_5, found.coverage, found.n) == (0, 0.5, 0.5, 4)
    with pytest.raises(InputError, match="nothing"):
        request_error(reference=[60.0, 80.0], generated=[np.nan, np.nan])


def test_one_request_has_no_slope():
    assert np.isnan(request_error(reference=[60.0] * 3, generated=[59.0, 60.0, 61.0]).slope)


def test_statements_against_shuffled_requests(rng):
    asked = rng.random((300, 4)) < [0.1, 0.3, 0.5, 0.0]
    scores = rng.standard_normal((300, 4)) + 2 * asked
    found = statement_accuracy(reference=asked, generated=scores)
    expected = [roc_auc_score(asked[:, i], scores[:, i]) for i in range(3)]
    np.testing.assert_allclose(found.auroc[:3], expected)
    assert np.isnan(found.auroc[3])  # never asked for
    assert found.macro == pytest.approx(np.mean(expected))
    assert found.macro_shuffled == pytest.approx(0.5, abs=0.02)
    assert found.p_value < 0.02
    ignoring = statement_accuracy(reference=asked, generated=rng.standard_normal((300, 4)))
    assert ignoring.p_value > 0.02


def test_retrieval_of_the_right_text(rng):
    text = rng.standard_normal((200, 16))
    good = retrieval(reference=text, generated=3 * text + 0.5 * rng.standard_normal(text.shape))
    assert good.at_1 > 0.95
    assert good.candidates == 100
    ignoring = retrieval(reference=text, generated=rng.standard_normal(text.shape))
    assert ignoring.at_10 == pytest.approx(0.1, abs=0.06)
    assert ignoring.median_rank == pytest.approx(50, abs=12)
    constant = retrieval(reference=text, generated=np.ones_like(text))
    assert constant.at_1 < 0.05
    tied = retrieval(reference=np.ones((50, 3)), generated=np.ones((50, 3)))
    assert tied.at_1 == 0  # equal texts cannot be told apart


def test_text_agreement_and_its_three_references(rng):
    text, common = rng.standard_normal((300, 12)), 3 * np.ones(12)

    def ecg(share):
        return share * text + (1 - share) * rng.standard_normal(text.shape) + common

    found = text_agreement(
        reference=ecg(0.8), reference_text=text + common, generated=ecg(0.4), generated_text=text + common,
        noise=rng.standard_normal((100, 12)),
    )  # fmt: skip
    assert found.real > found.generated > found.shuffled > found.noise
    assert found.ratio > 0.9  # what papers print looks fine,
    assert found.calibrated < 0.75  # beside its own floor it does not
    perfect = text_agreement(
        reference=text, reference_text=text, generated=text, generated_text=text, noise=rng.standard_normal((9, 12))
    )
    assert perfect.ratio == perfect.calibrated == pytest.approx(1)


@pytest.fixture
def people(rng):
    person = rng.standard_normal((40, 10))
    return person, np.arange(40)


def test_identity_is_found(people, rng):
    person, who = people
    near = identity_scores(
        reference=person, generated=person + 0.1 * rng.standard_normal(person.shape),
        reference_persons=who, generated_persons=who,
    )  # fmt: skip
    assert (near.rank_1, near.rank_5) == (1, 1)
    assert near.eer < 0.02
    assert near.rank_1_chance == pytest.approx(1 / 40)
    far = identity_scores(
        reference=person, generated=rng.standard_normal(person.shape), reference_persons=who, generated_persons=who
    )
    assert far.rank_1 < 0.2
    assert far.eer == pytest.approx(0.5, abs=0.12)


def test_strangers_of_another_condition_do_not_compete(rng):
    """Features that hold the condition alone look like identity until strangers share it."""
    condition = np.arange(40) % 2
    values = np.where(condition[:, None] == 1, 1.0, -1.0) * np.ones(6) + 0.3 * rng.standard_normal((40, 6))
    generated = np.where(condition[:, None] == 1, 1.0, -1.0) * np.ones(6) + 0.3 * rng.standard_normal((40, 6))
    given = {"reference": values, "generated": generated}
    given |= {"reference_persons": np.arange(40), "generated_persons": np.arange(40)}
    fooled = identity_scores(**given)
    strict = identity_scores(**given, reference_strata=condition, generated_strata=condition)
    assert fooled.eer < 0.35 < strict.eer
    assert strict.eer == pytest.approx(0.5, abs=0.15)
    assert strict.rank_1_chance == pytest.approx(1 / 20)


def test_a_constant_feature_knows_nobody():
    who = np.arange(10)
    found = identity_scores(
        reference=np.ones((10, 3)), generated=np.ones((10, 3)), reference_persons=who, generated_persons=who
    )
    assert found.rank_1 == 0
    assert found.eer == 0.5


def test_nobody_to_find_is_refused():
    with pytest.raises(InputError, match="gallery"):
        identity_scores(
            reference=np.ones((2, 3)), generated=np.ones((2, 3)), reference_persons=[1, 2], generated_persons=[3, 4]
        )


def test_silhouette_of_points_on_a_line():
    """Persons at 0, 1 and at 4, 6: a is 1 or 2, b the mean distance to the other person's two points."""
    values, who = np.array([[0.0], [1.0], [4.0], [6.0]]), ["a", "a", "b", "b"]
    expected = np.mean([(5 - 1) / 5, (4 - 1) / 4, (3.5 - 2) / 3.5, (5.5 - 2) / 5.5])
    assert silhouette(values=values, persons=who) == pytest.approx(expected)
    assert silhouette(values=values[[0, 2, 1, 3]], persons=["a", "b", "a", "b"]) == pytest.approx(expected)
    alone = silhouettes(values=np.concatenate([values, [[9.0]]]), persons=[*who, "c"])
    assert alone[-1] == 0
    turned = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    assert silhouette(values=turned, persons=who, metric="cosine") == pytest.approx(1)


@pytest.mark.parametrize(
    ("persons", "metric", "words"),
    [("aaaa", "cosine", "at least two"), ("abcd", "cosine", "two ECGs"), ("aabb", "manhattan", "accepted: euclidean")],
)
def test_silhouette_of_nobody_is_refused(persons, metric, words):
    with pytest.raises(InputError, match=words):
        silhouette(values=np.eye(4), persons=list(persons), metric=metric)


def _two_visits(rng, people: int) -> dict:
    """First visits as the gallery, two later ones of each person as queries, as noisy as the persons differ."""
    own = rng.standard_normal((people, 6))
    later = np.repeat(own, 2, axis=0) + rng.standard_normal((2 * people, 6))
    return {
        "reference": own + 0.5 * rng.standard_normal(own.shape),
        "generated": later,
        "reference_persons": np.arange(people),
        "generated_persons": np.repeat(np.arange(people), 2),
    }


def test_identity_intervals_hold_the_scores_and_draw_persons(rng):
    given = _two_visits(rng, 40)
    found = compare_identities(**given)
    scores, people = scores_of(found), given["generated_persons"][found.rows]
    intervals = identity_intervals(found, groups=people)
    for name, each in intervals.items():
        assert each.value == pytest.approx(getattr(scores, name))
        assert each.low < each.value < each.high
        assert (each.n, each.groups) == (80, 40)
    assert scores == identity_scores(**given)


def test_a_drawn_query_counts_as_often_as_it_was_drawn(rng):
    """The error rate under weights is that of comparisons in which the queries stand again and again."""
    given = _two_visits(rng, 12)
    found = compare_identities(**given)
    draws = identity_intervals(found, replicates=100, seed=3)["eer"]
    from metrics.statistics.bootstrap import bootstrap

    def again(rows):
        repeated = {
            **given,
            "generated": given["generated"][rows],
            "generated_persons": given["generated_persons"][rows],
        }
        return identity_scores(**repeated).eer

    def repeated(weights):
        return np.array([again(np.repeat(np.arange(24), counts)) for counts in weights.astype(int)])

    by_hand = bootstrap(repeated, 24, replicates=100, seed=3)
    assert (draws.value, draws.low, draws.high) == pytest.approx((by_hand.value, by_hand.low, by_hand.high))


def test_the_threshold_rejects_as_often_as_it_accepts_strangers(rng):
    given = _two_visits(rng, 60)
    scores, found = identity_scores(**given), compare_identities(**given)
    rejected = (np.concatenate(found.same) < scores.threshold).mean()
    accepted = (np.concatenate(found.other) >= scores.threshold).mean()
    assert rejected == pytest.approx(accepted, abs=0.02)
    assert scores.eer == pytest.approx((rejected + accepted) / 2, abs=0.01)


def test_separation_needs_two_of_each(rng):
    values = rng.standard_normal((6, 3))
    found = separation(values=values, persons=[0, 0, 1, 1, 2, 2])
    assert found["silhouette"].groups == 3
    with pytest.raises(InputError, match="two of each"):
        separation(values=values, persons=[0, 0, 1, 1, 1, 2])
