"""Writes gen/weights.sha256, and refuses to where files have changed and the version has not: ``make weights``.

``VERSIONS`` has a line for each version: the SHA-256 of its table. A new version is made by raising it in
``pyproject.toml`` here.
"""

import hashlib
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TABLE, VERSIONS = ROOT / "gen/weights.sha256", HERE / "VERSIONS"
NAMES = ("model.safetensors", "config.json", "model_index.json", "intervals.json")


def lines() -> list[str]:
    """``SHA-256  path`` of every file, as sha256sum writes them."""
    found = sorted(path for path in ROOT.glob("*/weights/**/*") if path.name in NAMES)
    return [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT).as_posix()}" for path in found]


def version() -> str:
    """That of the package of weights."""
    return str(tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def table() -> str:
    """The content of the table."""
    return "\n".join([f"# physiogen-weights {version()}", *lines()]) + "\n"


def known() -> dict[str, str]:
    """Version -> SHA-256 of its lines."""
    return dict(line.split() for line in VERSIONS.read_text(encoding="utf-8").splitlines())


def digest() -> str:
    """SHA-256 of the files' lines, which the version does not enter."""
    return hashlib.sha256("\n".join(lines()).encode()).hexdigest()


def main() -> int:
    """Write the table; 1 where the version has to rise first."""
    versions = known()
    if versions.get(version(), digest()) != digest():
        where = (HERE / "pyproject.toml").relative_to(ROOT)
        print(f"weights have changed since {version()}: raise the version in {where}, then make weights")
        return 1
    VERSIONS.write_text("".join(f"{name} {value}\n" for name, value in {**versions, version(): digest()}.items()))
    TABLE.write_text(table(), encoding="utf-8")
    print(f"{TABLE.relative_to(ROOT)}: {len(lines())} files of physiogen-weights {version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
