"""Each kind of damage is found and named."""

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
from shards.format import format_transitions, parse_transitions
from shards.index import Outcome, OutcomesWriter, read_outcomes
from shards.verify import verify

TRAIN = "train-000000.tar"


def list_defects(folder: Path, **options: object) -> list[str]:
    return [str(defect) for defect in verify(str(folder), **options)]


def test_a_sound_set_has_no_defect(built: Path):
    calls, notes = [], []
    assert list_defects(built, progress=lambda *at: calls.append(at), on_note=notes.append) == []
    assert calls == [(2, 4), (3, 4), (4, 4)]
    assert notes == []


def test_workers_find_the_same(damaged: Path, make: SimpleNamespace):
    make.edit_shard(damaged, TRAIN, lambda entries: entries[1:])
    alone = list_defects(damaged)
    assert alone and list_defects(damaged, workers=2) == alone


def test_no_dataset(tmp_path: Path):
    with pytest.raises(UserError, match="holds no dataset.json"):
        verify(str(tmp_path))


def test_a_later_schema_is_refused(damaged: Path, make: SimpleNamespace):
    make.edit_doc(damaged, lambda doc: doc.update(schema_version=2))
    with pytest.raises(UserError, match=r"schema_version.*upgrade"):
        verify(str(damaged))


# --- damage to the files -------------------------------------------------------------------------------------------


def flip_bit(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def swap_entries(entries: list, a: int, b: int) -> list:
    entries[a], entries[b] = entries[b], entries[a]
    return entries


def set_head(entries: list, **fields: object) -> list:
    for name, value in fields.items():
        setattr(entries[0][0], name, value)
    return entries


def edit_json(entries: list, edit: Callable[[dict], None]) -> list:
    entry, raw = entries[4]
    meta = json.loads(raw)
    edit(meta)
    entries[4] = (entry, json.dumps(meta).encode())
    return entries


def link_outside(folder: Path) -> None:
    shard = folder / "shards" / TRAIN
    elsewhere = folder.parent / "elsewhere.tar"
    os.replace(shard, elsewhere)
    shard.symlink_to(elsewhere)


FILES = {
    "flipped byte": (lambda f, m: flip_bit(f / "shards" / TRAIN, 5000), "sha256 differs"),
    "flipped byte in a header": (lambda f, m: flip_bit(f / "shards" / TRAIN, 3), "is not a complete tar"),
    "shard cut short": (lambda f, m: os.truncate(f / "shards" / TRAIN, 4000), "is cut short"),
    "shard missing": (lambda f, m: (f / "shards" / TRAIN).unlink(), f"{TRAIN}: is missing"),
    "shard leads outside": (lambda f, m: link_outside(f), "outside the data set"),
    "member missing": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: e[:3] + e[4:]),
        "has the members ['mp4', 'motion.npz'",
    ),
    "member twice": (lambda f, m: m.edit_shard(f, TRAIN, lambda e: [*e[:5], e[4], *e[5:]]), "'json', 'json']"),
    "strange member": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: set_head(e, name="../evil.mp4")),
        "is not a sample key",
    ),
    "members out of order": (lambda f, m: m.edit_shard(f, TRAIN, lambda e: swap_entries(e, 0, 1)), "in this order"),
    "keys out of order": (lambda f, m: m.edit_shard(f, TRAIN, lambda e: e[5:] + e[:5]), "not in key order"),
    "mtime": (lambda f, m: m.edit_shard(f, TRAIN, lambda e: set_head(e, mtime=7)), "has {'mtime': 7}"),
    "owner": (lambda f, m: m.edit_shard(f, TRAIN, lambda e: set_head(e, uid=7, gid=8)), "'uid': 7, 'gid': 8"),
    "mode": (lambda f, m: m.edit_shard(f, TRAIN, lambda e: set_head(e, mode=0o600)), "has {'mode': 384}"),
    "link in the tar": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: set_head(e, type=tarfile.SYMTYPE)),
        "is not a regular file",
    ),
    "json no JSON": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: [*e[:4], (e[4][0], b"{"), *e[5:]]),
        "json does not parse",
    ),
    "json field gone": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: edit_json(e, lambda j: j.pop("rights"))),
        "json rights",
    ),
    "json field added": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: edit_json(e, lambda j: j.update(x=1))),
        "json x: Extra",
    ),
    "json of another": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: edit_json(e, lambda j: j.update(shot_index=9))),
        "key, video",
    ),
    "no npz": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: [e[0], (e[1][0], b"PK"), *e[2:]]),
        "does not load without pickle",
    ),
    "caption differs": (
        lambda f, m: m.edit_shard(f, TRAIN, lambda e: [*e[:3], (e[3][0], b"no"), *e[4:]]),
        "txt differs",
    ),
    "offset": (lambda f, m: edit_index(f, "mp4_offset", 513), "mp4_offset is 513, the shard has 512"),
    "index caption": (lambda f, m: edit_index(f, "caption", "other"), "caption is 'other'"),
    "index score": (lambda f, m: edit_index(f, "sharpness", 0.25), "sharpness is 0.25, the shard has 0.5"),
    "index row missing": (lambda f, m: edit_index(f, None), "has no row"),
    "index row extra": (lambda f, m: edit_index(f, "key", "d" * 16 + "-s0000-c0000-p00"), "is in no shard"),
    "index column missing": (lambda f, m: drop_column(f, "fps"), "lacks the column fps"),
    "index gone": (lambda f, m: (f / "index.parquet").unlink(), "index.parquet is missing"),
    "index no parquet": (
        lambda f, m: (f / "index.parquet").write_bytes(b"x" * 99),
        "index.parquet: is not a Parquet file",
    ),
    "outcomes gone": (lambda f, m: (f / "outcomes.parquet").unlink(), "outcomes.parquet is missing"),
    "card gone": (lambda f, m: (f / "README.md").unlink(), "README.md is missing"),
    "card of another set": (lambda f, m: edit_card(f, "train-000001", "train-000007"), "data_files are not the shards"),
    "card without YAML": (lambda f, m: (f / "README.md").write_text("# Mine"), "its YAML names no data_files"),
    "counts do not add up": (
        lambda f, m: m.edit_doc(f, lambda d: d["counts"]["split"].update(emitted=2)),
        "stage split loses inputs: 3 !=",
    ),
    "rejects miscounted": (
        lambda f, m: m.edit_doc(f, lambda d: d["counts"]["probe"].update(emitted=4, rejected=0)),
        "stage probe counts 0 rejected, outcomes.parquet has 1",
    ),
    "stage uncounted": (lambda f, m: m.edit_doc(f, lambda d: d["counts"].pop("probe")), "has no counts of stage probe"),
    "inputs vanished": (
        lambda f, m: m.edit_doc(f, lambda d: d["batches"][0].update(num_inputs=9)),
        "have 9 inputs, but only 4 videos",
    ),
    "batch without shard": (
        lambda f, m: m.edit_doc(f, lambda d: d["batches"][0].update(shards=[])),
        "its batches hold",
    ),
    "split miscounted": (
        lambda f, m: m.edit_doc(f, lambda d: d["splits"]["val"].update(num_videos=3)),
        "split val lists (1, 3)",
    ),
    "samples miscounted": (
        lambda f, m: m.edit_doc(f, lambda d: d["shards"][0].update(num_samples=3)),
        "holds 2 samples, dataset.json says 3",
    ),
    "configuration of another": (lambda f, m: m.edit_doc(f, lambda d: d.update(config_hash="f" * 16)), "config_hash"),
}


