"""README.md of a data set: the data card, in Hugging Face's form, so that load_dataset on the folder finds its way.

Everything on it is counted from the set's own files; the same set gives the same card. Text from outside (names,
licences, reasons) is escaped: it can be no markup.
"""

import re
from collections import Counter
from pathlib import Path

import yaml

from humove.atomic import write_text
from shards.card_tally import NOT_STATED, CardTally, count_reasons, read_tally
from shards.documents import DatasetDoc
from shards.format import CARD_FILE, SHARDS_FOLDER
from shards.reader import Dataset, open_dataset

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MOST = 20
"""Rows of the longer tables."""

_LOADING = """\
```python
from datasets import Video, load_dataset

data = load_dataset("PATH_TO_THIS_FOLDER", split="train", streaming=True)
data = data.cast_column("mp4", Video(decode=False))   # bytes; leave this out to decode with torchcodec
```
```python
import webdataset

data = webdataset.WebDataset("shards/SHARD", shardshuffle=False).decode()
```
```python
from shards.reader import open_dataset

for sample in open_dataset("PATH_TO_THIS_FOLDER").samples("train"):
    sample.mp4, sample.motion.joints, sample.pose2d.keypoints, sample.meta["captions"]["full"]
```"""

_SAMPLE = """\
Each sample is one person in one unbroken shot; row i of every array is frame i of the mp4.

| member | holds |
|---|---|
| `.mp4` | H.264, constant frame rate, no sound |
| `.motion.npz` | SMPL motion in the camera's frame (x right, y down, z forward; metres, radians): `betas`, `rest_joints`, `global_orient`, `body_pose`, `transl`, `joints`, `cam_intrinsics`, `confidence`, `valid`, `source_frames`, and the pose before smoothing as `raw_*` |
| `.world.npz` | only where the motion's annotator knows it: the camera's path in a world with y up, `rotation` and \
`position` (a point p of the camera's frame lies at rotation p + position) and `gravity` in the camera's axes |
| `.pose2d.npz` | `keypoints` in px of the mp4, `scores`, `skeleton`, `names` |
| `.txt` | the full caption |
| `.json` | source, span, crop, captions, category, scores, camera (`cam`: focal length, who says so), annotators, \
rights |

`index.parquet` has a row for every sample, `outcomes.parquet` one for every video, shot and clip, kept or not, with \
the reason. `dataset.json` lists what belongs to the set and the sha256 of each shard."""  # noqa: E501

_WEAK_POINTS = (
    "The motion is estimated from one camera, not measured. Absolute depth and stature rest on an assumed focal length "
    "and body size; relative motion is more trustworthy than place.",
    "Twist of the forearm and upper arm, the feet, profile and back views, and left-right swaps are the usual errors. "
    "`confidence` and `valid` tell of them frame by frame; rows that are not valid are interpolated.",
    "Captions and categories say who wrote them in `captions.source` and `category.source`; what a program wrote "
    "describes the movement, and little of the person or the place.",
    "What was screened out is not a fair sample of people or places: dark, crowded, cut off and distant figures are "
    "dropped, and the share of each is in the tables above.",
)
_PROXY = (
    "Body shapes marked `shape_source: proxy` are no SMPL shapes: `betas` are zero and the bones' lengths are in "
    "`rest_joints`. Pose a body with `rest_joints`, not with `betas`."
)


def write_card(folder: Path) -> None:
    """Writes README.md of the data set in `folder`, atomically. Its dataset.json, index and shards must be there."""
    write_text(folder / CARD_FILE, render_card(open_dataset(str(folder))))


def render_card(dataset: Dataset) -> str:
    """The card: YAML for the hub, then tables for people. Nothing is written."""
    doc, tally = dataset.doc, read_tally(dataset)
    clips, length, tool = f"{len(dataset):,} clips", _duration(sum(tally.seconds.values())), escape(doc.tool_version)
    weak = [*_WEAK_POINTS, *([_PROXY] if any(source == "proxy" for _, _, source in tally.bodies) else [])]
    first = doc.shards[0].name if doc.shards else "train-000000.tar"
    return (
        "\n\n".join(
            [
                f"---\n{yaml.safe_dump(_front_matter(doc), sort_keys=False, allow_unicode=True)}---",
                "# Single-person video with SMPL motion",
                f"{clips}, {length}, made by humove {tool} "
                f"with the configuration {escape(doc.config_hash)} (in full in `dataset.json`).",
                "## Size\n\n" + _sizes(doc, tally),
                "## A sample\n\n" + _SAMPLE,
                "## Loading\n\n" + _LOADING.replace("SHARD", first),
                "## What became of the inputs\n\n" + _funnel(doc) + "\n\n" + _reasons(count_reasons(dataset)),
                "## Where it comes from\n\n" + _rights(tally),
                "## Who annotated it\n\n" + _annotators(doc, tally),
                "## Weak points\n\n" + "\n".join(f"- {line}" for line in weak),
            ]
        )
        + "\n"
    )


