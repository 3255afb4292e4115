"""Settings of motion from result files."""

from typing import Literal

from pydantic import Field

from annotators.motion_smoothing.config import SmoothingConfig
from annotators.weights.user_files import UserWeights
from humove.config.strict import Strict


class ResultsConfig(Strict):
    """A folder of result files of a motion model's own program, by clip or by video."""

    format: Literal["camerahmr", "wham", "gvhmr", "sam3d_body"] = Field(
        "camerahmr", description="the program that wrote the files; see docs/motion-results.md"
    )
    folder: UserWeights = Field(
        UserWeights(),
        description="the folder; files are named by the clip's id, the video's id, or the video's path without suffix",
    )
    smpl: UserWeights = Field(
        UserWeights(), description="the neutral SMPL file, .npz or .pkl: its joints follow from the files' betas"
    )
    smplx: UserWeights = Field(UserWeights(), description="gvhmr: the neutral SMPL-X file, SMPLX_NEUTRAL.npz")
    smplx_to_smpl: UserWeights = Field(
        UserWeights(),
        description="gvhmr: SMPL's vertices from SMPL-X's, the smplx2smpl_sparse.pt of GVHMR's repository, or a sparse "
        "matrix that scipy saved (.npz)",
    )
    mhr_to_smpl: UserWeights = Field(
        UserWeights(), description="sam3d_body: SMPL's vertices from MHR's: mhr2smpl_mapping.npz of the MHR repository"
    )
    mhr_faces: UserWeights = Field(
        UserWeights(),
        description="sam3d_body: MHR's triangles, an .npz with `faces` (or such a .npy), level of detail 1",
    )
    smoothing: SmoothingConfig = SmoothingConfig()
