"""The ``physiogen`` command: finds each sub-command by entry point and turns bad input into one line.

Sub-commands live with the package that does the work and are loaded by name when they are called, so this module
imports none of them, and ``physiogen --help`` loads no numerical library. Progress goes to stderr, results to stdout.
Exit status: 0 done, 2 bad input, 1 a fault of ours.
"""

import ast
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from gen import registry
from gen.interrupts import all_done, interrupted, leave
from gen.progress import Heartbeat

#: Order in which ``--help`` lists the jobs; whatever else is installed follows alphabetically.
_ORDER = (
    "demo",
    "reconstruct",
    "synthesize",
    "augment",
    "twin",
    "cmr",
    "benchmark",
    "measure",
    "web",
    "text",
    "data",
    "train",
)
_GROUP = "gen.commands"
#: Errors of the machine that one line says enough of.
_TOLD = (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError, IsADirectoryError)
_INTERRUPTED, _PIPE_CLOSED = 130, 141  # as a shell reports SIGINT and SIGPIPE


class LazyGroup(TyperGroup):
    """A command group whose members are the entry points of group ``gen.commands``."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all installed sub-commands."""
        found = registry.names(_GROUP)
        return [name for name in _ORDER if name in found] + [name for name in found if name not in _ORDER]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What the list shows of a sub-command, read without importing it; None if there is none of that name."""
        if cmd_name not in registry.names(_GROUP):
            return None
        return TyperCommand(name=cmd_name, help=first_sentence(registry.target(_GROUP, cmd_name)))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Load the sub-command that is called."""
        known = self.list_commands(ctx)
        if args[0] not in known:
            close = get_close_matches(args[0], known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise registry.RegistryError(f"no command {args[0]!r}; {hint}known: {', '.join(known)}")
        return args[0], load_command(args[0]), args[1:]


def load_command(name: str) -> Any:
    """A sub-command ready to run; a fault in its module says which command it belongs to."""
    try:
        target = registry.get(_GROUP, name)
    except Exception as error:
        error.add_note(f"while loading the command {name!r} ({registry.target(_GROUP, name)})")
        raise
    if not isinstance(target, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        single.command(name=name)(target)
        target = single
    command = typer.main.get_command(target)
    command.name = name
    return command


def first_sentence(target: str) -> str:
    """First line of the help of ``package.module:NAME``, taken from its source: nothing is run.

    A function's docstring, the ``help`` of a ``typer.Typer(...)``, else the module's docstring; empty if unreadable.
    """
    module, _, attribute = target.partition(":")
    try:
        spec = find_spec(module)
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec and spec.origin else None
    except Exception:  # a broken plug-in must not take the list with it; calling it shows what is wrong
        tree = None
    if tree is None:
        return "(not loadable)"
    text = _help_of(tree, attribute.strip()) or ast.get_docstring(tree) or ""
    return text.strip().partition("\n")[0]


def _help_of(tree: ast.Module, name: str) -> str | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node)
        named = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and name in named:
            values = [word.value for word in node.value.keywords if word.arg == "help"]
            return next((v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)), None)
    return None


app = typer.Typer(
    cls=LazyGroup,
    name="physiogen",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Generate physiological signals, and prove how good they are.",
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        from gen import __version__

        typer.echo(__version__)
        raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        name = next((word for word in words if not word.startswith("-")), "physiogen")
        status = run(arguments, Heartbeat(name))
        sys.stdout.flush()
        all_done()
    except BrokenPipeError:
        status = _PIPE_CLOSED
    except (Exception, KeyboardInterrupt) as error:
        # Libraries make other errors of an interruption that meets them while they are being imported.
        if interrupted() or isinstance(error, KeyboardInterrupt):
            print("physiogen: interrupted", file=sys.stderr)
            leave(_INTERRUPTED)
        import traceback

        traceback.print_exc()
        print("physiogen: this is a fault of the program, not of the input", file=sys.stderr)
        status = 1
    if status == _INTERRUPTED:
        leave(status)
    if status == _PIPE_CLOSED:
        # What is still buffered has no reader: without this, the interpreter complains about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def run(arguments: Sequence[str] | None = None, heartbeat: AbstractContextManager[object] | None = None) -> int:
    """Run the command line; returns the exit status, raises only on a fault of ours.

    Args:
        arguments: words of the command line; those of the process by default.
        heartbeat: is at work beside the command, and silent when its last line is said.
    """
    words = None if arguments is None else list(arguments)
    try:
        with heartbeat or nullcontext():
            _check_out(sys.argv[1:] if words is None else words)
            status = app(args=words, prog_name="physiogen", standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    except BrokenPipeError:
        return _PIPE_CLOSED
    except SystemExit as stop:  # what the option parser makes of a broken pipe
        if isinstance(stop.__context__, BrokenPipeError):
            return _PIPE_CLOSED
        raise
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        if message:
            print(f"physiogen: {message}", file=sys.stderr)
        return 2
    if status == _INTERRUPTED:
        print("physiogen: interrupted", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _check_out(words: Sequence[str]) -> None:
    """Refuse an ``--out`` that cannot be written, whichever the command, before it loads anything."""
    from gen.commands.there import check_out, out_of

    out = out_of(words)
    if out is not None:
        check_out(out)


def explain(error: Exception) -> str | None:
    """One line for the user about an error that the input or the machine caused; None for a fault of ours.

    Empty where everything has been said (a group called without a sub-command prints its help).
    """
    from gen.errors import InputError, LeadError

    if isinstance(error, InputError | LeadError | registry.RegistryError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        return _explain_os(error)
    # The option parser's own exceptions: which class they have depends on the version of typer.
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
            return ""
        context = getattr(error, "ctx", None)
        where = f" ({context.command_path} --help)" if context is not None else ""
        return " ".join(error.format_message().split()) + where
    return None


def _explain_os(error: OSError) -> str | None:
    from gen.files import is_disk_full

    if is_disk_full(error):
        where = error.filename or "the output"
        return f"disk full while writing {where}; free some space and run the same command again"
    if isinstance(error, _TOLD):
        return f"{error.filename or 'a file'}: {(error.strerror or 'cannot be read').lower()}"
    return None


if __name__ == "__main__":
    main()
