"""Each kind of damage is found, and named."""

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humove.errors import UserError
from humove.types import Sample
from shards.format import parse_transitions, transitions_detail
from shards.index import Outcome, OutcomesWriter, read_outcomes
from shards.verify import verify

TRAIN = "train-000000.tar"


def lines(folder: Path, **options: object) -> list[str]:
    return [str(defect) for defect in verify(str(folder), **options)]


def test_a_sound_set_has_no_defect(built: Path):
    heard, notes = [], []
    assert lines(built, progress=lambda *at: heard.append(at), on_note=notes.append) == []
    assert heard == [(2, 4), (3, 4), (4, 4)]
    assert notes == []


def test_workers_find_the_same(damaged: Path, make: SimpleNamespace):
    make.retar(damaged, TRAIN, lambda entries: entries[1:])
    alone = lines(damaged)
    assert alone and lines(damaged, workers=2) == alone


def test_no_dataset(tmp_path: Path):
    with pytest.raises(UserError, match="holds no dataset.json"):
        verify(str(tmp_path))


def test_a_later_schema_is_refused(damaged: Path, make: SimpleNamespace):
    make.redoc(damaged, lambda doc: doc.update(schema_version=2))
    with pytest.raises(UserError, match=r"schema_version.*upgrade"):
        verify(str(damaged))


# --- damage to the files -------------------------------------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def swap(entries: list, a: int, b: int) -> list:
    entries[a], entries[b] = entries[b], entries[a]
    return entries


def head(entries: list, **fields: object) -> list:
    for name, value in fields.items():
        setattr(entries[0][0], name, value)
    return entries


def rejson(entries: list, edit: Callable[[dict], None]) -> list:
    entry, raw = entries[4]
    meta = json.loads(raw)
    edit(meta)
    entries[4] = (entry, json.dumps(meta).encode())
    return entries


def outside(folder: Path) -> None:
    shard = folder / "shards" / TRAIN
    elsewhere = folder.parent / "elsewhere.tar"
    os.replace(shard, elsewhere)
    shard.symlink_to(elsewhere)


