"""Encoding of a clip to H.264 in mp4, with reproducible bytes."""

import subprocess
from pathlib import Path
from typing import Literal

import ffmpeg
import imageio_ffmpeg
import numpy as np
from pydantic import Field

from humove.config.strict import Strict
from humove.video.frames import Frames

_MATRIX_TAGS = {"bt709": "bt709", "bt601": "smpte170m"}


class EncodeConfig(Strict):
    """How the stored mp4 is compressed."""

    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = Field(
        "superfast", description="libx264's speed: slower presets give smaller files of the same quality"
    )
    crf: int = Field(23, ge=0, le=40, description="libx264's quality: lower is better and larger; 18 looks lossless")


class EncodeError(RuntimeError):
    """ffmpeg failed; the message holds the last line of its output."""


def crop_yuv(yuv: np.ndarray, xyxy: tuple[int, int, int, int]) -> bytes:
    """Crop (H * 3 / 2, W) uint8 yuv420p planes to a window with even edges; returns concatenated planes."""
    height, width = yuv.shape[0] * 2 // 3, yuv.shape[1]
    x0, y0, x1, y1 = xyxy
    luma = yuv[y0:y1, x0:x1]
    chroma = yuv[height:].reshape(2, height // 2, width // 2)[:, y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
    return luma.tobytes() + chroma.tobytes()


def encode_clip(
    frames: Frames,
    crop_xyxy: tuple[int, int, int, int],
    out_width: int,
    out_height: int,
    path: Path,
    config: EncodeConfig,
) -> None:
    """Encode the window crop_xyxy (even px) of every frame to `path`, scaled to out_width x out_height (even).

    Constant rate frames.fps, yuv420p, square pixels, no sound, no metadata; one thread and libav's bit-exact mode, so
    that the bytes depend only on the frames and the configuration. EncodeError if ffmpeg fails.
    """
    x0, y0, x1, y1 = crop_xyxy
    inside = 0 <= x0 < x1 <= frames.width and 0 <= y0 < y1 <= frames.height
    if not inside or any(value % 2 for value in (*crop_xyxy, out_width, out_height)):
        raise ValueError(
            f"window {crop_xyxy} to {out_width}x{out_height}: must be even and inside {frames.width}x{frames.height}"
        )
    whole = crop_xyxy == (0, 0, frames.width, frames.height)
    process = _start_ffmpeg(frames, x1 - x0, y1 - y0, out_width, out_height, path, config)
    try:
        for index in range(len(frames)):
            yuv = frames.read_yuv(index)
            process.stdin.write(yuv if whole else crop_yuv(yuv, crop_xyxy))
        process.stdin.close()
    except BrokenPipeError:
        pass  # ffmpeg has ended; its message is read below
    except BaseException:
        process.kill()
        process.wait()
        raise
    log = process.stderr.read().decode(errors="replace").strip()
    process.stderr.close()
    if process.wait() != 0:
        raise EncodeError(f"ffmpeg could not write {path.name}: {log.splitlines()[-1] if log else 'no message'}")


def _start_ffmpeg(
    frames: Frames, width: int, height: int, out_width: int, out_height: int, path: Path, config: EncodeConfig
) -> subprocess.Popen:
    rate = f"{frames.fps.numerator}/{frames.fps.denominator}"
    # On the input too: untagged frames would be taken for bt601 and converted to the output's matrix.
    tags = {"color_range": "tv", "colorspace": _MATRIX_TAGS[frames.matrix]}
    stream = ffmpeg.input(
        "pipe:", format="rawvideo", pix_fmt="yuv420p", s=f"{width}x{height}", framerate=rate, threads=1, **tags
    )
    if (width, height) != (out_width, out_height):
        stream = stream.filter("scale", out_width, out_height, flags="bicubic+accurate_rnd")
    stream = stream.filter("setsar", "1")
    stream = stream.output(
        f"file:{path}", format="mp4", vcodec="libx264", pix_fmt="yuv420p", preset=config.preset, crf=config.crf,
        threads=1, filter_threads=1, movflags="+faststart", fflags="+bitexact", map_metadata=-1,
        **{"flags:v": "+bitexact", "fps_mode": "passthrough"}, **tags,
    )  # fmt: skip
    command = stream.global_args("-hide_banner", "-loglevel", "error", "-nostdin").overwrite_output()
    return command.run_async(cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdin=True, pipe_stderr=True)
