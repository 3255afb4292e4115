"""The annotator: COCO keypoints from frames and a track."""

from collections.abc import Sequence

from annotators.mmpose.config import MMPoseConfig
from annotators.mmpose.model import PoseModel, PoseNetwork
from annotators.mmpose.networks import get_network_spec
from annotators.network import Network, load_network
from annotators.topdown import detect_keypoints
from humove.stage import Reject, Rights
from humove.types import PersonTrack, Pose2D
from humove.video.frames import Frames


class MMPosePose2D:
    """RTMPose's or DWPose's keypoints along a person's track; skeleton "coco_17" or "coco_wholebody_133"."""

    name = "mmpose"
    version = "1"
    licence = (
        "Apache-2.0 (mmpose; RTMPose's and DWPose's published weights); the whole-body ones learned from "
        "COCO-WholeBody, whose annotations are for non-commercial research"
    )
    rights: Rights = "permissive"
    weights: tuple[str, ...] = ()
    Settings = MMPoseConfig

    def __init__(self, settings: MMPoseConfig) -> None:
        self.settings = settings
        self.network: Network = PoseNetwork(settings)

    def load(self, device: str, network: Network | None = None) -> None:
        """Build the network and read its weights. UserError if the file is missing or of another network."""
        self.network = load_network(self.network, device, network)
        self._model = PoseModel(self.settings, self.network)

    def annotate(self, batch: Sequence[tuple[Frames, PersonTrack]]) -> list[Pose2D | Reject]:
        """Detect the keypoints of each clip; rejected (no_person) if no frame shows any."""
        return [
            detect_keypoints(
                frames,
                track,
                self._model.run,
                skeleton=get_network_spec(self.settings.model).skeleton,
                batch_size=self.settings.batch_size,
            )
            for frames, track in batch
        ]
