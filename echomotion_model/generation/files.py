"""The files of a generated sample: video, motion, and both side by side."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from echomotion_model.motion.features import DecodedMotion
from echomotion_model.train.inputs.frames import render_body, write_side_by_side
from humove.errors import EXIT_DEFECT, UserError
from humove.storage.atomic import replace_atomically
from humove.types import SmplMotion
from humove.video.encode import EncodeConfig, EncodeError, encode_clip
from humove.video.frames import ArrayFrames
from shards.npz import decode_npz, encode_motion_npz, encode_npz

RATE = "fps"
"""The array of motion.npz with the frames per second; a data set has it in the sample's json instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFiles:
    """The written files, at the model's rate and size."""

    video: Path
    """video.mp4: the generated video; for video-to-motion, the part of the input video that was used."""
    motion: Path
    """motion.npz, in the data set's format: the generated motion, smoothed, unsmoothed in the raw_ arrays;
    for motion-to-video, the part of the input motion that was used. It also has the rate, as `fps`."""
    beside: Path
    """beside.mp4: the video beside the body, rendered from the same camera."""


def write_generated(out: Path, video: np.ndarray, motion: SmplMotion, fps: int) -> GeneratedFiles:
    """Write frames (T, H, W, 3) uint8 RGB and their motion, each file atomically. UserError if the folder is not
    writable."""
    height, width = video.shape[1:3]
    files = GeneratedFiles(video=out / "video.mp4", motion=out / "motion.npz", beside=out / "beside.mp4")
    body = render_body(_make_decoded_motion(motion), motion.cam_intrinsics, height, width)
    with _convert_errors(out):
        with replace_atomically(files.video) as temporary:
            frames = ArrayFrames(video, Fraction(fps))
            encode_clip(frames, (0, 0, width, height), width, height, temporary, EncodeConfig(crf=18))
        with replace_atomically(files.motion) as temporary:
            temporary.write_bytes(encode_npz(decode_npz(encode_motion_npz(motion)) | {RATE: np.array(fps, "<f8")}))
        with replace_atomically(files.beside) as temporary:
            write_side_by_side([video, body], fps, temporary)
    return files


def _make_decoded_motion(motion: SmplMotion) -> DecodedMotion:
    names = ("global_orient", "body_pose", "transl", "joints", "rest_joints", "betas")
    arrays = {name: torch.from_numpy(getattr(motion, name)) for name in names}
    return DecodedMotion(**arrays, predicted_joints=arrays["joints"], proxy=torch.tensor(not motion.betas.any()))


@contextmanager
def _convert_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EncodeError) as error:
        message = " ".join(str(error).split())
        raise UserError(f"{out}: {message}; free space there, or give another OUT", EXIT_DEFECT) from error
