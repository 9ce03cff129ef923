"""Options of all commands that read recordings: what to read of a file, and what it does not say itself."""

from typing import Annotated

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
