"""Decoding of a time window's frames."""

import io

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from echomotion_model.data.fit import ResizeCrop

_BT709 = 1


def decode_window(mp4: bytes, frames: np.ndarray, crop: ResizeCrop) -> np.ndarray:
    """Decode frames (T,) int64, ascending, of a stored video as (T, out_height, out_width, 3) uint8 RGB.

    ValueError or av.FFmpegError if the video does not match the index.
    """
    out = np.empty((len(frames), crop.out_height, crop.out_width, 3), np.uint8)
    filled, scaler = 0, VideoReformatter()
    with av.open(io.BytesIO(mp4), format="mp4") as box:
        stream = box.streams.video[0]
        stream.codec_context.thread_count = 1  # workers run in parallel instead
        for number, frame in enumerate(box.decode(stream)):
            if number != frames[filled]:
                continue
            image, until = _scale_to_rgb(frame, crop, scaler), int(np.searchsorted(frames, number, side="right"))
            out[filled:until] = image[crop.top : crop.top + crop.out_height, crop.left : crop.left + crop.out_width]
            filled = until
            if filled == len(frames):
                return out
    raise ValueError(f"the video has no frame {frames[filled]}, of {frames[-1] + 1} expected")


def _scale_to_rgb(frame: av.VideoFrame, crop: ResizeCrop, scaler: VideoReformatter) -> np.ndarray:
    """Scale a whole frame with swscale's bicubic, whose kernel widens for downscaling."""
    if (frame.width, frame.height) != (crop.width, crop.height):
        raise ValueError(f"the video is {frame.width}x{frame.height}, the index says {crop.width}x{crop.height}")
    space = "ITU709" if int(frame.colorspace) == _BT709 else "ITU601"
    return scaler.reformat(
        frame, crop.scaled_width, crop.scaled_height, "rgb24",
        src_colorspace=space, dst_colorspace=space, interpolation=Interpolation.BICUBIC,
    ).to_ndarray()  # fmt: skip