FILES = {
    "flipped byte": (lambda f, m: flip(f / "shards" / TRAIN, 5000), "sha256 differs"),
    "flipped byte in a header": (lambda f, m: flip(f / "shards" / TRAIN, 3), "is no whole tar"),
    "shard cut short": (lambda f, m: os.truncate(f / "shards" / TRAIN, 4000), "is cut short"),
    "shard missing": (lambda f, m: (f / "shards" / TRAIN).unlink(), f"{TRAIN}: is missing"),
    "shard leads outside": (lambda f, m: outside(f), "leads out of the data set"),
    "member missing": (lambda f, m: m.retar(f, TRAIN, lambda e: e[:3] + e[4:]), "has the members ['mp4', 'motion.npz'"),
    "member twice": (lambda f, m: m.retar(f, TRAIN, lambda e: [*e[:5], e[4], *e[5:]]), "'json', 'json']"),
    "strange member": (lambda f, m: m.retar(f, TRAIN, lambda e: head(e, name="../evil.mp4")), "is no sample key"),
    "members out of order": (lambda f, m: m.retar(f, TRAIN, lambda e: swap(e, 0, 1)), "in this order"),
    "keys out of order": (lambda f, m: m.retar(f, TRAIN, lambda e: e[5:] + e[:5]), "not in key order"),
    "mtime": (lambda f, m: m.retar(f, TRAIN, lambda e: head(e, mtime=7)), "has {'mtime': 7}"),
    "owner": (lambda f, m: m.retar(f, TRAIN, lambda e: head(e, uid=7, gid=8)), "'uid': 7, 'gid': 8"),
    "mode": (lambda f, m: m.retar(f, TRAIN, lambda e: head(e, mode=0o600)), "has {'mode': 384}"),
    "link in the tar": (lambda f, m: m.retar(f, TRAIN, lambda e: head(e, type=tarfile.SYMTYPE)), "is no plain file"),
    "json no JSON": (
        lambda f, m: m.retar(f, TRAIN, lambda e: [*e[:4], (e[4][0], b"{"), *e[5:]]),
        "json does not parse",
    ),
    "json field gone": (lambda f, m: m.retar(f, TRAIN, lambda e: rejson(e, lambda j: j.pop("rights"))), "json rights"),
    "json field added": (lambda f, m: m.retar(f, TRAIN, lambda e: rejson(e, lambda j: j.update(x=1))), "json x: Extra"),
    "json of another": (
        lambda f, m: m.retar(f, TRAIN, lambda e: rejson(e, lambda j: j.update(shot_index=9))),
        "key, video",
    ),
    "no npz": (
        lambda f, m: m.retar(f, TRAIN, lambda e: [e[0], (e[1][0], b"PK"), *e[2:]]),
        "does not load without pickle",
    ),
    "caption differs": (lambda f, m: m.retar(f, TRAIN, lambda e: [*e[:3], (e[3][0], b"no"), *e[4:]]), "txt differs"),
    "offset": (lambda f, m: reindex(f, "mp4_offset", 513), "mp4_offset is 513, the shard has 512"),
    "index caption": (lambda f, m: reindex(f, "caption", "other"), "caption is 'other'"),
    "index score": (lambda f, m: reindex(f, "sharpness", 0.25), "sharpness is 0.25, the shard has 0.5"),
    "index row missing": (lambda f, m: reindex(f, None), "has no row"),
    "index row extra": (lambda f, m: reindex(f, "key", "d" * 16 + "-s0000-c0000-p00"), "stands in no shard"),
    "index column missing": (lambda f, m: drop_column(f, "fps"), "lacks the column fps"),
    "index gone": (lambda f, m: (f / "index.parquet").unlink(), "index.parquet is missing"),
    "index no parquet": (
        lambda f, m: (f / "index.parquet").write_bytes(b"x" * 99),
        "index.parquet: is no parquet file",
    ),
    "outcomes gone": (lambda f, m: (f / "outcomes.parquet").unlink(), "outcomes.parquet is missing"),
    "card gone": (lambda f, m: (f / "README.md").unlink(), "README.md is missing"),
    "card of another set": (lambda f, m: recard(f, "train-000001", "train-000007"), "data_files are not the shards"),
    "card without YAML": (lambda f, m: (f / "README.md").write_text("# Mine"), "its YAML names no data_files"),
    "counts law": (
        lambda f, m: m.redoc(f, lambda d: d["counts"]["split"].update(emitted=2)),
        "stage split loses inputs: 3 !=",
    ),
    "rejects miscounted": (
        lambda f, m: m.redoc(f, lambda d: d["counts"]["probe"].update(emitted=4, rejected=0)),
        "stage probe counts 0 rejected, outcomes.parquet has 1",
    ),
    "stage uncounted": (lambda f, m: m.redoc(f, lambda d: d["counts"].pop("probe")), "has no counts of stage probe"),
    "inputs vanished": (
        lambda f, m: m.redoc(f, lambda d: d["batches"][0].update(num_inputs=9)),
        "took 9 inputs, 4 videos",
    ),
    "batch without shard": (lambda f, m: m.redoc(f, lambda d: d["batches"][0].update(shards=[])), "its batches hold"),
    "split miscounted": (
        lambda f, m: m.redoc(f, lambda d: d["splits"]["val"].update(num_videos=3)),
        "split val counts (1, 3)",
    ),
    "samples miscounted": (
        lambda f, m: m.redoc(f, lambda d: d["shards"][0].update(num_samples=3)),
        "holds 2 samples, dataset.json says 3",
    ),
    "configuration of another": (lambda f, m: m.redoc(f, lambda d: d.update(config_hash="f" * 16)), "config_hash"),
}