def edit_card(folder: Path, old: str, new: str) -> None:
    card = folder / "README.md"
    card.write_text(card.read_text().replace(old, new))


def edit_index(folder: Path, column: str | None, value: object = None) -> None:
    """Change a value in the index's first row, or drop the row."""
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
    damage, expected = FILES[case]
    damage(damaged, make)
    found = list_defects(damaged, deep=False)
    assert [line for line in found if expected in line], found
    assert all("\n" not in line for line in found)


def test_unlisted_files_are_notes_not_defects(damaged: Path):
    (damaged / "shards" / "train-000009.tar").write_bytes(b"left behind")
    (damaged / "old.parquet").write_bytes(b"")
    notes: list[str] = []
    assert list_defects(damaged, on_note=notes.append) == []
    assert [note.partition(":")[0] for note in notes] == ["old.parquet", "shards/train-000009.tar"]


@given(where=st.sampled_from(("shards/" + TRAIN, "index.parquet", "outcomes.parquet")), data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_damage_makes_verify_raise(
    where: str, data: st.DataObject, built: Path, make: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
):
    folder = Path(shutil.copytree(built, tmp_path_factory.mktemp("damaged") / "set"))
    raw = bytearray((folder / where).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / where).write_bytes(raw[: data.draw(st.integers(len(raw) // 2, len(raw)))])
    if where.endswith(".tar"):
        assert list_defects(folder)
        make.update_checksum(folder, TRAIN)
    list_defects(folder)  # must not raise: a set that agrees with itself may also be sound


# --- samples that break the format, packed as they are ---------------------------------------------------------------


def edit_motion(sample: Sample, **arrays: np.ndarray) -> Sample:
    return replace(sample, motion=replace(sample.motion, **arrays))


def edit_pose(sample: Sample, **arrays: object) -> Sample:
    return replace(sample, pose2d=replace(sample.pose2d, **arrays))


def edit_meta(sample: Sample, **fields: object) -> Sample:
    return replace(sample, meta={**sample.meta, **fields})


def set_at(array: np.ndarray, at: object, value: object) -> np.ndarray:
    out = array.copy()
    out[at] = value
    return out


SAMPLES: dict[str, tuple[Callable[[Sample, SimpleNamespace], Sample], str]] = {
    "NaN": (
        lambda s, m: edit_motion(s, transl=set_at(s.motion.transl, (3, 1), np.nan)),
        "transl holds values that are not",
    ),
    "joints off": (lambda s, m: edit_motion(s, joints=set_at(s.motion.joints, (3, 5, 0), 9.0)), "joints are not FK"),
    "joints off a little": (
        lambda s, m: edit_motion(s, joints=s.motion.joints + np.float32(0.002)),
        "joints are not FK(rest_joints, pose, transl): off by 2.0 mm",
    ),
    "rows missing": (
        lambda s, m: edit_motion(s, **{n: getattr(m.motion(19, 0, 1), n) for n in ROWS}),
        "wanted <f4 (20, 3)",
    ),
    "confidence above 1": (lambda s, m: edit_motion(s, confidence=s.motion.confidence + 1), "confidence is outside"),
    "confidence where not valid": (
        lambda s, m: edit_motion(s, confidence=np.full(20, 0.5, np.float32)),
        "confidence is above 0 on frames that are not valid",
    ),
    "mostly not valid": (
        lambda s, m: edit_motion(s, valid=np.arange(20) < 3, confidence=np.zeros(20, np.float32)),
        "only 15% of the frames are valid",
    ),
    "frames backwards": (lambda s, m: edit_motion(s, source_frames=s.motion.source_frames[::-1]), "run backwards"),
    "frames outside": (
        lambda s, m: edit_motion(s, source_frames=s.motion.source_frames + 3),
        "outside the span [0, 20)",
    ),
    "millimetres": (
        lambda s, m: edit_motion(s, rest_joints=s.motion.rest_joints * 1000, joints=s.motion.joints * 1000),
        "wrong unit",
    ),
    "frozen": (lambda s, m: edit_motion(s, body_pose=s.motion.body_pose[:1].repeat(20, 0)), "the pose never changes"),
    "raw not kept": (lambda s, m: edit_motion(s, raw_body_pose=s.motion.body_pose), "raw_body_pose equals body_pose"),
    "behind the camera": (lambda s, m: translate(s, (0, 0, -9)), "behind the camera"),
    "out of view": (lambda s, m: translate(s, (5, 0, 0)), "of the joints project into the frame"),
    "off the keypoints": (lambda s, m: translate(s, (0.5, 0, 0)), "of the person's size off the keypoints"),
    "keypoint NaN": (
        lambda s, m: edit_pose(s, keypoints=set_at(s.pose2d.keypoints, (0, 0), np.nan)),
        "pose2d.npz holds NaN",
    ),
    "keypoint score": (lambda s, m: edit_pose(s, scores=s.pose2d.scores + 1), "scores are outside 0..1"),
    "keypoint rows": (
        lambda s, m: edit_pose(s, keypoints=s.pose2d.keypoints[1:], scores=s.pose2d.scores[1:]),
        "for 20 frames",
    ),
    "keypoint names": (
        lambda s, m: edit_pose(s, names=tuple(n.replace("left_hip", "lhip") for n in s.pose2d.names)),
        "names lack ['left_hip']",
    ),
    "nothing visible": (lambda s, m: edit_pose(s, scores=s.pose2d.scores * 0), "fewer than 10 keypoints"),
    "frames missing": (lambda s, m: replace(s, mp4=m.mp4(18, Fraction(25))), "decodes to 18 frames, json says 20"),
    "other rate": (lambda s, m: replace(s, mp4=m.mp4(20, Fraction(30))), "is not 25 frames per second"),
    "other codec": (lambda s, m: replace(s, mp4=m.mp4(20, Fraction(25), codec="mpeg4")), "mp4 is mpeg4/yuv420p"),
    "pixels not square": (
        lambda s, m: replace(s, mp4=m.mp4(20, Fraction(25), sample_aspect_ratio=Fraction(4, 3))),
        "not square: 4/3",
    ),
    "no video at all": (lambda s, m: replace(s, mp4=b"no mp4"), "mp4 does not decode"),
    "json size": (lambda s, m: edit_meta(s, width=320, height=240), "mp4 is 160x192, json says 320x240"),
    "too many frames a second": (lambda s, m: edit_meta(s, fps="120/1"), "more than 60"),
    "empty crop": (lambda s, m: edit_meta(s, crop_xyxy=[5.0, 5.0, 5.0, 9.0]), "is empty"),
    "span of another": (
        lambda s, m: edit_meta(s, span={"start_frame": 0, "end_frame": 21, "start_s": 0.0, "end_s": 0.84}),
        "spans (0, 20), its json says (0, 21)",
    ),
}
ROWS = (
    "global_orient", "body_pose", "transl", "joints", "confidence", "valid", "source_frames",
    "raw_global_orient", "raw_body_pose", "raw_transl",
)  # fmt: skip


def translate(sample: Sample, by: tuple[float, float, float]) -> Sample:
    shift = np.array(by, np.float32)
    return edit_motion(sample, transl=sample.motion.transl + shift, joints=sample.motion.joints + shift)


@pytest.mark.parametrize("case", SAMPLES)
def test_samples_that_break_the_format_are_found(
    case: str, samples: list[Sample], make: SimpleNamespace, tmp_path: Path
):
    break_it, expected = SAMPLES[case]
    make.dataset(tmp_path, [break_it(samples[0], make), *samples[1:]], make.outcomes(samples))
    found = list_defects(tmp_path)
    assert [line for line in found if expected in line and samples[0].key in line], found
    assert all(samples[0].key in line for line in found), "another sample was blamed"


# --- outcomes that break the invariants -------------------------------------------------------------------------------


def change_row(rows: list[Outcome], unit: str, **changes: object) -> list[Outcome]:
    """Change the first row of the unit."""
    at = next(i for i, row in enumerate(rows) if row.unit == unit)
    return [*rows[:at], replace(rows[at], **changes), *rows[at + 1 :]]


def drop_row(rows: list[Outcome], unit: str) -> list[Outcome]:
    at = next(i for i, row in enumerate(rows) if row.unit == unit)
    return rows[:at] + rows[at + 1 :]


OUTCOMES: dict[str, tuple[Callable[[list[Outcome]], list[Outcome]], str]] = {
    "shots overlap": (lambda r: change_row(r, "shot", end_frame=30), "overlaps the shot that ends at 30"),
    "gap that is no fade": (lambda r: change_row(r, "shot", end_frame=18), "the frames [18, 24) belong to no shot"),
    "shot missing": (lambda r: drop_row(r, "shot"), "the frames [0, 24) belong to no shot"),
    "shots end late": (lambda r: change_row(r, "video", end_frame=40), "its shots end at 44, the video at 40"),
    "shots end early": (lambda r: change_row(r, "video", end_frame=50), "the frames [44, 50) belong to no shot"),
    "clip in no shot": (
        lambda r: [*r, replace(r[2], outcome="split", start_frame=10, end_frame=30)],
        "the clip [10, 30) is in none of its shots",
    ),
    "long gap, fades not named": (
        lambda r: change_row(change_row(r, "video", detail="", end_frame=440, end_s=17.6), "shot"),
        "the frames [44, 440) belong to no shot: too long for a fade",
    ),
    "kept clip without sample": (
        lambda r: [*r, replace(r[2], clip_id="a" * 16 + "-s0000-c0001-p00")],
        "is kept, but no shard contains it",
    ),
    "sample not kept": (lambda r: change_row(r, "clip", outcome="rejected", reason="blurry"), "no kept clip"),
    "kept twice": (lambda r: [*r, r[2]], "is kept twice"),
    "video without row": (lambda r: drop_row(r, "video"), "no row that says split or kept"),
    "empty span": (lambda r: change_row(r, "clip", end_frame=0), "has the span 0 to 0"),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_outcomes_that_break_the_invariants_are_found(case: str, damaged: Path):
    edit, expected = OUTCOMES[case]
    rewrite_outcomes(damaged, edit)
    found = list_defects(damaged, deep=False)
    assert [line for line in found if expected in line], found


def rewrite_outcomes(folder: Path, edit: Callable[[list[Outcome]], list[Outcome]]) -> None:
    rows = edit(list(read_outcomes(folder / "outcomes.parquet")))
    with OutcomesWriter(folder / "outcomes.parquet") as table:
        for row in rows:
            table.add(row)


def test_a_short_gap_may_be_a_fade_where_fades_are_not_named(damaged: Path):
    rewrite_outcomes(damaged, lambda rows: change_row(rows, "video", detail=""))
    assert list_defects(damaged, deep=False) == []


def test_a_video_in_two_splits_is_found(make: SimpleNamespace, tmp_path: Path):
    samples = make.samples()
    samples = [replace(samples[0], split="val"), *samples[1:]]
    make.dataset(tmp_path, samples, make.outcomes(samples))
    assert [line for line in list_defects(tmp_path) if "is in the splits train and val" in line]


@pytest.mark.parametrize("spans", [[], [(20, 24)], [(0, 7), (100, 131)]])
def test_fades_in_an_outcome_s_detail_round_trip(spans: list[tuple[int, int]]):
    assert parse_transitions(format_transitions(spans)) == spans
    assert parse_transitions("rotated by 90") is None
