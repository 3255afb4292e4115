"""The annotator: frames and a track in, COCO keypoints out."""

from collections.abc import Sequence

from annotators.network import Network, load_network
from annotators.rtmlib.config import RtmlibConfig
from annotators.rtmlib.network import OnnxNetwork
from annotators.topdown import Frames, keypoints_along
from humove.stage import Reject, Rights
from humove.types import PersonTrack, Pose2D


class RtmlibPose2D:
    """RTMPose's or DWPose's keypoints along a person's track; skeleton "coco_17" or "coco_wholebody_133"."""

    name = "rtmlib"
    version = "1"
    licence = (
        "Apache-2.0 (rtmlib; RTMPose's and DWPose's published weights); the whole-body ones learned from "
        "COCO-WholeBody, whose annotations are for non-commercial research"
    )
    rights: Rights = "permissive"
    weights: tuple[str, ...] = ()
    Settings = RtmlibConfig

    def __init__(self, settings: RtmlibConfig) -> None:
        self.settings = settings
        self.network: Network = OnnxNetwork(settings)

    def load(self, device: str, network: Network | None = None) -> None:
        """Reads the file. UserError where it is missing, no RTMPose, or of another skeleton."""
        self.network = load_network(self.network, device, network)

        from annotators.rtmlib.model import OnnxPose

        self._model = OnnxPose(self.network)

    def annotate(self, batch: Sequence[tuple[Frames, PersonTrack]]) -> list[Pose2D | Reject]:
        """The keypoints of each clip; rejected (no_person) where no frame shows any."""
        return [
            keypoints_along(
                frames,
                track,
                self._model.run,
                skeleton=self._model.skeleton,
                batch_size=self.settings.batch_size,
            )
            for frames, track in batch
        ]
