"""Keeps the reference set's feature statistics, so that real data is read once and need not be shipped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gen.records import InputError
from metrics.distribution.frechet import GaussianStatistics


@dataclass(frozen=True)
class StatisticsCache:
    """Folder of feature statistics, one .npz (no pickle) per data set and extractor.

    Attributes:
        folder: made when the first file is written.
    """

    folder: Path

    def path(self, *, data_digest: str, extractor_digest: str) -> Path:
        """File of this data under this extractor.

        Raises:
            InputError: a digest is not hexadecimal.
        """
        for digest in (data_digest, extractor_digest):
            if len(digest) < 16 or not set(digest) <= set("0123456789abcdef"):
                raise InputError(f"digest {digest!r}; accepted: at least 16 hexadecimal digits")
        return Path(self.folder) / f"{data_digest[:16]}-{extractor_digest[:16]}.npz"

    def get(self, *, data_digest: str, extractor_digest: str) -> GaussianStatistics | None:
        """Statistics kept for this pair, or None.

        Raises:
            InputError: the file there is damaged, foreign, or of other data or another extractor.
        """
        path = self.path(data_digest=data_digest, extractor_digest=extractor_digest)
        if not path.exists():
            return None
        return GaussianStatistics.load(path, label=f"{data_digest}:{extractor_digest}")

    def put(self, statistics: GaussianStatistics, *, data_digest: str, extractor_digest: str) -> Path:
        """Keep statistics; an interrupted write leaves nothing."""
        path = self.path(data_digest=data_digest, extractor_digest=extractor_digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        statistics.save(path, label=f"{data_digest}:{extractor_digest}")
        return path

    def get_or_compute(
        self, compute: Callable[[], GaussianStatistics], *, data_digest: str, extractor_digest: str
    ) -> GaussianStatistics:
        """Statistics kept for this pair, computed and kept if there are none."""
        found = self.get(data_digest=data_digest, extractor_digest=extractor_digest)
        if found is None:
            found = compute()
            self.put(found, data_digest=data_digest, extractor_digest=extractor_digest)
        return found
