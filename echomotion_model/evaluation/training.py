"""The clips that trained a run: baselines are theirs, and whether a clip is held out depends on them."""

from collections.abc import Collection

from echomotion_model.data.catalogue import Catalogue
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.loader import Loader
from echomotion_model.generation.trained import SamplingRun
from echomotion_model.train.motion_loader import MotionLoader
from echomotion_model.train.motions import MotionCatalogue
from humove.errors import UserError
from shards.reader import Dataset


def training_clips(dataset: Dataset, config: LoaderConfig) -> Catalogue:
    """The split that trains. UserError where the data set has none."""
    if config.split not in dataset.doc.splits:
        raise UserError(
            f"{dataset.path} has no split {config.split!r}, which the baselines come from; give the data set that "
            "trained this run with --training"
        )
    return Catalogue(dataset, config.split, config.buckets)


def seen_in_training(dataset: Dataset, split: str, clips: Collection[str]) -> int:
    """How many of the clips, by key, are in a split; keys are named by the video's content, wherever it lies."""
    wanted = set(clips)
    return sum(row["split"] == split and row["key"] in wanted for row in dataset.index_rows(["key", "split"]))


def trained_by(run: SamplingRun, dataset: Dataset) -> bool:
    """Whether the run's last position was in just these clips. A set that has grown since is another, and the first
    phase's position is that of all its sets together."""
    config = run.config
    sizes = {config.data.batch_size, config.phases.motion.batch_size}
    motions = MotionCatalogue(dataset, (), config.data)
    loaders = [MotionLoader(motions, config.data, size) for size in sizes]
    return run.state.data.get("data") in {
        each.state_dict()["data"] for each in (Loader(dataset, config.data), *loaders)
    }
