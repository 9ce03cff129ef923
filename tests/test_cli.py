"""The command line itself: light list, exit status, one line for whatever the user can do something about."""

import errno
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer

from gen import cli, registry
from gen.leads import LeadError
from gen.records import InputError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """Install sub-commands from source text: ``planted(name="source of a module with COMMAND")``."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(**sources: str) -> None:
        for name, source in sources.items():
            (tmp_path / f"planted_{name}.py").write_text(source)
            sys.modules.pop(f"planted_{name}", None)
        entries = [EntryPoint(name, f"planted_{name}:COMMAND", "gen.commands") for name in sources]
        monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == "gen.commands" else [])
        registry._entries.cache_clear()

    yield install
    registry._entries.cache_clear()
    for name in [name for name in sys.modules if name.startswith("planted_")]:
        del sys.modules[name]


def raising(statement: str) -> str:
    return f'import errno\ndef COMMAND():\n    """Do it."""\n    {statement}\n'


def fresh(code: str, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, **options
    )


def test_help_lists_every_command():
    run = fresh("from gen.cli import main; main(['--help'])")
    assert run.returncode == 0
    for name in registry.names("gen.commands"):
        assert f" {name} " in run.stdout
    assert "(not loadable)" not in run.stdout


def test_help_loads_no_numerical_library():
    heavy = ("numpy", "scipy", "torch", "pandas", "matplotlib", "wfdb", "pyarrow", "gen.commands.data", "vae.command")
    run = fresh(
        "import sys; from gen import cli\n"
        "assert cli.run(['--help']) == 0\n"
        f"print('LOADED', [name for name in {heavy!r} if name in sys.modules])"
    )
    assert run.stdout.strip().endswith("LOADED []"), run.stdout + run.stderr


def test_no_arguments_show_the_help_and_an_unknown_name_shows_the_known_ones(capsys):
    assert cli.run([]) == 0
    assert "reconstruct" in capsys.readouterr().out
    assert cli.run(["reconstrct"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "did you mean 'reconstruct'?" in line
    assert "text" in line


def test_version(capsys):
    import gen

    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == gen.__version__


def test_the_list_shows_the_first_sentence_of_each_command_without_running_it(planted, capsys):
    planted(
        one='raise SystemExit("imported")\ndef COMMAND():\n    """Read a strip.\n\n    More.\n    """\n',
        two='import typer\nCOMMAND = typer.Typer(help="Several jobs.")\nraise SystemExit("imported")\n',
        three='"""A module\'s own words."""\nraise SystemExit("imported")\n',
    )
    assert cli.run(["--help"]) == 0
    shown = capsys.readouterr().out
    for words in ("Read a strip.", "Several jobs.", "A module's own words."):
        assert words in shown
    assert "More." not in shown


@pytest.mark.parametrize("source", ["import no_such_module_anywhere\n", "def COMMAND(:\n", "COMMAND = 1 / 0\n", ""])
def test_a_broken_command_stays_in_the_list_and_shows_its_fault_when_called(planted, capsys, source):
    planted(broken=source, good=raising("print('well')"))
    assert cli.run(["--help"]) == 0
    assert "broken" in capsys.readouterr().out
    assert cli.run(["good"]) == 0
    assert capsys.readouterr().out == "well\n"
    with pytest.raises(Exception) as fault:  # noqa: PT011 - each source has its own
        cli.run(["broken"])
    assert "while loading the command 'broken' (planted_broken:COMMAND)" in fault.value.__notes__
    with pytest.raises(SystemExit) as stop:
        cli.main(["broken"])
    assert stop.value.code == 1
    assert "a fault of the program" in capsys.readouterr().err


def test_a_command_whose_module_is_gone_stays_in_the_list(monkeypatch, capsys):
    entry = EntryPoint("gone", "no_such_package.module:COMMAND", "gen.commands")
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    registry._entries.cache_clear()
    try:
        assert cli.run(["--help"]) == 0
        assert "gone" in capsys.readouterr().out
        with pytest.raises(ModuleNotFoundError):
            cli.run(["gone"])
    finally:
        registry._entries.cache_clear()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("from gen.records import InputError; raise InputError('strip.csv: no rate;\\n give --fs')", "no rate; give"),
        ("from gen.leads import canonical_lead; canonical_lead('X9')", "unknown lead 'X9'; known leads: I, II"),
        ("from gen import registry; registry.get('gen.pipelines', 'nothing')", "unknown name 'nothing'"),
        ("open('/no/such/file')", "/no/such/file: no such file or directory"),
        ("open('/')", "/: is a directory"),
        ("raise OSError(errno.ENOSPC, 'No space left on device', 'out/x.dat')", "disk full while writing out/x.dat"),
        ("raise OSError(errno.EDQUOT, 'Quota exceeded')", "disk full while writing the output"),
    ],
)
def test_bad_input_is_one_line_and_status_2(planted, capsys, statement, said):
    planted(job=raising(statement))
    assert cli.run(["job"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("physiogen: ")
    assert said in line


@pytest.mark.parametrize("arguments", [["--count", "many"], ["--colour"], ["--count", "-1"], ["extra"]])
def test_a_wrong_option_is_one_line_and_status_2(planted, capsys, arguments):
    planted(job='import typer\ndef COMMAND(count: int = typer.Option(1, min=0)):\n    """Count."""\n')
    assert cli.run(["job", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert arguments[0].lstrip("-") in line
    assert "physiogen job --help" in line


def test_a_group_without_a_command_prints_its_help(capsys):
    assert cli.run(["data"]) == 2
    captured = capsys.readouterr()
    assert "simulate" in captured.out + captured.err


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("return", 0),
        ("return 0", 0),
        ("import typer; raise typer.Exit(2)", 2),
        ("import typer; raise typer.Exit(0)", 0),
    ],
)
def test_a_command_may_choose_its_status(planted, statement, status):
    planted(job=raising(statement))
    assert cli.run(["job"]) == status


def test_an_interrupt_is_status_130_and_one_line(planted, capsys):
    planted(job=raising("raise KeyboardInterrupt"))
    assert cli.run(["job"]) == 130
    assert capsys.readouterr().err.splitlines() == ["physiogen: interrupted"]


@pytest.mark.parametrize("statement", ["raise ValueError('ours')", "raise OSError(5, 'Input/output error')", "1 / 0"])
def test_a_fault_of_ours_keeps_its_traceback_and_is_status_1(planted, capsys, statement):
    planted(job=raising(statement))
    with pytest.raises((ValueError, OSError, ZeroDivisionError)):
        cli.run(["job"])
    with pytest.raises(SystemExit) as stop:
        cli.main(["job"])
    assert stop.value.code == 1
    assert "Traceback" in capsys.readouterr().err


def test_explain_knows_the_suite_s_errors_from_its_faults():
    assert cli.explain(InputError("a\n  b")) == "a b"
    assert cli.explain(LeadError("a")) == "a"
    assert cli.explain(ValueError("a")) is None
    assert cli.explain(OSError(errno.EIO, "a")) is None
    assert cli.explain(typer.BadParameter("a")).startswith("Invalid value: a")


def test_a_reader_that_stops_early_is_no_fault():
    source = "import sys; from gen.cli import main; main(['text', 'sinus rhythm'])"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(
        [sys.executable, "-c", source], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=environment
    )
    os.close(writer)
    assert run.returncode == 141
    assert [line for line in run.stderr.splitlines() if "at work" not in line] == []  # said on a busy machine
