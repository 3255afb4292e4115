"""The annotator: COCO keypoints from frames and a track."""

from collections.abc import Sequence

from annotators.network import Network, load_network
from annotators.rtmlib.config import RtmlibConfig
from annotators.rtmlib.network import OnnxNetwork
from annotators.topdown import detect_keypoints
from humove.stage import Reject, Rights
from humove.types import PersonTrack, Pose2D
from humove.video.frames import Frames


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
        """Read the file. UserError if it is missing, no RTMPose, or of another skeleton."""
        self.network = load_network(self.network, device, network)

        from annotators.rtmlib.model import OnnxPose

        self._model = OnnxPose(self.network)

    def annotate(self, batch: Sequence[tuple[Frames, PersonTrack]]) -> list[Pose2D | Reject]:
        """Detect the keypoints of each clip; rejected (no_person) if no frame shows any."""
        return [
            detect_keypoints(
                frames,
                track,
                self._model.run,
                skeleton=self._model.skeleton,
                batch_size=self.settings.batch_size,
            )
            for frames, track in batch
        ]
