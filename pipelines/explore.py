"""What `humove view` shows of a path: a finished data set, a build that is going on, a training run."""

from pathlib import Path

from starlette.applications import Starlette

from humove.errors import UserError
from pipelines.ledger import Ledger
from pipelines.preview import LedgerMedia, ledger_media
from pipelines.snapshot import plan_of, snapshot
from shards.clips import read_clips
from shards.explorer.app import make_app
from shards.explorer.media import ShardMedia
from shards.explorer.runs import METRICS_FILE
from shards.format import DATASET_FILE, LEDGER_FOLDER, MARKS_FILE, SELECTIONS_FOLDER
from shards.reader import open_dataset


def explorer(path: Path, scratch: Path) -> Starlette:
    """The explorer of `path`; `scratch` takes the videos of dropped clips that somebody looks at.

    UserError where the path holds nothing that can be shown.
    """
    said = {"marks": path / MARKS_FILE, "selections": path / SELECTIONS_FOLDER}
    if (path / DATASET_FILE).is_file():
        dataset = open_dataset(str(path))
        clips = read_clips(dataset)
        media = [ShardMedia(dataset), ledger_media(dataset, clips, scratch)]
        return make_app(dataset=dataset, clips=clips, media=[m for m in media if m is not None], **said)
    if (path / METRICS_FILE).is_file():
        return make_app(run=path)
    if not Ledger(path / LEDGER_FOLDER).batch_numbers():
        raise UserError(f"{path}: holds no data set, no build that has begun and no training run; give one's folder")
    plan = plan_of(path)
    clips = snapshot(plan, scratch)
    return make_app(clips=clips, media=[LedgerMedia(plan, clips, scratch)], building=True, **said)
