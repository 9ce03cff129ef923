"""Conditions: what is refused, where numbers of a text go, and how parts are left out."""

import pytest
import torch

from diffusion.conditions.batch import ConditionBatch, collate, drop_at_random
from diffusion.conditions.condition import GROUPS, Condition
from gen.quantities import QUANTITIES
from gen.records import InputError
from gen.text import vocabulary

NAMES = list(QUANTITIES)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"age": -3}, "age -3: expected 0 to 120 years"),
        ({"heart_rate": 900}, "heart_rate 900: expected 20 to 300 bpm"),
        ({"heart_rate": float("nan")}, "heart_rate nan"),
        ({"sex": "male"}, "sex 'male': expected one of F, M"),
        ({"source": "elsewhere"}, "source 'elsewhere'"),
    ],
)
def test_bad_requests(wrong, said):
    with pytest.raises(InputError, match=said):
        Condition(**wrong)


def test_a_text_is_read_at_the_door_and_its_numbers_become_numeric_conditions():
    read = Condition(text="atrial fibrillation, rate 130 bpm, QRS 140 ms, QTc 470 ms")
    assert (read.heart_rate, read.qrs_ms) == (130, 140)
    assert read.text.codes() == {"AFIB"}
    assert read.text.wording == "atrial fibrillation, rate 130 bpm, QRS 140 ms, QTc 470 ms"
    assert read.words.numbers == {"qtc_ms": 470}
    assert Condition(text="rate 130 bpm", heart_rate=90).heart_rate == 90
    assert Condition(text="rate 130 bpm").words is None


def test_a_number_out_of_range_in_a_text_is_refused():
    with pytest.raises(InputError, match="heart_rate"):
        Condition(text="heart rate 700 bpm")


def test_absent_parts_have_values_of_their_own():
    batch = collate([Condition(text="LBBB", age=60, sex="M"), Condition(source=None)])
    assert batch.token_mask.any(dim=1).tolist() == [True, False]
    assert batch.numbers[1].isnan().all()
    assert batch.sex.tolist() == [2, 0]
    assert batch.source.tolist() == [1, 0]
    assert batch.token_ids[0, 0].item() == vocabulary().id("CLBBB")


@pytest.mark.parametrize("group", list(GROUPS))
def test_leaving_out_a_group_leaves_the_others(group):
    full = collate([Condition(text="AF", age=60, sex="F", heart_rate=80, pr_ms=150, qrs_ms=90, qt_ms=400, rms_mv=0.2)])
    rest = full.without([group])
    present = {"text": bool(rest.token_mask.any()), "sex": bool(rest.sex.any())}
    present |= {name: not bool(rest.numbers[0, k].isnan()) for k, name in enumerate(NAMES)}
    for other, parts in GROUPS.items():
        for part in parts:
            assert present[part] == (other != group and part != "axis_deg"), part


def test_leaving_out_by_sample():
    batch = collate([Condition(heart_rate=80, age=50)] * 3)
    rest = batch.without({"rate": torch.tensor([True, False, True])})
    assert rest.numbers[:, NAMES.index("heart_rate")].isnan().tolist() == [True, False, True]
    assert not rest.numbers[:, NAMES.index("age")].isnan().any()
    with pytest.raises(ValueError, match="group 'colour' is unknown"):
        batch.without(["colour"])


def test_random_dropping_has_the_stated_rates_and_does_not_depend_on_the_batch():
    count = 8000
    batch = collate([Condition(text="AF", age=60, sex="F", heart_rate=80)] * count)
    seeds = torch.arange(count)
    dropped = drop_at_random(batch, seeds, each=0.2, everything=0.1, within=0.0)
    rate = 0.1 + 0.9 * 0.2
    assert (~dropped.token_mask.any(dim=1)).float().mean().item() == pytest.approx(rate, abs=0.02)
    assert (dropped.sex == 0).float().mean().item() == pytest.approx(rate, abs=0.02)
    everything = (dropped.sex == 0) & ~dropped.token_mask.any(dim=1) & dropped.numbers.isnan().all(dim=1)
    assert everything.float().mean().item() == pytest.approx(0.1 + 0.9 * 0.2**3, abs=0.02)
    few = ConditionBatch.from_dict({name: value[100:140] for name, value in batch.as_dict().items()})
    again = drop_at_random(few, seeds[100:140], each=0.2, everything=0.1, within=0.0)
    torch.testing.assert_close(again.numbers, dropped.numbers[100:140], equal_nan=True)


def test_batches_of_different_widths_join():
    joined = ConditionBatch.cat([collate([Condition(text="AF, LBBB, LVH")]), collate([Condition()])])
    assert joined.token_mask.sum(dim=1).tolist() == [3, 0]


def test_denied_findings_are_not_shown_to_the_network():
    asked = Condition(text="sinus rhythm, no atrial fibrillation, no LBBB", heart_rate=70)
    plain = Condition(text="sinus rhythm", heart_rate=70)
    for one, other in zip(
        collate([asked.affirmed()]).as_dict().values(), collate([plain]).as_dict().values(), strict=True
    ):
        torch.testing.assert_close(one, other, equal_nan=True)
    assert collate([asked]).token_mask.sum() == 3  # what was said is kept for records and reports
    assert Condition(text="no atrial fibrillation", age=60).affirmed() == Condition(age=60)
    assert plain.affirmed() is plain
    assert Condition(age=60).affirmed().text is None
