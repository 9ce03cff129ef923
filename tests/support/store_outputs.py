"""Run notebooks and store their outputs: ``make notebooks``. Paths of this machine and messages on stderr are left out.

Recordings are not looked for, so that nothing of a patient is stored.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

_FOLDER = re.compile(re.escape(tempfile.gettempdir()) + r"/[\w.-]+")


def store(path: Path) -> None:
    """Run a notebook in an empty folder and write it back with what it shows."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources, record_timing=False).execute()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        cell.outputs = [kept(output) for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    nbformat.write(notebook, path)


def kept(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An output without folders of this machine."""
    if "text" in output:
        output.text = _FOLDER.sub("FOLDER", output.text)
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/"):
            output.data[kind] = _FOLDER.sub("FOLDER", value)
    if "execution_count" in output:
        output.execution_count = None
    return output


if __name__ == "__main__":
    os.environ["PHYSIOGEN_DATA"] = "none"
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name in sys.argv[1:]:
        store(Path(name))
        print(name, flush=True)
