"""``physiogen web``: a page on this machine to work on."""

from importlib.util import find_spec
from typing import Annotated

import typer

from gen.errors import InputError


def web(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 takes any that is free.")] = 7860,
    host: Annotated[str, typer.Option(help="Address to listen at; this machine alone by default.")] = "127.0.0.1",
    allow_network: Annotated[
        bool,
        typer.Option(
            "--allow-network", help="Let other machines in: there is no password, and recordings cross the net."
        ),
    ] = False,
    upload_mb: Annotated[int, typer.Option(min=1, help="Largest upload, in megabytes.")] = 200,
    at_once: Annotated[int, typer.Option(min=1, help="Commands that run at the same time; others wait.")] = 2,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Open a page to work on: rebuild, generate, measure and compare ECGs in the browser.

    Everything runs on this machine and nothing is asked of another one. Files of a visitor are removed when the page
    is closed.

    Example: physiogen web --port 7860
    """
    if find_spec("gradio") is None:
        raise InputError('physiogen web needs the extra "web": pip install "physiogen[web]"')
    from gen.web.server import LOOPBACK, Settings, serve

    if host not in LOOPBACK and not allow_network:
        raise InputError(
            f"--host {host}: would let other machines open the page, which has no password and shows recordings; "
            "accepted: 127.0.0.1, or this address with --allow-network"
        )

    def ready(address: str) -> None:
        typer.echo(f"physiogen: {address} (Ctrl-C ends it)")
        if open_browser:
            import webbrowser

            webbrowser.open(address)

    serve(Settings(host, port, upload_mb, at_once), ready)
