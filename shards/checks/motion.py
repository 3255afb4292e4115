"""Check a motion: its form, its joints against its pose, and its projection against the keypoints.

The forward kinematics below deliberately shares no code with the builder's.
"""

import numpy as np

from humove.motion.skeletons import SMPL_JOINTS, SMPL_PARENTS
from shards.checks.defect import Findings
from shards.npz import MOTION_ARRAYS, POSE2D_ARRAYS

FK_TOLERANCE_M = 0.001
LEG_M = (0.25, 1.2)
"""Plausible length of thigh and shin together."""
MIN_VALID = 0.5
MIN_INSIDE = 0.9
MARGIN = 0.15
"""Share of the frame size by which a joint may be outside the frame."""
MAX_REPROJECTION = 0.08
"""Largest median distance of body and keypoints, relative to the person's height."""
BODY_POINTS = tuple(
    f"{side}_{part}" for part in ("shoulder", "elbow", "hip", "knee", "ankle") for side in ("left", "right")
)


def to_rotation_matrices(axis_angle: np.ndarray) -> np.ndarray:
    """Convert (..., 3) axis-angle in radians to (..., 3, 3) by Rodrigues' formula."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None]
    x, y, z = np.moveaxis(axis_angle / np.maximum(angle, 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    angle = angle[..., None]
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def pose_joints(rest: np.ndarray, pose: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """Pose rest (24,3) m by pose (N,24,3) axis-angle and transl (N,3) m: (N,24,3) m, root = rest[0] + transl."""
    local = to_rotation_matrices(pose.astype(float))
    world, joints = np.empty_like(local), np.empty(pose.shape)
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent < 0:
            world[:, joint], joints[:, joint] = local[:, joint], rest[joint] + transl
        else:
            world[:, joint] = world[:, parent] @ local[:, joint]
            joints[:, joint] = joints[:, parent] + world[:, parent] @ (rest[joint] - rest[parent])
    return joints


def check_motion(where: str, arrays: dict[str, np.ndarray], num_frames: int, span: tuple[int, int]) -> Findings:
    """Check motion.npz against the frame count and source span in the json."""
    found = Findings(where)
    for name, (dtype, shape) in MOTION_ARRAYS.items():
        wanted = tuple(num_frames if n == "N" else n for n in shape)
        if name not in arrays:
            found.add(f"motion.npz lacks {name}")
        elif arrays[name].shape != wanted or arrays[name].dtype != np.dtype(dtype):
            found.add(f"motion.npz {name} is {arrays[name].dtype}{arrays[name].shape}, wanted {dtype} {wanted}")
        elif not np.isfinite(arrays[name]).all():
            found.add(f"motion.npz {name} holds values that are not finite")
    if found:
        return found
    valid, confidence, frames = arrays["valid"], arrays["confidence"], arrays["source_frames"]
    found.expect(confidence.min() >= 0 and confidence.max() <= 1, "confidence is outside 0..1")
    found.expect(not confidence[~valid].any(), "confidence is above 0 on frames that are not valid")
    found.expect(valid.mean() >= MIN_VALID, f"only {valid.mean():.0%} of the frames are valid")
    found.expect((np.diff(frames) >= 0).all(), "source_frames run backwards")
    found.expect(
        span[0] <= frames.min() and frames.max() < span[1],
        f"source_frames {frames.min()}..{frames.max()} are outside the span [{span[0]}, {span[1]})",
    )
    pose = np.concatenate([arrays["global_orient"][:, None], arrays["body_pose"]], axis=1)
    off = np.abs(pose_joints(arrays["rest_joints"], pose, arrays["transl"]) - arrays["joints"]).max()
    found.expect(off <= FK_TOLERANCE_M, f"joints are not FK(rest_joints, pose, transl): off by {off * 1000:.1f} mm")
    rest = arrays["rest_joints"]
    leg = sum(float(np.linalg.norm(rest[j] - rest[SMPL_PARENTS[j]])) for j in (4, 7))
    found.expect(LEG_M[0] < leg < LEG_M[1], f"thigh and shin are {leg:.2f} m together: wrong unit or wrong joint order")
    if num_frames > 8:
        found.expect(np.ptp(pose, axis=0).max() > 1e-4, "the pose never changes")
        same = np.array_equal(arrays["raw_body_pose"], arrays["body_pose"])
        found.expect(not same, "raw_body_pose equals body_pose: not smoothed, or the raw pose was not kept")
    return found


def check_pose2d(where: str, arrays: dict[str, np.ndarray], num_frames: int) -> Findings:
    """Check the form of pose2d.npz."""
    found = Findings(where)
    missing = [name for name in POSE2D_ARRAYS if name not in arrays]
    if missing:
        found.add(f"pose2d.npz lacks {missing}")
        return found
    keypoints, scores, names = arrays["keypoints"], arrays["scores"], arrays["names"]
    k = len(names) if names.ndim == 1 else -1
    if keypoints.shape != (num_frames, k, 2) or scores.shape != (num_frames, k) or names.dtype.kind != "U":
        found.add(f"pose2d.npz: keypoints {keypoints.shape}, scores {scores.shape}, {k} names, for {num_frames} frames")
        return found
    found.expect(keypoints.dtype == "<f4" and scores.dtype == "<f4", "pose2d.npz is not float32")
    found.expect(np.isfinite(keypoints).all() and np.isfinite(scores).all(), "pose2d.npz holds NaN or infinity")
    found.expect(((scores >= 0) & (scores <= 1)).all(), "pose2d.npz scores are outside 0..1")
    found.expect(str(arrays["skeleton"]) != "", "pose2d.npz does not name its skeleton")
    lacking = sorted(set(BODY_POINTS) - {str(name) for name in names})
    found.expect(not lacking, f"pose2d.npz names lack {lacking}")
    return found


def check_in_view(
    where: str, motion: dict[str, np.ndarray], pose: dict[str, np.ndarray], width: int, height: int
) -> Findings:
    """Check that the body is in the frame and on the keypoints. Both members must be well-formed."""
    found = Findings(where)
    valid = motion["valid"]
    joints = motion["joints"][valid].astype(float)
    if not found.expect((joints[..., 2] > 0).all(), "joints are behind the camera"):
        return found
    px = joints @ motion["cam_intrinsics"].astype(float).T
    px = px[..., :2] / px[..., 2:]
    size = np.array([width, height])
    inside = ((px > -MARGIN * size) & (px < (1 + MARGIN) * size)).all(-1).mean()
    found.expect(inside >= MIN_INSIDE, f"only {inside:.0%} of the joints project into the frame")
    names = [str(name) for name in pose["names"]]
    points, bones = [names.index(n) for n in BODY_POINTS], [SMPL_JOINTS.index(n) for n in BODY_POINTS]
    visible = pose["scores"][valid][:, points] > 0.5
    if not found.expect(visible.sum() >= 10, "fewer than 10 keypoints are visible"):
        return found
    keypoints = pose["keypoints"][valid][:, points].astype(float)
    height_px = np.maximum(np.ptp(keypoints[..., 1], axis=1) / 0.8, np.ptp(keypoints[..., 0], axis=1))
    error = np.linalg.norm(px[:, bones] - keypoints, axis=-1) / np.maximum(height_px, 1)[:, None]
    median = float(np.median(error[visible]))
    found.expect(median <= MAX_REPROJECTION, f"the body is {median:.0%} of the person's size off the keypoints")
    return found
