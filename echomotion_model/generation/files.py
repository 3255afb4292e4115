"""A sample's files: its video, its motion, and both side by side."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from echomotion_model.motion.features import DecodedMotion
from echomotion_model.train.pictures import body_pictures, write_beside
from humove.atomic import replacing
from humove.errors import EXIT_DEFECT, UserError
from humove.types import SmplMotion
from humove.video.encode import EncodeConfig, EncodeError, encode
from humove.video.frames import ArrayFrames
from shards.npz import decode_npz, encode_npz, motion_bytes

RATE = "fps"
"""The array of motion.npz that a data set's has not, which says it in the sample's json: frames a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The files that were written, at the model's rate and size."""

    video: Path
    """video.mp4: what was made; of video-to-motion, the part of the given video that it saw."""
    motion: Path
    """motion.npz, in the data set's own format: what was made, steadied, with the very sample in the raw_ arrays; of
    motion-to-video, the part of the given motion that it saw. Its rate is there too, as `fps`."""
    beside: Path
    """beside.mp4: the picture, and beside it the body as the camera sees it."""


def write_files(out: Path, pictures: np.ndarray, motion: SmplMotion, fps: int) -> Generated:
    """Writes pictures (T, H, W, 3) uint8 RGB and their motion, each file whole or not at all. UserError where the
    folder can't be written to."""
    height, width = pictures.shape[1:3]
    files = Generated(video=out / "video.mp4", motion=out / "motion.npz", beside=out / "beside.mp4")
    body = body_pictures(_told(motion), motion.cam_intrinsics, height, width)
    with _one_line(out):
        with replacing(files.video) as temporary:
            frames = ArrayFrames(pictures, Fraction(fps))
            encode(frames, (0, 0, width, height), width, height, temporary, EncodeConfig(crf=18))
        with replacing(files.motion) as temporary:
            temporary.write_bytes(encode_npz(decode_npz(motion_bytes(motion)) | {RATE: np.array(fps, "<f8")}))
        with replacing(files.beside) as temporary:
            write_beside([pictures, body], fps, temporary)
    return files


def _told(motion: SmplMotion) -> DecodedMotion:
    names = ("global_orient", "body_pose", "transl", "joints", "rest_joints", "betas")
    arrays = {name: torch.from_numpy(getattr(motion, name)) for name in names}
    return DecodedMotion(**arrays, told_joints=arrays["joints"], proxy=torch.tensor(not motion.betas.any()))


@contextmanager
def _one_line(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EncodeError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{out}: {said}; make room there, or give another OUT", EXIT_DEFECT) from error