def escape(text: object) -> str:
    """Text that markdown shows as it is, on one line."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#!|~&$:])", r"\\\1", line)


def _front_matter(doc: DatasetDoc) -> dict:
    total = sum(row.num_samples for row in doc.shards)
    splits = list(dict.fromkeys(row.split for row in doc.shards))
    return {
        "pretty_name": "Single-person video with SMPL motion",
        "license": "other",
        "task_categories": ["text-to-video"],
        "tags": ["webdataset", "human-motion", "smpl", "video"],
        "size_categories": [next((name for limit, name in _SIZES if total < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {
                        "split": split,
                        "path": [f"{SHARDS_FOLDER}/{row.name}" for row in doc.shards if row.split == split],
                    }
                    for split in splits
                ],
            }
        ],
    }


def _duration(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    unit, size = next(((u, s) for u, s in (("hours", 3600), ("minutes", 60)) if seconds >= s), ("seconds", 1))
    return f"{seconds / size:,.1f} {unit}"


def _table(head: tuple[str, ...], rows: list[tuple]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows])


def _most(counter: Counter) -> list[tuple]:
    """The commonest entries, ties in alphabetical order, and how many more there are."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    rest = [(f"{len(ranked) - _MOST} more", sum(n for _, n in ranked[_MOST:]))] if len(ranked) > _MOST else []
    return ranked[:_MOST] + rest


def _sizes(doc: DatasetDoc, tally: CardTally) -> str:
    size = Counter()
    for row in doc.shards:
        size[row.split] += row.bytes
    rows = [
        (
            split,
            f"{tally.samples[split]:,}",
            f"{doc.splits[split].num_videos:,}",
            f"{tally.frames[split]:,}",
            _duration(tally.seconds[split]),
            f"{size[split] / 1e6:,.1f}",
        )
        for split in doc.splits
    ]
    table = _table(("split", "clips", "videos", "frames", "duration", "MB"), rows)
    return table + "\n\n" + _table(("category", "clips"), _most(tally.categories))


def _funnel(doc: DatasetDoc) -> str:
    rows = [(stage, c.inputs, c.emitted, c.rejected, c.faulted) for stage, c in doc.counts.items()]
    return _table(("stage", "inputs", "passed", "rejected", "faulted"), rows)


def _reasons(reasons: Counter) -> str:
    ranked = [(*(who if isinstance(who, tuple) else (who, "")), number) for who, number in _most(reasons)]
    return _table(("stage", "reason", "dropped"), ranked) if ranked else "Nothing was dropped."


def _rights(tally: CardTally) -> str:
    table = _table(("licence of the source, as its manifest says", "clips"), _most(tally.licences))
    return (
        f"{table}\n\nConsent is recorded for {tally.consent:,} of {sum(tally.licences.values()):,} clips. "
        "Each sample's `.json` names its source and rights; whoever uses or shares the clips must heed them."
    )


def _annotators(doc: DatasetDoc, tally: CardTally) -> str:
    rows = [
        (
            each.name,
            each.version,
            each.licence or NOT_STATED,
            ", ".join(f"{w.name} ({w.licence or NOT_STATED}, sha256 {w.sha256[:12]})" for w in each.weights) or "none",
        )
        for each in doc.annotators
    ]
    bodies = [(name, licence or NOT_STATED, source, n) for (name, licence, source), n in sorted(tally.bodies.items())]
    return "\n\n".join(
        [
            _table(("annotator", "version", "licence", "weights"), rows),
            _table(("body model", "licence", "shape source", "clips"), bodies),
            _table(("captions by", "clips"), _most(tally.sources)),
        ]
    )
