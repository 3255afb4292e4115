"""The array members of a sample, to bytes and back.

An npz is a zip of .npy files. numpy's own savez stamps the clock into it, so the zip is written here: fixed dates,
fixed order, stored (deflate's output differs between zlib builds and saves a tenth). Nothing is ever unpickled.
"""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from humove.types import Pose2D, SmplMotion, WorldCamera

MOTION_ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "betas": ("<f4", (10,)),
    "rest_joints": ("<f4", (24, 3)),
    "global_orient": ("<f4", ("N", 3)),
    "body_pose": ("<f4", ("N", 23, 3)),
    "transl": ("<f4", ("N", 3)),
    "joints": ("<f4", ("N", 24, 3)),
    "cam_intrinsics": ("<f4", (3, 3)),
    "confidence": ("<f4", ("N",)),
    "valid": ("|b1", ("N",)),
    "source_frames": ("<i8", ("N",)),
    "raw_global_orient": ("<f4", ("N", 3)),
    "raw_body_pose": ("<f4", ("N", 23, 3)),
    "raw_transl": ("<f4", ("N", 3)),
}
"""Every array of motion.npz, in file order: dtype and shape, N frames."""
WORLD_ARRAYS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "rotation": ("<f4", ("N", 3, 3)),
    "position": ("<f4", ("N", 3)),
    "gravity": ("<f4", ("N", 3)),
}
"""Every array of world.npz, in file order."""
POSE2D_ARRAYS = ("keypoints", "scores", "skeleton", "names")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def encode_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An npz of the arrays, in their order. The same arrays give the same bytes. ValueError for object arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as box:
        for name, array in arrays.items():
            npy = io.BytesIO()
            np.lib.format.write_array(npy, np.require(array, requirements="C"), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.create_system = 3  # otherwise the host's own system is noted
            entry.external_attr = 0o644 << 16
            box.writestr(entry, npy.getvalue())
    return out.getvalue()


def decode_npz(raw: bytes) -> dict[str, np.ndarray]:
    """The arrays of an npz by name. ValueError when it holds pickles, zipfile.BadZipFile when it is none."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as box:
        return {name: box[name] for name in box.files}


def motion_bytes(motion: SmplMotion) -> bytes:
    """motion.npz, every array in the format's own dtype."""
    return encode_npz({name: getattr(motion, name).astype(dtype) for name, (dtype, _) in MOTION_ARRAYS.items()})


def decode_motion(raw: bytes) -> SmplMotion:
    """The motion of a motion.npz; arrays that a later version may add are left out."""
    arrays = decode_npz(raw)
    return SmplMotion(**{name: arrays[name] for name in MOTION_ARRAYS})


def world_bytes(world: WorldCamera) -> bytes:
    """world.npz, every array in the format's own dtype."""
    return encode_npz({name: getattr(world, name).astype(dtype) for name, (dtype, _) in WORLD_ARRAYS.items()})


def decode_world(raw: bytes) -> WorldCamera:
    """The camera's path of a world.npz."""
    arrays = decode_npz(raw)
    return WorldCamera(**{name: arrays[name] for name in WORLD_ARRAYS})


def pose2d_bytes(pose: Pose2D) -> bytes:
    """pose2d.npz: keypoints and scores float32, skeleton and names as unicode."""
    return encode_npz(
        {
            "keypoints": pose.keypoints.astype("<f4"),
            "scores": pose.scores.astype("<f4"),
            "skeleton": np.array(pose.skeleton, dtype=f"<U{max(len(pose.skeleton), 1)}"),
            "names": np.array(pose.names, dtype=f"<U{max(map(len, pose.names), default=1)}"),
        }
    )


def decode_pose2d(raw: bytes) -> Pose2D:
    """The keypoints of a pose2d.npz."""
    arrays = decode_npz(raw)
    return Pose2D(
        keypoints=arrays["keypoints"],
        scores=arrays["scores"],
        skeleton=str(arrays["skeleton"]),
        names=tuple(str(name) for name in arrays["names"]),
    )
