"""The addresses of the page, and what may be asked from where.

Nothing on the page comes from another machine: its own policy of contents forbids the browser to ask one. Requests
under other names than the ones it was opened with are refused, so that no other page can reach it by a name of its own.
"""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen.files import replacing
from gen.progress import resting
from gen.records import InputError
from gen.web.visitors import Visitors, Work
from gen.web.workshop import Workshop

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-src 'self' blob: data:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
#: Reports that commands write are shown without scripts and without any address.
_REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"


@dataclass(frozen=True)
class Settings:
    """How the page is served.

    Attributes:
        host, port: where it listens; port 0 is any that is free.
        upload_mb: the largest upload.
        at_once: commands that run at the same time.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    upload_mb: int = 200
    at_once: int = 2


def listen(settings: Settings) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: the address is not one of this machine, or its port is in use.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
        found.listen(128)
    except OSError as error:
        found.close()
        raise InputError(
            f"{settings.host}:{settings.port}: {(error.strerror or str(error)).lower()}; accepted: an address of this "
            "machine and a port that is free, --port 0 takes any"
        ) from error
    return found


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until it is interrupted; ``ready`` is told the address."""
    listening = listen(settings)
    folder = Path(tempfile.mkdtemp(prefix="physiogen-web-"))
    # The server ends in good order at SIGTERM, and then lets the signal have its way; files have to go before.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        # Before Gradio is imported: it reads them once. No analytics, no look for newer versions, no shared links.
        os.environ |= {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": str(folder / "uploads"),
            "GRADIO_SHARE": "False",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        import uvicorn

        app = application(settings, folder)
        host, port = listening.getsockname()[:2]
        ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=2)
        with resting():
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()
        shutil.rmtree(folder, ignore_errors=True)


def application(settings: Settings, folder: Path) -> Any:
    """The page with all its addresses; its files lie in ``folder``."""
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from gen.plot import viewer
    from gen.web.page import build

    workshop = Workshop(settings.at_once, folder / "forge")
    (folder / "forge").mkdir(exist_ok=True)
    (folder / "visitors").mkdir(exist_ok=True)
    visitors = Visitors(folder / "visitors", workshop)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        del app
        await workshop.open()
        yield
        await workshop.close()

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.visitors, app.state.workshop = visitors, workshop
    _add_addresses(app, visitors, workshop)
    limit = settings.upload_mb * 1_000_000
    page = build(visitors, workshop, limit)
    page.queue(api_open=False, default_concurrency_limit=None)
    here = Path(__file__).parent / "static"
    style = viewer.style() + (here / "web.css").read_text(encoding="utf-8")
    script = viewer.script() + (here / "web.js").read_text(encoding="utf-8")
    theme = gr.themes.Base(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    app = gr.mount_gradio_app(
        app, page, path="/", server_name=settings.host, server_port=settings.port, footer_links=[], run_history=False,
        max_file_size=limit, ssr_mode=False, pwa=False, mcp_server=False, enable_monitoring=False, show_error=False,
        theme=theme, css=style, head=f"<script>{script}</script>",
    )  # fmt: skip
    app.middleware("http")(_guarded)
    if settings.host in LOOPBACK:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])
    return app


async def _guarded(request: Any, follow: Callable[[Any], Awaitable[Any]]) -> Any:
    """Add what a browser must not do with the page."""
    answer = await follow(request)
    if "content-security-policy" not in answer.headers:
        answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _add_addresses(app: Any, visitors: Visitors, workshop: Workshop) -> None:
    from fastapi.responses import FileResponse, PlainTextResponse, Response

    def gone() -> Any:
        return PlainTextResponse("physiogen: this result is no longer there; run it again", status_code=404)

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"warm": workshop.warm.is_set()}

    @app.get("/paper/{token}/{number}")
    async def draw(token: str, number: int, layout: str = "3x4", small: int = 0) -> Any:
        work = visitors.find(token)
        if work is None or work.shown is None or not 0 <= number < len(work.shown.papers):
            return gone()
        try:
            svg = await asyncio.to_thread(work.shown.papers[number].svg, layout, small=bool(small))
        except ValueError as error:
            return PlainTextResponse(f"physiogen: {error}", status_code=400)
        return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "private, no-store"})

    @app.get("/take/{token}/{name}")
    async def take(token: str, name: str) -> Any:
        work = visitors.find(token)
        if work is None or work.shown is None:
            return gone()
        if name == "frame" and work.shown.frame is not None:
            headers = {"Content-Security-Policy": _REPORT_POLICY, "Cache-Control": "private, no-store"}
            return FileResponse(work.folder / work.shown.frame, media_type="text/html", headers=headers)
        wanted = work.shown.takes.get(name)
        if wanted is None:
            return gone()
        path = work.folder / wanted.path
        if wanted.argv and not path.exists():
            job = workshop.order(wanted.argv, work.folder)
            await job.ended.wait()
            if not path.exists():
                return PlainTextResponse(job.fault() or "physiogen: nothing was made", status_code=400)
        if path.is_dir():
            path = await asyncio.to_thread(_packed, work, path)
        return FileResponse(path, filename=path.name, headers={"Cache-Control": "private, no-store"})


def _packed(work: Work, folder: Path) -> Path:
    """A folder as a zip, the same bytes for the same files."""
    place = work.place / "TAKE"
    place.mkdir(exist_ok=True)
    path = place / f"{re.sub(r'[^A-Za-z0-9_-]', '_', folder.name)}.zip"
    if not path.exists():
        with replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                info = zipfile.ZipInfo(str(file.relative_to(folder.parent)), (1980, 1, 1, 0, 0, 0))
                info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(info, file.read_bytes())
    return path
