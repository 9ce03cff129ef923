"""What a denoising network sees of a condition: one vector (for adaLN) and a set of memory tokens (for attention).

Absence is known: a number that is NaN, a category that is 0 and an identity embedding that is missing each have a
learned null, and the memory always holds one learned null token, so attention over a sample without text is defined.

The tokens of a text are a *set* (`gen.text.encode`): they carry no position, so permuting valid ones changes nothing,
and padded ones have no influence.
"""

from dataclasses import dataclass
from math import log, pi

import torch
import torch.nn.functional as F
from torch import nn

from diffusion.conditions.batch import ConditionBatch
from diffusion.conditions.condition import SEXES, SOURCES
from gen.quantities import QUANTITIES, Quantity
from gen.records import InputError
from gen.text import vocabulary
from gen.text.encoding import same_ids

#: How a part of the condition reaches the network: memory tokens, the vector of adaLN, or both.
PATHS = ("attention", "adaln", "both")
#: Sines and cosines per number.
FREQUENCIES = 8
#: The RR interval in seconds: linear in beat positions, as the rate itself is not.
_RR = Quantity("s", 0.2, 3.0, 0.8, 0.2)
#: Numbers that can stand in a text.
_IN_TEXT = {**QUANTITIES, "qtc_ms": Quantity("ms", 150, 800, 420, 30)}
_ATTRIBUTE_WIDTH = 32
_RATE, _AXIS = list(QUANTITIES).index("heart_rate"), list(QUANTITIES).index("axis_deg")


@dataclass(frozen=True, eq=False)
class EncodedCondition:
    """Conditions as a network uses them.

    Attributes:
        vector: (batch, width), for adaLN.
        memory: (batch, token, width), normalised, for cross-attention; the first token is the learned null.
        mask: (batch, token) bool, True where valid.
    """

    vector: torch.Tensor
    memory: torch.Tensor
    mask: torch.Tensor

    def exclusion(self) -> torch.Tensor:
        """The mask as attention scores want it: 0 where valid, minus infinity elsewhere, (batch, 1, 1, token)."""
        zero = torch.zeros((), dtype=self.memory.dtype, device=self.mask.device)
        return torch.where(self.mask, zero, -torch.inf)[:, None, None]


def checked_digest(stored: str | None) -> str:
    """Digest of the token ids, after comparison with those that a network was trained with.

    Raises:
        InputError: they differ, so token ids would mean something else.
    """
    if stored is None:
        return vocabulary().ids_digest
    if not same_ids(stored):
        raise InputError(
            f"trained with text vocabulary {stored}, but this version reads text with {vocabulary().ids_digest}"
        )
    return stored


