"""Ctrl-C: one line at any moment, also while libraries are being imported."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

_interrupted = False


def stop_at_once() -> None:
    """From here on Ctrl-C ends the process with one line: for a time when nothing is begun yet."""
    _handle(_stop)


def raise_and_remember() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt, and `interrupted` tells that it was pressed."""
    _handle(_raise)


def all_done() -> None:
    """From here on Ctrl-C does nothing: the work is done, and its status stands.

    While Python puts itself away it would end the process by the signal, without a line. Whoever embeds the command
    keeps the signals.
    """
    if signal.getsignal(signal.SIGINT) is _raise:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def interrupted() -> bool:
    """Whether Ctrl-C was pressed."""
    return _interrupted


def leave(status: int) -> None:
    """End at once: what libraries do at their end would complain about what they were interrupted in."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads any more
            stream.flush()
    os._exit(status)


def _handle(handler: Callable[[int, FrameType | None], None]) -> None:
    with suppress(ValueError):  # not the main thread: whoever embeds the command has the signals
        signal.signal(signal.SIGINT, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    os.write(2, b"physiogen: interrupted\n")
    os._exit(130)


def _raise(number: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True
    signal.default_int_handler(number, frame)
