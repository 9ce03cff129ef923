"""bfloat16 only where it pays."""

import pytest
import torch

from gen import precision


@pytest.mark.parametrize("pays", [False, True])
def test_precision_follows_the_machine(monkeypatch: pytest.MonkeyPatch, pays: bool) -> None:
    monkeypatch.setattr(precision, "bfloat16_pays", lambda device_type="cpu": pays)
    a = torch.ones(2, 2)
    with precision.reduced_precision():
        assert (a @ a).dtype == (torch.bfloat16 if pays else torch.float32)
    with precision.reduced_precision(enabled=False):
        assert (a @ a).dtype == torch.float32