def recard(folder: Path, old: str, new: str) -> None:
    card = folder / "README.md"
    card.write_text(card.read_text().replace(old, new))


def reindex(folder: Path, column: str | None, value: object = None) -> None:
    """Changes a value in the index's first row, or drops the row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "index.parquet")
    rows = table.to_pylist()
    if column is None:
        rows = rows[1:]
    else:
        rows[0][column] = value
    pq.write_table(pa.Table.from_pylist(rows, table.schema), folder / "index.parquet")


def drop_column(folder: Path, column: str) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "index.parquet")
    pq.write_table(table.drop_columns([column]), folder / "index.parquet")


@pytest.mark.parametrize("case", FILES)
def test_damaged_files_are_found(case: str, damaged: Path, make: SimpleNamespace):
    damage, said = FILES[case]
    damage(damaged, make)
    found = lines(damaged, deep=False)
    assert [line for line in found if said in line], found
    assert all("\n" not in line for line in found)


def test_unlisted_files_are_notes_not_defects(damaged: Path):
    (damaged / "shards" / "train-000009.tar").write_bytes(b"left behind")
    (damaged / "old.parquet").write_bytes(b"")
    notes: list[str] = []
    assert lines(damaged, on_note=notes.append) == []
    assert [note.partition(":")[0] for note in notes] == ["old.parquet", "shards/train-000009.tar"]


@given(where=st.sampled_from(("shards/" + TRAIN, "index.parquet", "outcomes.parquet")), data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_damage_stops_it(
    where: str, data: st.DataObject, built: Path, make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
):
    folder = Path(shutil.copytree(built, tmp_path_factory.mktemp("damaged") / "set"))
    raw = bytearray((folder / where).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / where).write_bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))])
    if where.endswith(".tar"):
        assert lines(folder)
        make.agree(folder, TRAIN)
    lines(folder)  # must not raise: a set that agrees with itself may also be sound


# --- samples that break the format, packed as they are ---------------------------------------------------------------


def with_motion(sample: Sample, **arrays: np.ndarray) -> Sample:
    return replace(sample, motion=replace(sample.motion, **arrays))


def with_pose(sample: Sample, **arrays: object) -> Sample:
    return replace(sample, pose2d=replace(sample.pose2d, **arrays))


def with_meta(sample: Sample, **fields: object) -> Sample:
    return replace(sample, meta={**sample.meta, **fields})


def spoilt(array: np.ndarray, at: object, value: object) -> np.ndarray:
    out = array.copy()
    out[at] = value
    return out


SAMPLES: dict[str, tuple[Callable[[Sample, SimpleNamespace], Sample], str]] = {
    "NaN": (
        lambda s, m: with_motion(s, transl=spoilt(s.motion.transl, (3, 1), np.nan)),
        "transl holds values that are not",
    ),
    "joints off": (lambda s, m: with_motion(s, joints=spoilt(s.motion.joints, (3, 5, 0), 9.0)), "joints are not FK"),
    "joints off a little": (
        lambda s, m: with_motion(s, joints=s.motion.joints + np.float32(0.002)),
        "joints are not FK(rest_joints, pose, transl): off by 2.0 mm",
    ),
    "rows missing": (
        lambda s, m: with_motion(s, **{n: getattr(m.motion(19, 0, 1), n) for n in ROWS}),
        "wanted <f4 (20, 3)",
    ),
    "confidence above 1": (lambda s, m: with_motion(s, confidence=s.motion.confidence + 1), "confidence lies outside"),
    "confidence where not valid": (
        lambda s, m: with_motion(s, confidence=np.full(20, 0.5, np.float32)),
        "confidence is above 0 on frames that are not valid",
    ),
    "mostly not valid": (
        lambda s, m: with_motion(s, valid=np.arange(20) < 3, confidence=np.zeros(20, np.float32)),
        "only 15% of the frames are valid",
    ),
    "frames backwards": (lambda s, m: with_motion(s, source_frames=s.motion.source_frames[::-1]), "run backwards"),
    "frames outside": (
        lambda s, m: with_motion(s, source_frames=s.motion.source_frames + 3),
        "outside the span [0, 20)",
    ),
    "millimetres": (
        lambda s, m: with_motion(s, rest_joints=s.motion.rest_joints * 1000, joints=s.motion.joints * 1000),
        "not metres",
    ),
    "frozen": (lambda s, m: with_motion(s, body_pose=s.motion.body_pose[:1].repeat(20, 0)), "the pose never changes"),
    "raw not kept": (lambda s, m: with_motion(s, raw_body_pose=s.motion.body_pose), "raw_body_pose equals body_pose"),
    "behind the camera": (lambda s, m: moved(s, (0, 0, -9)), "behind the camera"),
    "out of view": (lambda s, m: moved(s, (5, 0, 0)), "of the joints project into the picture"),
    "off the keypoints": (lambda s, m: moved(s, (0.5, 0, 0)), "of the person's size off the keypoints"),
    "keypoint NaN": (
        lambda s, m: with_pose(s, keypoints=spoilt(s.pose2d.keypoints, (0, 0), np.nan)),
        "pose2d.npz holds",
    ),
    "keypoint score": (lambda s, m: with_pose(s, scores=s.pose2d.scores + 1), "scores lie outside 0..1"),
    "keypoint rows": (
        lambda s, m: with_pose(s, keypoints=s.pose2d.keypoints[1:], scores=s.pose2d.scores[1:]),
        "for 20 frames",
    ),
    "keypoint names": (
        lambda s, m: with_pose(s, names=tuple(n.replace("left_hip", "lhip") for n in s.pose2d.names)),
        "names lack ['left_hip']",
    ),
    "nothing seen": (lambda s, m: with_pose(s, scores=s.pose2d.scores * 0), "hardly any keypoint"),
    "frames missing": (lambda s, m: replace(s, mp4=m.mp4(18, Fraction(25))), "decodes to 18 frames, json says 20"),
    "other rate": (lambda s, m: replace(s, mp4=m.mp4(20, Fraction(30))), "is not 25 frames per second"),
    "other codec": (lambda s, m: replace(s, mp4=m.mp4(20, Fraction(25), codec="mpeg4")), "mp4 is mpeg4/yuv420p"),
    "pixels not square": (
        lambda s, m: replace(s, mp4=m.mp4(20, Fraction(25), sample_aspect_ratio=Fraction(4, 3))),
        "not square: 4/3",
    ),
    "no video at all": (lambda s, m: replace(s, mp4=b"no mp4"), "mp4 does not decode"),
    "json size": (lambda s, m: with_meta(s, width=320, height=240), "mp4 is 160x192, json says 320x240"),
    "too many frames a second": (lambda s, m: with_meta(s, fps="120/1"), "more than 60"),
    "empty crop": (lambda s, m: with_meta(s, crop_xyxy=[5.0, 5.0, 5.0, 9.0]), "is empty"),
    "span of another": (
        lambda s, m: with_meta(s, span={"start_frame": 0, "end_frame": 21, "start_s": 0.0, "end_s": 0.84}),
        "spans (0, 20), its json says (0, 21)",
    ),
}
ROWS = (
    "global_orient", "body_pose", "transl", "joints", "confidence", "valid", "source_frames",
    "raw_global_orient", "raw_body_pose", "raw_transl",
)  # fmt: skip


def moved(sample: Sample, by: tuple[float, float, float]) -> Sample:
    shift = np.array(by, np.float32)
    return with_motion(sample, transl=sample.motion.transl + shift, joints=sample.motion.joints + shift)


@pytest.mark.parametrize("case", SAMPLES)
def test_samples_that_break_the_format_are_found(
    case: str, samples: list[Sample], make: SimpleNamespace, tmp_path: Path
):
    break_it, said = SAMPLES[case]
    make.dataset(tmp_path, [break_it(samples[0], make), *samples[1:]], make.outcomes(samples))
    found = lines(tmp_path)
    assert [line for line in found if said in line and samples[0].key in line], found
    assert all(samples[0].key in line for line in found), "another sample was blamed"


# --- outcomes that break the laws ------------------------------------------------------------------------------------


def rows_with(rows: list[Outcome], unit: str, **changes: object) -> list[Outcome]:
    """The first row of the unit, changed."""
    at = next(i for i, row in enumerate(rows) if row.unit == unit)
    return [*rows[:at], replace(rows[at], **changes), *rows[at + 1 :]]


def without(rows: list[Outcome], unit: str) -> list[Outcome]:
    at = next(i for i, row in enumerate(rows) if row.unit == unit)
    return rows[:at] + rows[at + 1 :]


OUTCOMES: dict[str, tuple[Callable[[list[Outcome]], list[Outcome]], str]] = {
    "shots overlap": (lambda r: rows_with(r, "shot", end_frame=30), "overlaps what ends at 30"),
    "gap that is no fade": (lambda r: rows_with(r, "shot", end_frame=18), "the frames [18, 24) belong to no shot"),
    "shot missing": (lambda r: without(r, "shot"), "the frames [0, 24) belong to no shot"),
    "shots end late": (lambda r: rows_with(r, "video", end_frame=40), "its shots end at 44, the video at 40"),
    "shots end early": (lambda r: rows_with(r, "video", end_frame=50), "the frames [44, 50) belong to no shot"),
    "clip in no shot": (
        lambda r: [*r, replace(r[2], outcome="split", start_frame=10, end_frame=30)],
        "the clip [10, 30) lies in no one of its shots",
    ),
    "long gap, fades not named": (
        lambda r: rows_with(rows_with(r, "video", detail="", end_frame=440, end_s=17.6), "shot"),
        "the frames [44, 440) belong to no shot: too long for a fade",
    ),
    "kept clip without sample": (
        lambda r: [*r, replace(r[2], clip_id="a" * 16 + "-s0000-c0001-p00")],
        "is kept, but no shard holds it",
    ),
    "sample not kept": (lambda r: rows_with(r, "clip", outcome="rejected", reason="blurry"), "no clip was kept under"),
    "kept twice": (lambda r: [*r, r[2]], "is kept twice"),
    "video without row": (lambda r: without(r, "video"), "no row of its own"),
    "empty span": (lambda r: rows_with(r, "clip", end_frame=0), "has the span 0 to 0"),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_outcomes_that_break_the_laws_are_found(case: str, damaged: Path):
    edit, said = OUTCOMES[case]
    rewrite_outcomes(damaged, edit)
    found = lines(damaged, deep=False)
    assert [line for line in found if said in line], found


def rewrite_outcomes(folder: Path, edit: Callable[[list[Outcome]], list[Outcome]]) -> None:
    rows = edit(list(read_outcomes(folder / "outcomes.parquet")))
    with OutcomesWriter(folder / "outcomes.parquet") as table:
        for row in rows:
            table.add(row)


def test_a_short_gap_may_be_a_fade_where_fades_are_not_named(damaged: Path):
    rewrite_outcomes(damaged, lambda rows: rows_with(rows, "video", detail=""))
    assert lines(damaged, deep=False) == []


def test_a_video_in_two_splits_is_found(make: SimpleNamespace, tmp_path: Path):
    samples = make.samples()
    samples = [replace(samples[0], split="val"), *samples[1:]]
    make.dataset(tmp_path, samples, make.outcomes(samples))
    assert [line for line in lines(tmp_path) if "lies in the splits train and val" in line]


@pytest.mark.parametrize("spans", [[], [(20, 24)], [(0, 7), (100, 131)]])
def test_fades_in_an_outcome_s_detail_read_back(spans: list[tuple[int, int]]):
    assert parse_transitions(transitions_detail(spans)) == spans
    assert parse_transitions("rotated by 90") is None
