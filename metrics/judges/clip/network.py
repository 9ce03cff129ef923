"""Two towers: the classifier's residual network over eight leads, and a set transformer over the tokens of a text."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from gen.layers import merge_heads, split_heads
from gen.network import Network, register_to_config
from metrics.judges.classifier.network import Backbone

#: Centres of the bumps that a number is read with, in its own unit (bpm, ms, degrees, years).
_CENTRES = torch.arange(-180.0, 661.0, 20.0)
_LARGEST_SCALE = math.log(100.0)


class EcgTextClip(Network):
    """Embeds ECGs and texts as directions; the cosine says how well they agree.

    Args:
        widths, blocks, kernel, feature_width, dropout, scale_mv: of the ECG tower, see
        `metrics.judges.classifier.network`.
        text_width, text_layers, text_heads: of the text tower.
        embedding_width: of the common space.
        vocabulary_size: token ids known, see `gen.text.vocabulary`; later ones are passed over.
        attribute_sizes: number of values of each attribute of a token.
        token_digest: of names and order of the tokens, see `metrics.judges.clip.tokens`.
    """

    fs_hz = 100.0

    @register_to_config
    def __init__(
        self,
        vocabulary_size: int,
        attribute_sizes: tuple[int, ...],
        token_digest: str = "",
        widths: tuple[int, ...] = (48, 96, 160, 224),
        blocks: int = 2,
        kernel: int = 5,
        feature_width: int = 256,
        dropout: float = 0.1,
        scale_mv: float = 0.25,
        text_width: int = 128,
        text_layers: int = 2,
        text_heads: int = 4,
        embedding_width: int = 128,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(widths, blocks, kernel, feature_width, dropout, scale_mv)
        self.ecg_head = nn.Sequential(
            nn.SiLU(), nn.Linear(feature_width, feature_width), nn.SiLU(), nn.Linear(feature_width, embedding_width)
        )
        self.tokens = TokenEmbedding(vocabulary_size, attribute_sizes, text_width)
        self.layers = nn.ModuleList([SetLayer(text_width, text_heads) for _ in range(text_layers)])
        self.text_head = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, embedding_width))
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def embed_ecg(self, signal_mv: torch.Tensor) -> torch.Tensor:
        """Directions (batch, embedding_width) of ECGs (batch, 8, time) in mV at 100 Hz; NaN is the lead's mean."""
        return F.normalize(self.ecg_head(self.backbone(signal_mv)).float(), dim=1)

    def embed_text(
        self, ids: torch.Tensor, attributes: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Directions (batch, embedding_width) of texts; arguments as in `gen.text.TokenBatch`, in any order."""
        h = self.tokens(ids, attributes, values)
        for layer in self.layers:
            h = layer(h, mask)
        known = mask[:, :, None].to(h.dtype)
        return F.normalize(self.text_head((h * known).sum(1) / known.sum(1)).float(), dim=1)

    def forward(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Directions of the ECGs and of the texts of a batch, see `loss`."""
        text = self.embed_text(batch["ids"], batch["attributes"], batch["values"], batch["mask"])
        return self.embed_ecg(batch["signal_mv"]), text

    def loss(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Find the ECG's text among those of the batch, and the text's ECG (InfoNCE, van den Oord et al. 2018).

        Texts that say the same as one's own are no wrong answers and are left out.

        Args:
            batch: ``signal_mv`` (batch, 8, time), ``ids``, ``attributes``, ``values``, ``mask`` of the texts, and
                ``group`` (batch,) int64, equal for texts that say the same.
        """
        ecg, text = self.forward(batch)
        with torch.autocast(ecg.device.type, enabled=False):
            scale = self.log_scale.float().clamp(max=_LARGEST_SCALE).exp()
            logits = masked_logits(scale * ecg @ text.T, batch["group"])
            own = torch.arange(len(logits), device=logits.device)
            to_text, to_ecg = F.cross_entropy(logits, own), F.cross_entropy(logits.T, own)
        hits = (logits.argmax(1) == own).float().mean()
        return {"loss": (to_text + to_ecg) / 2, "to_text": to_text, "to_ecg": to_ecg, "hits": hits}


def masked_logits(logits: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """(n, n) logits with minus infinity where another pair says the same as one's own."""
    same = group[:, None] == group[None]
    same.fill_diagonal_(False)
    return logits.masked_fill(same, float("-inf"))


class TokenEmbedding(nn.Module):
    """Sum of what a token is, its attributes (negated, possible, where, how old) and its number."""

    centres: torch.Tensor

    def __init__(self, vocabulary_size: int, attribute_sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.ids = nn.Embedding(vocabulary_size, width, padding_idx=0)
        self.attributes = nn.ModuleList([nn.Embedding(size, width, padding_idx=0) for size in attribute_sizes])
        self.number = nn.Linear(len(_CENTRES), width, bias=False)
        self.register_buffer("centres", _CENTRES.clone(), persistent=False)

    def forward(self, ids: torch.Tensor, attributes: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """(batch, token), (batch, token, attribute), (batch, token) -> (batch, token, width)."""
        h = self.ids(ids)
        for k, table in enumerate(self.attributes):
            h = h + table(attributes[..., k])
        bumps = torch.exp(-0.5 * ((values[..., None] - self.centres) / 20.0).square())
        return h + self.number(bumps * (values != 0)[..., None])


class SetLayer(nn.Module):
    """Self-attention and a feed-forward step, without any position."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(batch, token, width), (batch, token) True where valid -> (batch, token, width)."""
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(self.norm_1(x)).chunk(3, dim=-1))
        weight = (query @ key.transpose(-1, -2)) / math.sqrt(query.shape[-1])
        weight = weight.float().masked_fill(~mask[:, None, None], float("-inf")).softmax(-1).to(value.dtype)
        x = x + self.out(merge_heads(weight @ value))
        return x + self.feed(self.norm_2(x))
