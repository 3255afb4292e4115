"""Features: what a frame holds, and that motion comes back from them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from echomotion_model.motion.features import PROXY, decode_features, decode_motion, encode_features, encode_motion
from echomotion_model.motion.layout import FEATURES, GROUPS, SPLIT, TOKENS
from humove.motion.body import Body, compute_joints
from humove.motion.rotations import axis_angle_to_matrix, geodesic_angle
from humove.types import SmplMotion


def motion_of(seed: int, frames: int, reach: float = 1.0, size: float = 1.0, betas: bool = False) -> SmplMotion:
    """A person of random pose, rotations up to `reach` half turns; limbs of other lengths than the stand-in's."""
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(frames, 24, 3))
    pose = axes / np.linalg.norm(axes, axis=-1, keepdims=True) * rng.uniform(0, reach * np.pi, (frames, 24, 1))
    pose = pose.astype(np.float32)
    rest = (Body.load().rest_joints * size * rng.uniform(0.9, 1.1, (24, 3))).astype(np.float32)
    transl = rng.normal(size=(frames, 3)).astype(np.float32) + np.float32([0, 0, 4])
    arrays = {"global_orient": pose[:, 0], "body_pose": pose[:, 1:], "transl": transl}
    return SmplMotion(
        betas=rng.normal(size=10).astype(np.float32).clip(-3, 3) if betas else np.zeros(10, np.float32),
        rest_joints=rest,
        joints=compute_joints(rest, pose[:, 0], pose[:, 1:], transl),
        cam_intrinsics=np.eye(3, dtype=np.float32),
        confidence=np.ones(frames, np.float32),
        valid=np.ones(frames, bool),
        source_frames=np.arange(frames),
        **arrays,
        **{f"raw_{name}": array for name, array in arrays.items()},
    )


def turned_by(a: np.ndarray, b: np.ndarray) -> float:
    """The largest angle between two arrays of axis-angle rotations, rad."""
    matrices = [axis_angle_to_matrix(torch.from_numpy(x).double()) for x in (a, b)]
    return float(geodesic_angle(*matrices).max())


def test_a_frame_is_51_tokens_of_235_numbers() -> None:
    assert (TOKENS, FEATURES, SPLIT) == (51, 235, (75, 150, 10))
    assert [(group.tokens, group.width) for group in GROUPS] == [(25, 3), (25, 6), (1, 10)]
    assert encode_motion(motion_of(0, 7), PROXY).shape == (7, 235)


def test_tokens_are_in_the_papers_order() -> None:
    motion = motion_of(1, 3)
    position, rotation, _ = encode_motion(motion, PROXY).split(SPLIT, -1)
    assert np.array_equal(position[:, :3], motion.transl)
    assert np.array_equal(position[:, 3:].reshape(3, 24, 3), motion.joints)
    matrices = axis_angle_to_matrix(torch.from_numpy(motion.global_orient).double())
    gamma = torch.cat([matrices[..., 0], matrices[..., 1]], -1)  # the first two columns
    assert np.allclose(rotation[:, -6:], gamma, atol=1e-6)
    assert torch.equal(rotation[:, :6], rotation[:, -6:])  # theta_0 is the duplicate


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    frames=st.integers(1, 9),
    reach=st.sampled_from([0.0, 1e-4, 0.5, 1.0]),
    size=st.floats(0.4, 1.4),
    betas=st.booleans(),
)
def test_round_trip(seed: int, frames: int, reach: float, size: float, betas: bool) -> None:
    motion = motion_of(seed, frames, reach, size, betas)
    back = decode_motion(encode_motion(motion, "smpl" if betas else PROXY), motion.cam_intrinsics)
    assert turned_by(back.global_orient, motion.global_orient) < 1e-5
    assert turned_by(back.body_pose, motion.body_pose) < 1e-5
    assert np.array_equal(back.transl, motion.transl)
    assert np.allclose(back.betas, motion.betas, atol=1e-6)
    assert np.abs(back.joints - motion.joints).max() < 2e-5
    assert np.abs(back.rest_joints - motion.rest_joints).max() < 2e-5


def test_round_trip_in_a_batch_equals_one_by_one() -> None:
    clips = [motion_of(2, 5), motion_of(3, 5, betas=True)]
    names = ("global_orient", "body_pose", "transl", "joints", "betas", "rest_joints")
    stacked = {name: torch.from_numpy(np.stack([getattr(clip, name) for clip in clips])) for name in names}
    features = encode_features(**stacked, proxy=torch.tensor([True, False]))
    assert torch.equal(features[0], encode_motion(clips[0], PROXY))
    assert torch.equal(features[1], encode_motion(clips[1], "smpl"))
    both = decode_features(features)
    assert both.proxy.tolist() == [True, False]
    assert torch.allclose(both.joints[1], decode_features(features[1]).joints, atol=1e-6)


