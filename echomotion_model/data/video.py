"""The picture of a window: the one place where training reads pixels."""

import io

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from echomotion_model.data.fit import Fit

_BT709 = 1


def decode_window(mp4: bytes, frames: np.ndarray, fit: Fit) -> np.ndarray:
    """The frames (T,) int64, ascending, of a stored video as (T, out_height, out_width, 3) uint8 RGB.

    ValueError or av.FFmpegError where the video is not what the index says.
    """
    out = np.empty((len(frames), fit.out_height, fit.out_width, 3), np.uint8)
    filled, scaler = 0, VideoReformatter()
    with av.open(io.BytesIO(mp4), format="mp4") as box:
        stream = box.streams.video[0]
        stream.codec_context.thread_count = 1  # workers are what runs side by side
        for number, frame in enumerate(box.decode(stream)):
            if number != frames[filled]:
                continue
            picture, until = _rgb(frame, fit, scaler), int(np.searchsorted(frames, number, side="right"))
            out[filled:until] = picture[fit.top : fit.top + fit.out_height, fit.left : fit.left + fit.out_width]
            filled = until
            if filled == len(frames):
                return out
    raise ValueError(f"the video has no frame {frames[filled]}, of {frames[-1] + 1} that are wanted")


def _rgb(frame: av.VideoFrame, fit: Fit, scaler: VideoReformatter) -> np.ndarray:
    """The whole picture at the fit's scale: swscale's bicubic, which widens its kernel where it shrinks."""
    if (frame.width, frame.height) != (fit.width, fit.height):
        raise ValueError(f"the video is {frame.width}x{frame.height}, the index says {fit.width}x{fit.height}")
    space = "ITU709" if int(frame.colorspace) == _BT709 else "ITU601"
    return scaler.reformat(
        frame, fit.scaled_width, fit.scaled_height, "rgb24",
        src_colorspace=space, dst_colorspace=space, interpolation=Interpolation.BICUBIC,
    ).to_ndarray()  # fmt: skip
