"""What a prompt is read as, told while it is typed."""

from html import escape
from typing import Any

from gen.quantities import QUANTITIES


def watched(prompt: Any, name: str | None = None) -> None:
    """Add the place where it stands, below a prompt.

    Args:
        prompt: field of the prompt.
        name: of the place, for styles and tests.
    """
    import gradio as gr

    told = gr.HTML(understood(""), elem_id=name)
    prompt.change(
        understood, prompt, told, queue=False, show_progress="hidden", trigger_mode="always_last",
        api_visibility="private",
    )  # fmt: skip


def understood(text: str) -> str:
    """What a prompt is read as: statements, numbers, words that mean nothing here, contradictions."""
    from gen.text import contradictions, read_text, statements

    if not (text or "").strip():
        return '<div class="understood"><p class="quiet">Understood as: nothing yet</p></div>'
    read, known = read_text(text), statements()
    rows = []
    for each in read.statements:
        polarity = "no " if each.negated else "possible " if each.certainty == "possible" else ""
        marks = ", ".join(mark for mark in (each.acuity, each.location) if mark)
        words = f"{polarity}{known[each.code].description}" + (f" ({marks})" if marks else "")
        rows.append((each.code, escape(words)))
    rows += [(name, f"{value:g} {_unit(name)}") for name, value in read.numbers.items()]
    if read.unknown:
        rows.append(("not understood", f'<span class="unknown">{escape(", ".join(read.unknown))}</span>'))
    rows += [("contradiction", f'<span class="unknown">{escape(line)}</span>') for line in contradictions(read)]
    body = "".join(f"<dt>{escape(name)}</dt><dd>{words}</dd>" for name, words in rows)
    return f'<div class="understood"><p class="quiet">Understood as</p><dl>{body}</dl></div>'


def _unit(name: str) -> str:
    """Of a number in a text; corrected QT is no condition of its own."""
    return QUANTITIES[name].unit if name in QUANTITIES else "ms"
