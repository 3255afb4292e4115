"""One clip from landmarks to motion: repair, size, start, fit, smoothing, confidence."""

from dataclasses import replace

import numpy as np
import torch

from annotators.landmark_fit.confidence import FrameUncertainty, compute_frame_confidence, measure_disagreement
from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.lift import STATURE_M, make_lifter_input
from annotators.landmark_fit.model import FitModel
from annotators.landmark_fit.motion_input import MotionInput
from annotators.landmark_fit.prior import FREE_JOINTS
from annotators.landmark_fit.repair import undo_swaps
from annotators.landmark_fit.size import compute_limb_factors, fit_translation, place_markers, scale_bones
from annotators.landmark_fit.solver.energy import FitTargets, Pose
from annotators.landmark_fit.solver.fit import make_start_pose, minimise_energy
from annotators.landmark_fit.solver.ik import solve_from_markers
from annotators.landmark_fit.solver.shape import fit_betas
from annotators.landmark_fit.solver.smooth import smooth_linear, smooth_rotations
from annotators.landmark_fit.weights import compute_landmark_weights
from annotators.motion_smoothing.gaps import fill_gaps, fill_rotation_gaps
from humove.motion.body import compute_world_transforms
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from humove.types import SmplMotion

_OBSERVED = ("world", "mirror_world", "keypoints", "mirror_keypoints", "scores")


def fit_clip(item: MotionInput, config: LandmarkFitConfig, model: FitModel) -> SmplMotion:
    """Fit the whole clip. `item.landmarks.found` must hold for at least three frames."""
    landmarks = item.landmarks
    if config.repair:
        landmarks, _ = undo_swaps(landmarks)
    found = landmarks.found
    apart = measure_disagreement(landmarks.world, landmarks.mirror_world)
    observed = [getattr(landmarks, name).astype(np.float64) for name in _OBSERVED]
    world, mirror_world, pixels, mirror_pixels, visible = (fill_gaps(values, found) for values in observed)
    focal, centre = item.intrinsics[(0, 1), (0, 1)].astype(np.float64), item.intrinsics[:2, 2].astype(np.float64)
    rays = (pixels - centre) / focal
    lifted, spread = model.lifter(make_lifter_input(world, mirror_world, pixels, mirror_pixels, visible))
    weights_3d, weights_2d = compute_landmark_weights(landmarks.scores, apart, spread, found)

    scale = config.stature_m / model.stature
    markers = model.markers.scale_by(scale)
    world = lifted * (config.stature_m / STATURE_M)
    betas, rest_joints = _fit_body(lifted[found], world[found], scale, config, model)

    rotmats = solve_from_markers(world, markers, rest_joints)
    rest = torch.from_numpy(rest_joints)
    turned, joints = (
        x.numpy() for x in compute_world_transforms(rest, torch.from_numpy(rotmats), rest.new_zeros(len(world), 3))
    )
    points = place_markers(joints, turned, markers)
    transl = fit_translation(points, rays, weights_2d + 1e-3)
    transl = smooth_linear(transl, 0.1 * item.fps)

    targets = FitTargets(
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
    pose = minimise_energy(make_start_pose(rotmats, transl), targets, model.prior, config)
    uncertainty = FrameUncertainty(spread=spread, apart=apart, scores=landmarks.scores)
    return replace(_build_motion(pose, targets, item, config, uncertainty, found), betas=betas)


def _fit_body(
    lifted: np.ndarray, world: np.ndarray, scale: float, config: LandmarkFitConfig, model: FitModel
) -> tuple[np.ndarray, np.ndarray]:
    """Fit betas (10,) and rest joints (24, 3) m: of SMPL if its file is given, else of the stand-in, betas zero."""
    if model.smpl is not None:
        betas = fit_betas(world, model.smpl, model.markers.scale_by(scale), config.stature_m, config.limb_freedom)
        return betas, model.smpl.compute_rest_joints(betas)
    at_rest = model.markers.place_at_rest(model.rest_joints)
    factors = compute_limb_factors(lifted, at_rest, model.markers.index, config.limb_freedom)
    return np.zeros(10, dtype=np.float32), scale_bones(model.rest_joints, scale * factors)


def _build_motion(
    pose: Pose,
    targets: FitTargets,
    item: MotionInput,
    config: LandmarkFitConfig,
    uncertainty: FrameUncertainty,
    found: np.ndarray,
) -> SmplMotion:
    raw = extract_axis_angles(pose)
    raw = fill_rotation_gaps(raw, found)
    raw_transl = fill_gaps(pose.transl.numpy(), found).astype(np.float32)
    width = config.smooth_s * item.fps
    turns = fill_rotation_gaps(smooth_rotations(raw, width), found)
    transl = fill_gaps(smooth_linear(raw_transl, width), found).astype(np.float32)
    rest = targets.rest_joints
    turned, joints = compute_world_transforms(
        rest, axis_angle_to_matrix(torch.from_numpy(turns)), torch.from_numpy(transl)
    )
    confidence = np.where(
        found, compute_frame_confidence(uncertainty, _compute_residuals(joints, turned, targets)), 0.0
    )
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


def extract_axis_angles(pose: Pose) -> np.ndarray:
    """Extract a pose's axis-angles (N, 24, 3) float32; joints that the fit does not rotate are zero."""
    rotmats = pose.compute_rotmats()
    out = matrix_to_axis_angle(rotmats)
    ends = [j for j in range(1, 24) if j not in FREE_JOINTS]
    out[:, ends] = 0
    return out.numpy().astype(np.float32)


def _compute_residuals(joints: torch.Tensor, turned: torch.Tensor, targets: FitTargets) -> np.ndarray:
    """Compute the distances (N, 33) m of the body's points from the image landmarks' rays, at the person's depth."""
    points = joints[:, targets.place] + (turned[:, targets.frame] @ targets.offsets[..., None])[..., 0]
    off = (points[..., :2] / points[..., 2:].clip(min=0.2) - targets.rays) * joints[:, :1, 2:].clip(min=0.2)
    return off.norm(dim=-1).numpy()
