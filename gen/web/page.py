"""The page: rooms side by side, each with its fields, its progress and its result."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from gen.records import InputError
from gen.web.rooms.benchmark import Benchmark
from gen.web.rooms.generate import Generate
from gen.web.rooms.heart import Heart
from gen.web.rooms.measure import Measure
from gen.web.rooms.rebuild import Rebuild
from gen.web.rooms.room import Order, Room
from gen.web.rooms.twin import Twin
from gen.web.shown import Shown
from gen.web.visitors import Visitors, Work
from gen.web.workshop import Job, Workshop

if TYPE_CHECKING:
    import gradio as gr

#: Seconds between two looks at a job.
_LOOK_S = 0.1
_CANCELLED = '<p class="quiet">Cancelled; nothing was kept.</p>'


def rooms() -> list[Room]:
    """The rooms in the order of their tabs."""
    return [Rebuild(), Generate(), Twin(), Heart(), Measure(), Benchmark()]


def build(visitors: Visitors, workshop: Workshop, limit_bytes: int) -> "gr.Blocks":
    """The page as Gradio has it."""
    import gradio as gr

    with gr.Blocks(title="physiogen", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.HTML(
            '<div class="page-head"><h1>physiogen</h1><p>Generated physiological signals, and proof how good they are. '
            "Everything runs on this machine. Not a diagnostic device.</p></div>"
        )
        with gr.Tabs():
            for room in rooms():
                with gr.Tab(room.name):
                    _room(room, visitors, workshop, limit_bytes)

        async def leave(request: gr.Request) -> None:
            visitors.leave(str(request.session_hash))

        page.unload(leave)
    return page


def _room(room: Room, visitors: Visitors, workshop: Workshop, limit_bytes: int) -> None:
    import gradio as gr

    gr.HTML(f'<p class="room-hint">{escape(room.hint)}</p>')
    with gr.Row():
        with gr.Column(scale=1, min_width=310):
            fields = room.fields()
            with gr.Row():
                start = gr.Button(room.button, variant="primary", elem_id=f"start-{room.name.lower()}")
                stop = gr.Button("Cancel", elem_id=f"cancel-{room.name.lower()}")
            state = gr.HTML('<div class="state" role="status"></div>', elem_id=f"state-{room.name.lower()}")
        with gr.Column(scale=3, min_width=420):
            result = gr.HTML("", elem_id=f"result-{room.name.lower()}")
    names = list(fields)

    async def run(request: gr.Request, *values: Any) -> AsyncIterator[tuple[str, Any]]:
        task = _Task(room, visitors, workshop, limit_bytes)
        async for said, shown in task.run(str(request.session_hash), dict(zip(names, values, strict=True))):
            yield _state(said), gr.skip() if shown is None else shown

    async def cancel(request: gr.Request) -> None:
        visitors.drop(visitors.visitor(str(request.session_hash)), room.name)

    async def hold(request: gr.Request, paths: Sequence[str] | str | None) -> None:
        given = [paths] if isinstance(paths, str) else list(paths or ())
        visitors.hold(visitors.visitor(str(request.session_hash)), given)

    start.click(
        run, list(fields.values()), [state, result], show_progress="hidden", concurrency_limit=None,
        api_visibility="private",
    )  # fmt: skip
    stop.click(cancel, None, None, queue=False, show_progress="hidden", api_visibility="private")
    for field in fields.values():
        if isinstance(field, gr.File):
            field.change(hold, field, None, queue=False, show_progress="hidden", api_visibility="private")


class _Task:
    """One run of a room's command, as what is to be said and shown while it goes on."""

    def __init__(self, room: Room, visitors: Visitors, workshop: Workshop, limit_bytes: int) -> None:
        self.room, self.visitors, self.workshop, self.limit = room, visitors, workshop, limit_bytes

    async def run(self, session: str, values: dict[str, Any]) -> AsyncIterator[tuple[str, str | None]]:
        """State, and what to show: None for what is shown already."""
        visitor = self.visitors.visitor(session)
        work = self.visitors.begin(visitor, self.room.name)
        yield _bar("Reading what was given"), ""
        try:
            order = await asyncio.to_thread(self.room.order, work.folder, values, self.limit)
        except InputError as error:
            self.visitors.drop(visitor, self.room.name)
            yield _error(f"physiogen: {' '.join(str(error).split())}"), None
            return
        if work.cancelled:
            yield _CANCELLED, None
            return
        job = work.job = self.workshop.order(order.argv, work.folder)
        async for said in self._wait(job):
            yield said, None
        fault = job.fault()
        if work.cancelled or job.cancelled:
            yield _CANCELLED, ""
            return
        if not (work.folder / order.result).exists():
            self.visitors.drop(visitor, self.room.name)
            yield _error(fault or "physiogen: nothing was made"), None
            return
        yield _bar("Drawing"), None
        yield _told(job, fault), await self._show(work, order, job)
        for argv in order.more:
            following = work.job = self.workshop.order(argv, work.folder)
            async for said in self._wait(following):
                yield said, None
            if work.cancelled:
                yield _CANCELLED, ""
                return
            yield _told(job, fault), await self._show(work, order, job)

    async def _wait(self, job: Job) -> AsyncIterator[str]:
        before = ""
        while job.status is None:
            ahead = self.workshop.ahead(job)
            progress = job.lines("progress")
            if ahead:
                said = _bar(f"Waiting for {ahead} before")
            elif progress:
                said = _bar(progress[-1], _share(progress[-1]))
            else:
                said = _bar("Working" if self.workshop.warm.is_set() else "Working; models are being loaded")
            if said != before:
                yield said
                before = said
            try:
                await asyncio.wait_for(job.ended.wait(), _LOOK_S)
            except TimeoutError:
                continue

    async def _show(self, work: Work, order: Order, job: Job) -> str:
        said = [*job.lines("out"), *(line for line in job.lines("err") if not line.startswith("physiogen: "))]
        work.shown = await asyncio.to_thread(self.room.shown, work.folder, order, said)
        return await asyncio.to_thread(Shown.html, work.shown, work.token)


def _state(said: str) -> str:
    return f'<div class="state" role="status">{said}</div>'


def _bar(words: str, share: float | None = None) -> str:
    width = "" if share is None else f' style="width:{100 * share:.0f}%"'
    kind = " open" if share is None else ""
    return f'<span>{escape(words)}</span><div class="bar{kind}"><i{width}></i></div>'


def _share(line: str) -> float | None:
    """What part is done, from a line of progress such as ``ECGs 3/16, 4 s left`` or ``benchmark 40 %, ...``."""
    for word in line.replace(",", " ").split():
        done, slash, total = word.partition("/")
        if slash and done.replace(".", "", 1).isdigit() and total.replace(".", "", 1).isdigit() and float(total):
            return min(1.0, float(done) / float(total))
    head, percent, _ = line.partition(" %")
    return min(1.0, float(head.split()[-1]) / 100) if percent and head.split()[-1].isdigit() else None


def _error(line: str) -> str:
    return f'<p class="error" role="alert">{escape(line)}</p>'


def _told(job: Job, fault: str | None) -> str:
    """What is said at the end: done, and a line for each input that could not be used."""
    bad = [line for line in job.lines() if line.startswith("physiogen: ")] if fault is not None else []
    return '<p class="quiet">Done</p>' + "".join(_error(line) for line in bad)
