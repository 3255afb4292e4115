"""README.md of a data set: the data card in Hugging Face's form, so that load_dataset works on the folder.

All figures are counted from the set's own files; the same set gives the same card. External text (names, licences,
reasons) is escaped.
"""

import re
from collections import Counter
from pathlib import Path

import yaml

from humove.storage.atomic import write_text
from shards.card.tally import NOT_STATED, CardTally, count_reasons, read_tally
from shards.format import CARD_FILE, SHARDS_FOLDER
from shards.reader import Dataset, open_dataset
from shards.schemas import DatasetDoc

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MOST = 20
"""Most rows of a table."""

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

for sample in open_dataset("PATH_TO_THIS_FOLDER").iterate_samples("train"):
    sample.mp4, sample.motion.joints, sample.pose2d.keypoints, sample.meta["captions"]["full"]
```"""

_SAMPLE = """\
Each sample is one person in one unbroken shot; row i of every array is frame i of the mp4.

| member | holds |
|---|---|
| `.mp4` | H.264, constant frame rate, no sound |
| `.motion.npz` | SMPL motion in the camera's frame (x right, y down, z forward; metres, radians): `betas`, `rest_joints`, `global_orient`, `body_pose`, `transl`, `joints`, `cam_intrinsics`, `confidence`, `valid`, `source_frames`, and the pose before smoothing as `raw_*` |
| `.world.npz` | only if the motion's annotator estimates it: the camera's path in a world with y up, `rotation` and \
`position` (a point p in the camera's frame is at rotation p + position) and `gravity` in the camera's axes |
| `.pose2d.npz` | `keypoints` in px of the mp4, `scores`, `skeleton`, `names` |
| `.txt` | the full caption |
| `.json` | source, span, crop, captions, category, scores, camera (`cam`: focal length and its source), annotators, \
rights |

`index.parquet` has a row for every sample, `outcomes.parquet` one for every video, shot and clip, kept or not, with \
the reason. `dataset.json` lists what belongs to the set and the sha256 of each shard."""  # noqa: E501

_LIMITATIONS = (
    "The motion is estimated from one camera, not measured. Absolute depth and stature rest on an assumed focal length "
    "and body size; relative motion is more reliable than position.",
    "Twist of the forearm and upper arm, the feet, profile and back views, and left-right swaps are the usual errors. "
    "`confidence` and `valid` rate each frame; rows that are not valid are interpolated.",
    "The sources of captions and categories are in `captions.source` and `category.source`; captions of a program "
    "describe the movement, and little of the person or the place.",
    "The screening biases the set: dark, crowded, cut off and distant figures are dropped; the numbers are in the "
    "tables above.",
)
_PROXY = (
    "Body shapes with `shape_source: proxy` are not SMPL shapes: `betas` are zero and the bone lengths are in "
    "`rest_joints`. Pose a body with `rest_joints`, not with `betas`."
)


def write_card(folder: Path) -> None:
    """Write README.md of the data set in `folder`, atomically. Its dataset.json, index and shards must exist."""
    write_text(folder / CARD_FILE, render_card(open_dataset(str(folder))))


def render_card(dataset: Dataset) -> str:
    """Render the card: YAML for the hub, then tables."""
    doc, tally = dataset.doc, read_tally(dataset)
    duration = _format_duration(sum(tally.seconds.values()))
    limitations = [*_LIMITATIONS, *([_PROXY] if any(source == "proxy" for _, _, source in tally.bodies) else [])]
    first = doc.shards[0].name if doc.shards else "train-000000.tar"
    return (
        "\n\n".join(
            [
                f"---\n{yaml.safe_dump(_make_front_matter(doc), sort_keys=False, allow_unicode=True)}---",
                "# Single-person video with SMPL motion",
                f"{len(dataset):,} clips, {duration}, made by humove {escape_markdown(doc.tool_version)} "
                f"with the configuration {escape_markdown(doc.config_hash)} (in full in `dataset.json`).",
                "## Size\n\n" + _format_sizes(doc, tally),
                "## A sample\n\n" + _SAMPLE,
                "## Loading\n\n" + _LOADING.replace("SHARD", first),
                "## Outcomes\n\n" + _format_funnel(doc) + "\n\n" + _format_reasons(count_reasons(dataset)),
                "## Sources and rights\n\n" + _format_rights(tally),
                "## Annotators\n\n" + _format_annotators(doc, tally),
                "## Limitations\n\n" + "\n".join(f"- {line}" for line in limitations),
            ]
        )
        + "\n"
    )


def escape_markdown(text: object) -> str:
    """Escape a text for Markdown, on one line."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#!|~&$:])", r"\\\1", line)


def _make_front_matter(doc: DatasetDoc) -> dict:
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


def _format_duration(seconds: float) -> str:
    """Format a duration in a suitable unit."""
    unit, size = next(((u, s) for u, s in (("hours", 3600), ("minutes", 60)) if seconds >= s), ("seconds", 1))
    return f"{seconds / size:,.1f} {unit}"


def _format_table(head: tuple[str, ...], rows: list[tuple]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(escape_markdown(cell) for cell in row) + " |" for row in rows])


def _select_largest(counter: Counter) -> list[tuple]:
    """Select the largest entries, ties in alphabetical order, and a row for the rest."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    rest = [(f"{len(ranked) - _MOST} more", sum(n for _, n in ranked[_MOST:]))] if len(ranked) > _MOST else []
    return ranked[:_MOST] + rest


def _format_sizes(doc: DatasetDoc, tally: CardTally) -> str:
    size = Counter()
    for row in doc.shards:
        size[row.split] += row.bytes
    rows = [
        (
            split,
            f"{tally.samples[split]:,}",
            f"{doc.splits[split].num_videos:,}",
            f"{tally.frames[split]:,}",
            _format_duration(tally.seconds[split]),
            f"{size[split] / 1e6:,.1f}",
        )
        for split in doc.splits
    ]
    table = _format_table(("split", "clips", "videos", "frames", "duration", "MB"), rows)
    return table + "\n\n" + _format_table(("category", "clips"), _select_largest(tally.categories))


def _format_funnel(doc: DatasetDoc) -> str:
    rows = [(stage, c.inputs, c.emitted, c.rejected, c.faulted) for stage, c in doc.counts.items()]
    return _format_table(("stage", "inputs", "passed", "rejected", "faulted"), rows)


def _format_reasons(reasons: Counter) -> str:
    ranked = [(*(who if isinstance(who, tuple) else (who, "")), number) for who, number in _select_largest(reasons)]
    return _format_table(("stage", "reason", "dropped"), ranked) if ranked else "Nothing was dropped."


def _format_rights(tally: CardTally) -> str:
    table = _format_table(("licence of the source, from the manifest", "clips"), _select_largest(tally.licences))
    return (
        f"{table}\n\nConsent is recorded for {tally.consent:,} of {sum(tally.licences.values()):,} clips. "
        "Each sample's `.json` names its source and rights; respect them when you use or share the clips."
    )


def _format_annotators(doc: DatasetDoc, tally: CardTally) -> str:
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
            _format_table(("annotator", "version", "licence", "weights"), rows),
            _format_table(("body model", "licence", "shape source", "clips"), bodies),
            _format_table(("captions by", "clips"), _select_largest(tally.sources)),
        ]
    )