def test_the_shape_token_holds_betas_or_the_stand_ins_size() -> None:
    true = motion_of(4, 2, betas=True)
    assert np.array_equal(encode_motion(true, "smpl")[0, 225:], true.betas)
    larger = Body.load().scale(1.25)
    motion = motion_of(4, 2)
    arrays = {name: getattr(motion, name) for name in SmplMotion.__dataclass_fields__}
    shape = encode_motion(SmplMotion(**{**arrays, "rest_joints": larger.rest_joints}), PROXY)[0, 225:]
    assert shape[0] == pytest.approx(1.25, abs=1e-5)
    assert shape[1:9].abs().max() == 0 and shape[9] > 4


def test_betas_that_equal_the_flag_are_refused() -> None:
    motion = motion_of(5, 2)
    motion.betas[9] = 6
    with pytest.raises(ValueError, match="last beta"):
        encode_motion(motion, "smpl")


@pytest.mark.parametrize(("source", "size", "within"), [(PROXY, 1.1, 0.01), ("smpl", 1.0, 0.06)])
def test_noisy_features_still_give_a_rigid_body(source: str, size: float, within: float) -> None:
    motion = motion_of(6, 40, reach=0.5, size=size, betas=source != PROXY)
    arrays = {name: getattr(motion, name) for name in SmplMotion.__dataclass_fields__}
    if source == PROXY:  # the stand-in's own bones, as a fit to landmarks has them
        arrays["rest_joints"] = Body.load().scale(size).rest_joints
    arrays["joints"] = compute_joints(arrays["rest_joints"], motion.global_orient, motion.body_pose, motion.transl)
    motion = SmplMotion(**arrays)
    features = encode_motion(motion, source)
    noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(0)) * 0.02
    back = decode_features(features + noise)
    error = (back.predicted_joints - torch.from_numpy(motion.joints)).norm(dim=-1).mean()
    turned = (back.joints - torch.from_numpy(motion.joints)).norm(dim=-1).mean()
    assert turned < 2 * error
    lengths = (back.joints[:, 4] - back.joints[:, 1]).norm(dim=-1)
    assert float(lengths.max() - lengths.min()) < 1e-5
    assert torch.allclose(back.rest_joints, torch.from_numpy(motion.rest_joints), atol=within)


def test_inaccurate_predicted_joints_do_not_bend_a_stand_in_body() -> None:
    """A model that has learnt little tells joints that lie decimetres off; the size is one number, learnt soon."""
    body = Body.load().scale(1.05)
    motion = motion_of(8, 12, reach=0.5)
    arrays = {name: getattr(motion, name) for name in SmplMotion.__dataclass_fields__}
    joints = compute_joints(body.rest_joints, motion.global_orient, motion.body_pose, motion.transl)
    features = encode_motion(SmplMotion(**{**arrays, "rest_joints": body.rest_joints, "joints": joints}), PROXY)
    features[:, 3:75] += 0.15 * torch.randn(len(features), 72, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(decode_features(features).rest_joints, torch.from_numpy(body.rest_joints), atol=0.01)


def test_both_copies_of_the_root_are_averaged() -> None:
    motion = motion_of(7, 4, reach=0.3)
    one = encode_motion(motion, PROXY)
    off = axis_angle_to_matrix(torch.tensor([0.0, 0.0, 0.2])) @ axis_angle_to_matrix(
        torch.from_numpy(motion.global_orient)
    )
    two = one.clone()
    two[:, 75:81] = torch.cat([off[..., 0], off[..., 1]], -1)
    angle = turned_by(decode_features(two).global_orient.numpy(), motion.global_orient)
    assert 0.05 < angle < 0.15


def test_a_body_that_is_known_is_used() -> None:
    motion = motion_of(8, 4)
    other = torch.from_numpy(Body.load().rest_joints)
    back = decode_motion(encode_motion(motion, PROXY), motion.cam_intrinsics, other)
    assert np.array_equal(back.rest_joints, other)
    expected = compute_joints(other.numpy(), motion.global_orient, motion.body_pose, motion.transl)
    assert np.abs(back.joints - expected).max() < 2e-5
