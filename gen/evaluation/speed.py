"""Times of several packages in one table each: ``physiogen evaluate speed --of vae``."""

from gen import registry
from gen.evaluation.settings import Speed
from gen.evaluations import Progress
from gen.records import InputError
from gen.results import Results

GROUP = "gen.benches"


def run(settings: Speed, progress: Progress) -> Results:
    """The tables of every package asked for (entry points of group ``gen.benches``)."""
    known = registry.names(GROUP)
    unknown = [name for name in settings.of if name not in known]
    if unknown:
        raise InputError(f"--of {unknown[0]}: accepted: {', '.join(known)}")
    values = {name: registry.get(GROUP, name)(settings, progress) for name in settings.of or known}
    return settings.results(values, notes=_notes(settings))


def _notes(settings: Speed) -> list[str]:
    notes = [f"{settings.threads} threads, median of {settings.repeats} runs."]
    if settings.beside is not None:
        notes.append("Commands run in turn with those of another installation, 'beside'.")
    if settings.float32:
        notes.append("Commands ran without autocast: where a processor emulates bfloat16, it says nothing of a build.")
    return notes
