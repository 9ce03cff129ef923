"""Cine records to look at: an animated GIF and an MP4 film, in the tempo of the heart, marked synthetic where they are.

The film is H.264, which browsers, slides and players take. No encoder of it comes with a Python package under a
licence that fits this one (those of imageio-ffmpeg and PyAV hold x264, GPL), so the program ffmpeg of the computer
makes it.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from gen.cine import CineRecord
from gen.io.common import library
from gen.records import InputError

#: In the comment of what software made.
SYNTHETIC = "synthetic - made by software, no patient - not for diagnosis"
#: Viewers slow down frames shorter than this.
_SHORTEST_GIF_FRAME_S = 0.02
#: A film shows whole heartbeats until it lasts this long.
_LEAST_FILM_S = 5.0
#: The size that small pictures are enlarged to, in whole times.
_WIDTH = 384
#: H.264 encoders of ffmpeg, the better one first, each with its setting for a picture without visible loss.
_ENCODERS = {
    "libx264": ("-crf", "16", "-preset", "veryfast"),
    "libopenh264": ("-b:v", "3M"),
    "h264_videotoolbox": ("-b:v", "3M"),
}
_HELP = "accepted: the program ffmpeg with an H.264 encoder on the path (apt, brew or winget install ffmpeg)"


def write_gif(record: CineRecord, path: Path) -> None:
    """All slices side by side, enlarged, in the heart's own tempo (one second where RR is unknown).

    The whole loop lasts RR to 5 ms: a GIF counts hundredths of a second, and rounding their running sum keeps the
    beat's length.
    """
    _animate([record], path)


def write_pair_gif(left: CineRecord, right: CineRecord, path: Path) -> None:
    """Two loops of equally many frames side by side and in phase, in the tempo of the right one."""
    if left.num_frames != right.num_frames:
        raise InputError(f"{path}: loops of {left.num_frames} and {right.num_frames} frames; accepted: as many of both")
    _animate([left, right], path)


def _animate(records: Sequence[CineRecord], path: Path) -> None:
    image_module = library("PIL.Image", "cmr")
    rr, frames = records[-1].rr_s or 1.0, records[-1].num_frames
    count = max(2, min(frames, int(rr / _SHORTEST_GIF_FRAME_S)))
    chosen = np.floor(np.arange(count) * frames / count).astype(int)
    edges = np.rint(np.arange(count + 1) * rr * 100 / count).astype(int)
    beside = map(_side_by_side, zip(*(_pictures(each, chosen) for each in records), strict=True))
    pictures = [image_module.fromarray(picture) for picture in beside]
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=[int(d) * 10 for d in np.diff(edges)],
        loop=0,
        comment=(SYNTHETIC if records[-1].synthetic else "physiogen cine").encode(),
    )


def write_mp4(record: CineRecord, path: Path) -> None:
    """Whole heartbeats for five seconds or longer, a frame every RR / number of frames (of one second without RR).

    Raises:
        InputError: no ffmpeg with an H.264 encoder, or it fails.
    """
    program, encoder = check_ffmpeg()
    rr = record.rr_s or 1.0
    beats = int(np.ceil(_LEAST_FILM_S / rr))
    beat = list(_pictures(record, np.arange(record.num_frames)))
    rows, cols = beat[0].shape
    rate = Fraction(record.num_frames / rr).limit_denominator(100_000)
    # fmt: off
    command = [
        program, "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-video_size", f"{cols}x{rows}",
        "-framerate", f"{rate.numerator}/{rate.denominator}", "-i", "-",
        "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-c:v", encoder, *_ENCODERS[encoder],
        "-threads", "1", "-flags:v", "+bitexact", "-fflags", "+bitexact", "-movflags", "+faststart",
        "-metadata", f"comment={SYNTHETIC if record.synthetic else 'physiogen cine'}", "-f", "mp4", str(path),
    ]
    # fmt: on
    done = subprocess.run(command, input=b"".join(p.tobytes() for p in beat) * beats, capture_output=True, check=False)
    if done.returncode or not path.is_file():
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"{path}: ffmpeg made no film ({said[-1] if said else 'it says nothing'}); {_HELP}")


def check_ffmpeg() -> tuple[str, str]:
    """The program and the encoder that make films.

    Raises:
        InputError: there is none.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise InputError(f"mp4: no ffmpeg found; {_HELP}")
    encoder = _encoder(program)
    if encoder is None:
        raise InputError(f"mp4: {program} has no H.264 encoder; {_HELP}")
    return program, encoder


@cache
def _encoder(program: str) -> str | None:
    done = subprocess.run([program, "-v", "error", "-encoders"], capture_output=True, text=True, check=False)
    there = {words[1] for words in map(str.split, done.stdout.splitlines()) if len(words) > 1}
    return next((name for name in _ENCODERS if name in there), None)


def _pictures(record: CineRecord, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """(row, col) uint8 of each chosen frame: its slices in reading order, "synthetic" in the corner where it is."""
    image_module = library("PIL.Image", "cmr")
    draw_module = library("PIL.ImageDraw", "cmr")
    columns = int(np.ceil(np.sqrt(record.num_slices)))
    factor = max(1, _WIDTH // (columns * record.frames.shape[3]))
    for number in chosen:
        sheet = _tiled(record.frames[:, number], columns)
        picture = image_module.fromarray(np.rint(255 * np.clip(sheet, 0, 1)).astype(np.uint8))
        picture = picture.resize((picture.width * factor, picture.height * factor), image_module.Resampling.BICUBIC)
        if record.synthetic:
            draw_module.Draw(picture).text((4, picture.height - 14), "synthetic", fill=255)
        yield np.asarray(picture)


def _side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """One picture; lower ones stand on black."""
    rows = max(len(picture) for picture in pictures)
    return np.hstack([np.pad(picture, ((0, rows - len(picture)), (0, 0))) for picture in pictures])


def _tiled(slices: np.ndarray, columns: int) -> np.ndarray:
    """(slice, row, col) -> one picture, slices in reading order."""
    count, rows, cols = slices.shape
    lines = -(-count // columns)
    sheet = np.zeros((lines * columns, rows, cols), dtype=slices.dtype)
    sheet[:count] = slices
    return sheet.reshape(lines, columns, rows, cols).transpose(0, 2, 1, 3).reshape(lines * rows, columns * cols)
