"""A frozen dataclass of settings as a command: the one place that turns fields into options."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from gen.evaluations import Evaluation, Setting, settings_of


def command_of(name: str, kind: type[Evaluation], run: Callable[..., None], **shared: Any) -> TyperCommand:
    """A command whose options are the fields of ``kind``.

    Args:
        name: of the command.
        kind: the settings.
        run: called with the settings, and by keyword with what the shared options were given.
        shared: options that are no settings: name -> (annotation, default) as typer takes them.
    """
    known = settings_of(kind)
    parameters = [_parameter(each) for each in known]
    parameters += [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for key, (annotation, default) in shared.items()
    ]

    def call(**given: Any) -> None:
        values = {each.name: _value(each, given.pop(each.name)) for each in known}
        run(kind(**values), **given)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    call.__doc__ = _help(name, kind)
    single = typer.Typer(add_completion=False, rich_markup_mode="markdown")
    single.command(name=name)(call)
    command = typer.main.get_command(single)
    assert isinstance(command, TyperCommand)
    return command


def _help(name: str, kind: type[Evaluation]) -> str:
    first, _, rest = inspect.cleandoc(kind.__doc__ or "").partition("\n")
    return "\n\n".join([first, f"Example: physiogen evaluate {name} {kind.example}".strip(), rest.strip()]).strip()


def _parameter(each: Setting) -> inspect.Parameter:
    numbers = each.many and each.kind in (int, float)
    one: Any = Literal[each.choices] if each.choices else str if numbers else each.kind
    annotation: Any = list[one] if each.many else one
    help_text, default = each.help, each.default
    metavar = f"{each.metavar},..." if numbers else None if each.choices or each.kind is bool else each.metavar
    if each.many and default not in (inspect.Parameter.empty, ()) and not each.required:
        help_text += f" [default: {', '.join(f'{part:g}' if numbers else str(part) for part in default)}]"
    if each.many and not each.positional and not each.required:
        help_text += "; by comma" if numbers else "; may be repeated"
    if each.many or default is None:
        annotation, default = annotation | None, inspect.Parameter.empty if each.required else None
    if each.required:
        annotation, default = (list[one] if each.many else one), inspect.Parameter.empty
    if each.positional:
        info = typer.Argument(help=help_text, metavar=f"{each.metavar}..." if each.many else each.metavar)
    else:
        names = [each.option, *([each.short] if each.short else [])]
        info = typer.Option(*names, help=help_text, metavar=metavar)
    return inspect.Parameter(
        each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, info]
    )


def _value(each: Setting, given: Any) -> Any:
    if not each.many:
        return given
    if not given and not each.required:
        return each.default
    if each.kind in (int, float):
        return tuple(part.strip() for text in given for part in text.split(",") if part.strip())
    return tuple(given)
