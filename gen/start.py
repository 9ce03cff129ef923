"""The first lines of the ``physiogen`` command: from here on Ctrl-C gives one line, whatever is being imported."""

from gen.interrupts import raise_and_remember, stop_at_once


def main() -> None:
    """Run the command line and exit with its status."""
    stop_at_once()
    from gen.cli import main as run  # takes a while

    raise_and_remember()
    run()
