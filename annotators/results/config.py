"""Settings of motion that is read from files."""

from typing import Literal

from pydantic import Field

from annotators.motion_smoothing.config import SmoothingConfig
from annotators.user_weights import UserWeights
from humove.config import Strict


class ResultsConfig(Strict):
    """A folder of files that a motion model's own program wrote, by clip or by video."""

    format: Literal["camerahmr", "wham", "gvhmr", "sam3d_body"] = Field(
        "camerahmr", description="whose files they are; see docs/motion-results.md"
    )
    folder: UserWeights = Field(
        UserWeights(),
        description="where they lie, named after the clip's id, the video's id, or the video's path without its ending",
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
