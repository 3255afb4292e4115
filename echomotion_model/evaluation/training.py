"""The training clips of a run, for baselines and to check whether a clip is held out."""

from collections.abc import Collection

from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.loader import Loader
from echomotion_model.generation.sampling_run import SamplingRun
from echomotion_model.train.inputs.motion_loader import MotionLoader
from echomotion_model.train.inputs.motions import MotionIndex
from humove.errors import UserError
from shards.reader import Dataset


def index_training_clips(dataset: Dataset, config: LoaderConfig) -> SampleIndex:
    """Index the training split. UserError if the data set lacks it."""
    if config.split not in dataset.doc.splits:
        raise UserError(
            f"{dataset.path} has no split {config.split!r}, which the baselines need; give this run's training "
            "data set with --training"
        )
    return SampleIndex(dataset, config.split, config.buckets)


def count_training_clips(dataset: Dataset, split: str, clips: Collection[str]) -> int:
    """Count the clips, by key, that are in a split; keys depend on the video's content, not its location."""
    wanted = set(clips)
    return sum(row["split"] == split and row["key"] in wanted for row in dataset.iterate_index_rows(["key", "split"]))


def was_trained_on(run: SamplingRun, dataset: Dataset) -> bool:
    """Return whether the run's last loader position was in exactly these clips. A set that has grown since differs, and
    the first phase's position is that of all its sets together."""
    config = run.config
    sizes = {config.data.batch_size, config.phases.motion.batch_size}
    motions = MotionIndex(dataset, (), config.data)
    loaders = [MotionLoader(motions, config.data, size) for size in sizes]
    return run.state.data.get("data") in {
        each.state_dict()["data"] for each in (Loader(dataset, config.data), *loaders)
    }
