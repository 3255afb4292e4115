"""One clip from landmarks to motion: repair, size, start, fit, smoothing, confidence."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from annotators.landmark_fit.confidence import Doubt, disagreement, frame_confidence
from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.energy import Evidence, Pose
from annotators.landmark_fit.fit import descend, start_pose
from annotators.landmark_fit.ik import from_markers
from annotators.landmark_fit.lift import STATURE_M, frames_of
from annotators.landmark_fit.model import FitModel
from annotators.landmark_fit.prior import FREE_JOINTS
from annotators.landmark_fit.repair import unswapped
from annotators.landmark_fit.shape import fitted_betas
from annotators.landmark_fit.size import limb_factors, markers_of, placed, stretched
from annotators.landmark_fit.smooth import smooth_linear, smooth_rotations
from annotators.landmark_fit.weights import landmark_weights
from annotators.motion_smoothing.gaps import filled, filled_rotations
from humove.body import world_transforms
from humove.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from humove.types import Landmarks, SmplMotion

_SEEN = ("world", "mirror_world", "keypoints", "mirror_keypoints", "scores")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionInput:
    """One clip's landmarks and its camera."""

    landmarks: Landmarks
    fps: float
    width: int
    height: int
    intrinsics: np.ndarray
    """(3, 3) px of the picture that the landmarks were found in."""
    source_frames: np.ndarray
    """(N,) int64: the source frame that each row shows."""


def fit_clip(item: MotionInput, config: LandmarkFitConfig, model: FitModel) -> SmplMotion:
    """Fits the whole clip. `item.landmarks.found` must hold for at least three frames."""
    landmarks = item.landmarks
    if config.repair:
        landmarks, _ = unswapped(landmarks)
    found = landmarks.found
    apart = disagreement(landmarks.world, landmarks.mirror_world)
    seen = [getattr(landmarks, name).astype(np.float64) for name in _SEEN]
    world, mirror_world, pixels, mirror_pixels, visible = (filled(values, found) for values in seen)
    focal, centre = item.intrinsics[(0, 1), (0, 1)].astype(np.float64), item.intrinsics[:2, 2].astype(np.float64)
    rays = (pixels - centre) / focal
    lifted, spread = model.lifter(frames_of(world, mirror_world, pixels, mirror_pixels, visible))
    weights_3d, weights_2d = landmark_weights(landmarks.scores, apart, spread, found)

    scale = config.stature_m / model.stature
    markers = model.markers.scaled(scale)
    world = lifted * (config.stature_m / STATURE_M)
    betas, rest_joints = _body(lifted[found], world[found], scale, config, model)

    rotmats = from_markers(world, markers, rest_joints)
    rest = torch.from_numpy(rest_joints)
    turned, joints = (
        x.numpy() for x in world_transforms(rest, torch.from_numpy(rotmats), rest.new_zeros(len(world), 3))
    )
    points = markers_of(joints, turned, markers)
    transl = placed(points, rays, weights_2d + 1e-3)
    transl = smooth_linear(transl, 0.1 * item.fps)

    evidence = Evidence(
        rest_joints=rest.float(),
        place=torch.from_numpy(markers.place),
        frame=torch.from_numpy(markers.frame),
        offsets=torch.from_numpy(markers.offsets).float(),
        world=torch.from_numpy(world).float(),
        rays=torch.from_numpy(rays).float(),
        weights_3d=torch.from_numpy(weights_3d).float(),
        weights_2d=torch.from_numpy(weights_2d).float(),
        pace=item.fps / 30,
    )
    pose = descend(start_pose(rotmats, transl), evidence, model.prior, config)
    doubt = Doubt(spread=spread, apart=apart, scores=landmarks.scores)
    return replace(_motion(pose, evidence, item, config, doubt, found), betas=betas)


def _body(
    lifted: np.ndarray, world: np.ndarray, scale: float, config: LandmarkFitConfig, model: FitModel
) -> tuple[np.ndarray, np.ndarray]:
    """Betas (10,) and rest joints (24, 3) m: of SMPL where its file is given, else of the stand-in, betas zero."""
    if model.smpl is not None:
        betas = fitted_betas(world, model.smpl, model.markers.scaled(scale), config.stature_m, config.limb_freedom)
        return betas, model.smpl.rest_joints(betas)
    at_rest = model.markers.at_rest(model.rest_joints)
    factors = limb_factors(lifted, at_rest, model.markers.index, config.limb_freedom)
    return np.zeros(10, dtype=np.float32), stretched(model.rest_joints, scale * factors)


def _motion(
    pose: Pose, evidence: Evidence, item: MotionInput, config: LandmarkFitConfig, doubt: Doubt, found: np.ndarray
) -> SmplMotion:
    raw = axis_angles(pose)
    raw = filled_rotations(raw, found)
    raw_transl = filled(pose.transl.numpy(), found).astype(np.float32)
    width = config.smooth_s * item.fps
    turns = filled_rotations(smooth_rotations(raw, width), found)
    transl = filled(smooth_linear(raw_transl, width), found).astype(np.float32)
    rest = evidence.rest_joints
    turned, joints = world_transforms(rest, axis_angle_to_matrix(torch.from_numpy(turns)), torch.from_numpy(transl))
    confidence = np.where(found, frame_confidence(doubt, _residuals(joints, turned, evidence)), 0.0)
    return SmplMotion(
        betas=np.zeros(10, dtype=np.float32),
        rest_joints=rest.numpy(),
        global_orient=turns[:, 0],
        body_pose=turns[:, 1:],
        transl=transl,
        joints=joints.numpy(),
        cam_intrinsics=item.intrinsics.astype(np.float32),
        confidence=confidence.astype(np.float32),
        valid=found.copy(),
        source_frames=item.source_frames.astype(np.int64),
        raw_global_orient=raw[:, 0],
        raw_body_pose=raw[:, 1:],
        raw_transl=raw_transl,
    )


def axis_angles(pose: Pose) -> np.ndarray:
    """(N, 24, 3) float32 of a pose; joints that the fit does not turn are zero."""
    rotmats = pose.rotmats()
    out = matrix_to_axis_angle(rotmats)
    ends = [j for j in range(1, 24) if j not in FREE_JOINTS]
    out[:, ends] = 0
    return out.numpy().astype(np.float32)


def _residuals(joints: torch.Tensor, turned: torch.Tensor, evidence: Evidence) -> np.ndarray:
    """Distance (N, 33) in m of the body's points from the rays of the image landmarks, at the person's depth."""
    points = joints[:, evidence.place] + (turned[:, evidence.frame] @ evidence.offsets[..., None])[..., 0]
    off = (points[..., :2] / points[..., 2:].clip(min=0.2) - evidence.rays) * joints[:, :1, 2:].clip(min=0.2)
    return off.norm(dim=-1).numpy()
