"""A worker as a program: ``python -m gen.engines.worker DESCRIPTOR TARGET ARGUMENTS``."""

import json
import os
import sys
from multiprocessing.connection import Connection

from gen.engines.pool import Serve, serve_all
from gen.engines.task import Task


def main(words: list[str]) -> None:
    """Serve until the other end is gone."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before any numerical library is there

    def open_serve() -> Serve:
        return Task(words[1], json.loads(words[2])).open()

    serve_all(Connection(int(words[0])), open_serve)


if __name__ == "__main__":
    main(sys.argv[1:])