def fourier_features(x: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    """Sines and cosines in single precision: (...) and (K,) radians per unit -> (..., 2 K)."""
    angle = x.float()[..., None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class AngleEmbedding(nn.Module):
    """Noise angle -> vector."""

    frequencies: torch.Tensor

    def __init__(self, width: int, count: int = 24) -> None:
        super().__init__()
        # Up to 160 rad per rad: angles of .01 (SNR 40 dB), where details are decided, can still be told apart.
        self.register_buffer("frequencies", _geometric(1.0, 160.0, count), persistent=False)
        self.net = nn.Sequential(nn.Linear(2 * count, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, phi: torch.Tensor) -> torch.Tensor:
        """(batch,) radians -> (batch, width)."""
        return self.net(fourier_features(phi, self.frequencies))


class NumberTokens(nn.Module):
    """One token per number of `QUANTITIES`, and one for the RR interval."""

    centre: torch.Tensor
    spread: torch.Tensor
    frequencies: torch.Tensor
    harmonics: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        scales = [*QUANTITIES.values(), _RR]
        self.register_buffer("centre", torch.tensor([q.mean for q in scales]), persistent=False)
        self.register_buffer("spread", torch.tensor([q.scale for q in scales]), persistent=False)
        # Radians per spread. The slowest does not repeat within the range, the fastest turns .8 rad per bpm.
        self.register_buffer("frequencies", _geometric(0.25, 16.0, FREQUENCIES), persistent=False)
        self.register_buffer("harmonics", torch.arange(1.0, FREQUENCIES + 1), persistent=False)
        size = 1 + 2 * FREQUENCIES
        self.weight = nn.Parameter(torch.randn(len(scales), size, width) * size**-0.5)
        self.bias = nn.Parameter(0.02 * torch.randn(len(scales), width))
        self.null = nn.Parameter(0.02 * torch.randn(len(scales), width))

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """(batch, 7) in the units of `QUANTITIES`, NaN where absent -> (batch, 8, width)."""
        values = torch.cat([numbers, 60.0 / numbers[:, _RATE, None]], dim=1).float()
        absent = values.isnan()
        scaled = torch.where(absent, 0.0, (values - self.centre) / self.spread)
        # asinh is linear near the centre and keeps values far out apart without letting them grow.
        features = torch.cat([scaled.asinh()[..., None], fourier_features(scaled, self.frequencies)], dim=-1)
        angle = torch.deg2rad(torch.nan_to_num(values[:, _AXIS]))
        around = F.pad(fourier_features(angle, self.harmonics), (1, 0))
        is_axis = torch.arange(features.shape[1], device=features.device) == _AXIS
        features = torch.where(is_axis[:, None], around[:, None], features)
        tokens = torch.einsum("bqf,qfw->bqw", features, self.weight) + self.bias
        return torch.where(absent[..., None], self.null.to(tokens.dtype), tokens)


class TextTokens(nn.Module):
    """One token per statement, number or piece of a text: id, attributes and value through one small network.

    The network sees them together, so "no infarct" need not lie near "infarct".
    """

    centre: torch.Tensor
    spread: torch.Tensor
    frequencies: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        words = vocabulary()
        scales = [_IN_TEXT.get(token) for token in words.tokens]
        self.register_buffer("centre", torch.tensor([q.mean if q else 0.0 for q in scales]), persistent=False)
        self.register_buffer("spread", torch.tensor([q.scale if q else 0.0 for q in scales]), persistent=False)
        self.register_buffer("frequencies", _geometric(0.25, 16.0, FREQUENCIES), persistent=False)
        self.ids = nn.Embedding(len(words), width)
        self.attributes = nn.ModuleList(nn.Embedding(size, _ATTRIBUTE_WIDTH) for size in words.attribute_sizes)
        size = width + _ATTRIBUTE_WIDTH * len(self.attributes) + 1 + 2 * FREQUENCIES
        self.net = nn.Sequential(nn.Linear(size, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, condition: ConditionBatch) -> torch.Tensor:
        """Conditions -> (batch, token, width)."""
        ids, attributes = condition.token_ids, condition.token_attributes
        spread = self.spread[ids]
        is_number = spread > 0
        scaled = (condition.token_values - self.centre[ids]) / torch.where(is_number, spread, 1.0)
        values = torch.cat([scaled.asinh()[..., None], fourier_features(scaled, self.frequencies)], dim=-1)
        parts = [self.ids(ids), *(embed(attributes[..., k]) for k, embed in enumerate(self.attributes))]
        return self.net(torch.cat([*parts, values * is_number[..., None]], dim=-1))


class ConditionEncoder(nn.Module):
    """Vector and memory tokens of conditions, and of an identity embedding if the network takes one.

    Args:
        width: of the vector and the tokens.
        text_path: way of the text.
        numbers_path: way of numbers, sex and source.
        base_width: size of the identity embedding; 0 for a network without.
        base_path: way of the identity embedding.

    Raises:
        ValueError: an unknown path.
    """

    def __init__(
        self,
        width: int,
        *,
        text_path: str = "attention",
        numbers_path: str = "both",
        base_width: int = 0,
        base_path: str = "adaln",
    ) -> None:
        super().__init__()
        for name, path in (("text_path", text_path), ("numbers_path", numbers_path), ("base_path", base_path)):
            if path not in PATHS:
                raise ValueError(f"{name} {path!r}: expected one of {', '.join(PATHS)}")
        self.text_path, self.numbers_path, self.base_path = text_path, numbers_path, base_path
        self.base_width = base_width
        #: Whether there is anything to attend to.
        self.has_memory = {text_path, numbers_path} != {"adaln"} or (base_width > 0 and base_path != "adaln")
        self.numbers = NumberTokens(width)
        self.sex, self.source = nn.Embedding(1 + len(SEXES), width), nn.Embedding(1 + len(SOURCES), width)
        self.text = TextTokens(width)
        if numbers_path != "attention":
            self.numbers_out = nn.Sequential(nn.SiLU(), nn.Linear(width, width))
        if text_path != "attention":
            self.pool = TextPool(width)
        if base_width:
            self.base = nn.Linear(base_width, width)
            self.base_null = nn.Parameter(0.02 * torch.randn(width))
        if self.has_memory:
            self.null = nn.Parameter(0.02 * torch.randn(width))

    def forward(self, condition: ConditionBatch, base: torch.Tensor | None = None) -> EncodedCondition:
        """Encode conditions.

        Args:
            condition: of the batch.
            base: (batch, base_width); rows that hold a NaN count as absent, as does None.

        Raises:
            ValueError: an identity embedding for a network without, or of another size.
        """
        text, valid = self.text(condition), condition.token_mask
        numbers = self.numbers(condition.numbers)
        numbers = torch.cat([numbers, self.sex(condition.sex)[:, None], self.source(condition.source)[:, None]], dim=1)
        person = self._base_token(len(condition), base)
        vector = torch.zeros_like(numbers[:, 0])
        if self.numbers_path != "attention":
            vector = vector + self.numbers_out(numbers.sum(dim=1))
        if self.text_path != "attention":
            vector = vector + self.pool(text, valid)
        if person is not None and self.base_path != "attention":
            vector = vector + person
        memory, mask = self._memory(text, valid, numbers, person)
        return EncodedCondition(vector, memory, mask)

    def _memory(
        self, text: torch.Tensor, valid: torch.Tensor, numbers: torch.Tensor, person: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.has_memory:
            return text[:, :0], valid[:, :0]
        batch = len(text)
        parts = [self.null.expand(batch, 1, -1)]
        if self.numbers_path != "adaln":
            parts.append(numbers)
        if person is not None and self.base_path != "adaln":
            parts.append(person[:, None])
        mask = valid.new_ones(batch, sum(part.shape[1] for part in parts))
        if self.text_path != "adaln":
            parts, mask = [*parts, text], torch.cat([mask, valid], dim=1)
        # A softmax over a multiple of 16 is two to four times faster on a CPU; padding has no influence.
        extra = -mask.shape[1] % 16
        memory = torch.cat([part.to(text.dtype) for part in parts], dim=1)
        memory = F.layer_norm(memory, memory.shape[-1:])
        return F.pad(memory, (0, 0, 0, extra)), F.pad(mask, (0, extra))

    def _base_token(self, batch: int, base: torch.Tensor | None) -> torch.Tensor | None:
        if not self.base_width:
            if base is not None:
                raise ValueError("an identity embedding was given to a network without one (base_width 0)")
            return None
        if base is None:
            return self.base_null.expand(batch, -1)
        if base.shape != (batch, self.base_width):
            raise ValueError(f"identity embedding of shape {tuple(base.shape)}; expected ({batch}, {self.base_width})")
        absent = base.isnan().any(dim=1, keepdim=True)
        # Directions carry identity; their lengths depend on how the extractor was trained.
        known = self.base(F.layer_norm(torch.where(absent, 0.0, base).float(), (self.base_width,)))
        return torch.where(absent, self.base_null.to(known.dtype), known)


class TextPool(nn.Module):
    """All tokens of a text in one vector: an average whose weights are learned; a null where there is no text."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.null = nn.Parameter(0.02 * torch.randn(width))
        self.weight, self.out = nn.Linear(width, 1, bias=False), nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, token, width), (batch, token) -> (batch, width)."""
        # The null takes part, so that the weights of a sample without tokens are defined.
        tokens = torch.cat([self.null.to(tokens.dtype).expand(len(tokens), 1, -1), tokens], dim=1)
        scores = self.weight(tokens)[..., 0].masked_fill(~F.pad(mask, (1, 0), value=True), -torch.inf)
        return self.out((scores.softmax(dim=1)[..., None] * tokens).sum(dim=1))


class TextTotal(TextPool):
    """A `TextPool` that also adds its tokens up: a finding then weighs as much in a long report as in a short one."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.total = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.total.weight)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, token, width), (batch, token) -> (batch, width)."""
        return super().forward(tokens, mask) + self.total((tokens * mask[..., None]).sum(dim=1))


class RateClock(nn.Module):
    """Sines of time in units of the requested RR interval, for every position.

    With a regular rhythm all beats then share one phase: what is left to find is a single number, not every beat.
    Without a rate the clock is silent.
    """

    def __init__(self, width: int, harmonics: int, position_s: float) -> None:
        super().__init__()
        self.harmonics, self.position_s = harmonics, position_s
        self.out = nn.Linear(2 * harmonics, width, bias=False)

    def forward(self, condition: ConditionBatch, length: int) -> torch.Tensor:
        """Conditions and a number of positions -> (batch, length, width)."""
        rate = condition.numbers[:, _RATE].float()
        time_s = self.position_s * torch.arange(length, device=rate.device, dtype=torch.float32)
        beats = torch.nan_to_num(rate)[:, None] / 60.0 * time_s
        multiples = 2 * pi * torch.arange(1, self.harmonics + 1, device=rate.device, dtype=torch.float32)
        features = fourier_features(beats, multiples)
        return self.out(torch.where(rate.isnan()[:, None, None], 0.0, features))


def _geometric(low: float, high: float, count: int) -> torch.Tensor:
    return torch.logspace(log(low), log(high), count, base=torch.e, dtype=torch.float32)
