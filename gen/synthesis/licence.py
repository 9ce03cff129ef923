"""Whether a synthetic set may be passed on: yes or no, from the licences of what it was made of."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Licences that allow use, change and sharing, also for money: (as it is written, name for a page's header).
_OPEN = {
    "cc by 4.0": "cc-by-4.0", "cc-by-4.0": "cc-by-4.0", "cc by 3.0": "cc-by-3.0", "odc-by 1.0": "odc-by",
    "odbl": "odbl", "apache-2.0": "apache-2.0", "mit": "mit", "cc0": "cc0-1.0", "cc0 1.0": "cc0-1.0", "synthetic": "",
}  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """What may be done with a set.

    Attributes:
        shareable: whether it may be used, changed and shared.
        text: the same in words, with what has to be named.
        tag: of the licence, as Hugging Face writes it; "other" where it may not be shared.
        sources: (name, licence, citation) of what it was made of.
    """

    shareable: bool
    text: str
    tag: str
    sources: tuple[tuple[str, str, str], ...]


def terms(facts: Mapping[str, Any], conditions: Mapping[str, Any]) -> Terms:
    """Terms of a set.

    Args:
        facts: of the model; ``sources`` lists what it was trained on (name, licence, citation), else
            ``training_licence`` counts for all of it.
        conditions: of the requests; ``set`` and ``licence`` where they were drawn from a set.
    """
    sources = [
        (str(each.get("name")), str(each.get("licence") or "unknown"), str(each.get("citation") or ""))
        for each in facts.get("sources") or ()
    ]
    if not sources:
        sources = [(str(facts.get("trained_on") or "the model"), str(facts.get("training_licence") or "unknown"), "")]
    if "licence" in conditions and conditions.get("set") not in [name for name, _, _ in sources]:
        sources.append((str(conditions.get("set")), str(conditions["licence"]), ""))
    closed = [(name, licence) for name, licence, _ in sources if not _tags(licence)]
    if closed:
        named = "; ".join(f"{name} (licence {licence})" for name, licence in closed)
        return Terms(False, f"**No: do not pass these records on** before the terms of {named} allow it. ", "other",
                     tuple(sources))  # fmt: skip
    asking = [s for s in sources if any(tag.startswith(("cc-by", "odc", "odb")) for tag in _tags(s[1]) or [])]
    named = " ".join(f"{name} ({licence}){': ' + citation if citation else ''}." for name, licence, citation in asking)
    text = "**Yes: these records may be used, changed and shared, also commercially"
    text += f", if you name** {named}" if asking else ".**"
    tags = [tag for s in sources for tag in _tags(s[1]) or [] if tag]
    tag = next((tag for tag in tags if tag.startswith(("cc-by", "odc", "odb"))), "apache-2.0")
    return Terms(True, text, tag, tuple(sources))


def _tags(licence: str) -> Sequence[str] | None:
    """Tags of all licences that are named; None if one of them is not known to be open."""
    parts = [part.strip().lower() for part in re.split(r"[;,]| and ", licence) if part.strip()]
    found = [_OPEN.get(part) for part in parts]
    return None if not found or any(tag is None for tag in found) else [tag for tag in found if tag is not None]
