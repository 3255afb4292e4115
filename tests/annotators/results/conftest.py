"""The bodies' files, and one person's motion as SMPL has it."""

from dataclasses import dataclass

import numpy as np
import pytest

from annotators.smpl.body import SmplBody
from tests.annotators.results.bodies import BodyFiles, write_bodies

FRAMES = 12


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A person who turns and lifts arms and knees, 4 m before the camera; float64."""

    betas: np.ndarray
    pose: np.ndarray
    transl: np.ndarray
    rest_joints: np.ndarray
    vertices: np.ndarray


@pytest.fixture(scope="session")
def bodies(tmp_path_factory) -> BodyFiles:
    return write_bodies(tmp_path_factory.mktemp("bodies"))


@pytest.fixture(scope="session")
def smpl(bodies: BodyFiles) -> SmplBody:
    return SmplBody.load(bodies.smpl)


@pytest.fixture(scope="session")
def truth(smpl: SmplBody) -> Truth:
    t = np.linspace(0, 1, FRAMES)
    betas = np.array([0.6, -0.4, 0.3, 0, 0.5, 0, -0.7, 0.2, 0, 0.4])
    pose = np.zeros((FRAMES, 24, 3))
    pose[:, 0] = (np.pi, 0, 0)
    pose[:, 0, 1] = 0.3 * t
    pose[:, 16, 2], pose[:, 17, 2], pose[:, 4, 0], pose[:, 3, 0] = 0.8 * t, -0.5 * t, 0.6 * t, 0.2 * t
    pose[:, 18, 1] = -0.4 * t
    transl = np.stack([0.2 * t, 0.1 + 0 * t, 4 - 0.3 * t], 1)
    posed = smpl.pose_body(betas, pose[:, 0], pose[:, 1:], transl)
    return Truth(
        betas=betas, pose=pose, transl=transl, rest_joints=smpl.compute_rest_joints(betas), vertices=posed.vertices
    )
