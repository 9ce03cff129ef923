"""Options of all commands that read recordings: what to read of a file, what it does not say itself, going on."""

from typing import Annotated, Literal

import typer

Leads = Annotated[
    str | None,
    typer.Option(help="Leads to read: II,V1. They name the ECG channels, in order, of files without lead names."),
]
Rate = Annotated[float | None, typer.Option(help="Sampling rate in Hz of files that do not state it.")]
Unit = Annotated[str | None, typer.Option(help="Unit of files that do not state it: mV, uV, V.")]
Columns = Annotated[
    str | None, typer.Option(help="What the columns of CSV files are: leads, time or -, such as time,II,V1,-.")
]
Resume = Annotated[
    Literal["if-possible", "always", "never"],
    typer.Option(help="Go on with what a killed run of the same command left."),
]
