"""Names of groups of statements (HYP, STTC, ISCA, ...) in a text: no finding, so that a finding has to be chosen."""

from gen.datasets.scp import SUPERCLASSES, statements
from gen.text import ReadText, words_of

_SHOWN_WORDS, _SHOWN_FINDINGS = 12, 8


def not_understood(read: ReadText) -> str:
    """The words of a text that were not understood, for an error; what to ask for where one is a class of PTB-XL."""
    known = statements().values()
    lines = [", ".join(read.unknown[:_SHOWN_WORDS])]
    for word in dict.fromkeys(part.strip(" .,;:!?\"'()").upper() for part in read.unknown):
        column = "superclass" if word in SUPERCLASSES else "subclass"
        members = sorted((each for each in known if getattr(each, column) == word), key=lambda each: -each.records)
        if members:
            findings = ", ".join(f"{words_of([each.code])} ({each.code})" for each in members[:_SHOWN_FINDINGS])
            more = f" and {len(members) - _SHOWN_FINDINGS} more" if len(members) > _SHOWN_FINDINGS else ""
            lines.append(
                f"{word} is a {column} of PTB-XL, a group of findings; ask for one of them: {findings}{more}; or "
                f"for the group by 'physiogen synthesize --like SET --only {word}', or as a label's meaning in --labels"
            )
    return "; ".join(lines)
