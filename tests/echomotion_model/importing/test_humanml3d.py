import shutil

import numpy as np
import pytest

from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.inputs import Part
from echomotion_model.importing.run import import_motion
from humove.errors import UserError
from shards.motion_only.dataset import open_motion_only
from tests.echomotion_model.importing.sample_files import amass_arrays, write_amass

ROWS = """source_path,start_frame,end_frame,new_name
./pose_data/KIT/3/walk_poses.npy,0,40,000000.npy
./pose_data/humanact12/humanact12/P11G01R02F1812T1847A0402.npy,0,-1,000001.npy
./pose_data/MPI_Limits/03099/op3_poses.npy,5,45,000002.npy
./pose_data/KIT/3/gone_poses.npy,0,83,000003.npy
./pose_data/KIT/3/walk_poses.npy,10,60,000004.npy
./pose_data/../../secret.npy,0,40,000005.npy
./pose_data/KIT/3/walk_poses.npy,0,forty,000006.npy
./pose_data/KIT/3/walk_poses.npy,0,40,../000007.npy
./pose_data/KIT/3/walk_poses.npy,0,40,000008.npy
./pose_data/KIT/3/walk_poses.npy,0,40,000009.npy
"""
WORDS = "#a/DET person/NOUN"
TEXTS = {
    "000000": f"a person walks.{WORDS}#0.0#0.0\na man  strolls{WORDS}#nan#nan\n",
    "000002": f"someone limbers up{WORDS}#0.0#0.0\n",
    "000004": f"a person swings{WORDS}#0.5#2.0\n\nwhole {WORDS}#0.0#0.0\n",
    "000009": "#a/DET#0.0#0.0\n",
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "HumanML3D"
    (folder / "HumanML3D" / "texts").mkdir(parents=True)
    (folder / "index.csv").write_text(ROWS)
    for name, text in TEXTS.items():
        (folder / "HumanML3D" / "texts" / f"{name}.txt").write_text(text)
    (folder / "HumanML3D" / "test.txt").write_text("000004\nM000004\n")
    (folder / "HumanML3D" / "train.txt").write_text("000000\n000002\n")
    write_amass(folder / "amass_data" / "KIT" / "3" / "walk_poses.npz", frames=480, fps=120.0)
    write_amass(folder / "amass_data" / "PosePrior" / "03099" / "op3_poses.npz", frames=400, fps=100.0, seed=3)
    return folder


def test_rows_become_samples_or_reasons(folder, tmp_path):
    done = import_motion(folder, tmp_path / "out")
    assert done.kind == "humanml3d" and done.inputs == 10 and done.kept == 3 and done.samples == 4
    assert done.left_out == {"bad_row": 3, "no_text": 2, "no_smpl_parameters": 1, "file_missing": 1}
    samples = list(open_motion_only(str(tmp_path / "out")).iterate_samples())
    assert {(s.meta.source.name, s.meta.split) for s in samples} == {
        ("000000", "train"),
        ("000002", "train"),
        ("000004", "test"),
    }


def test_captions_of_a_part_have_that_part(folder, tmp_path):
    import_motion(folder, tmp_path / "out")
    by_text = {s.caption: s for s in open_motion_only(str(tmp_path / "out")).iterate_samples()}
    assert by_text["a person walks."].meta.captions == ("a person walks.", "a man strolls")
    whole, part = by_text["whole"].meta.source, by_text["a person swings"].meta.source
    # Every sixth of 120 frames a second: 10 -> 60, and 0.5 s into the clip to 2 s.
    assert (whole.start_frame, whole.end_frame) == (60, 59 * 6 + 1)
    assert (part.start_frame, part.end_frame) == (120, 49 * 6 + 1)


def test_the_lead_in_is_removed_and_renamed_folders_are_found(folder, tmp_path):
    import_motion(folder, tmp_path / "out")
    (sample,) = (s for s in open_motion_only(str(tmp_path / "out")).iterate_samples() if s.meta.source.name == "000002")
    assert sample.meta.source.file == "PosePrior/03099/op3_poses.npz"
    # MPI_Limits begins with a second in T-pose: 20 + 5 frames at 20 fps, 5 rows of 100 fps each.
    assert sample.meta.source.start_frame == 125 and sample.meta.source.end_frame == 321


def test_the_pose_is_amasss_own(folder, tmp_path):
    import_motion(folder, tmp_path / "out")
    (sample,) = (s for s in open_motion_only(str(tmp_path / "out")).iterate_samples() if s.meta.source.name == "000000")
    poses = amass_arrays(frames=480)["poses"]
    wanted = poses[sample.motion.source_frames, 3:66].reshape(-1, 21, 3)
    np.testing.assert_allclose(sample.motion.body_pose[:, :21], wanted, atol=1e-5)


@pytest.mark.parametrize(("fps", "step"), [(250, 12), (120, 6), (60, 3), (59, 2), (15, 1)])
def test_frames_are_counted_as_humanml3d_counted_them(fps, step):
    rows = list(range(0, 10_000, step))[7:47]  # its own slicing of every int(fps / 20)th row
    assert Part(captions=("x",), start_20=7, end_20=47).get_span(10_000, fps) == (rows[0], rows[-1] + 1)


def test_a_clip_that_ends_beyond_its_recording_ends_with_it():
    assert Part(captions=("x",), start_20=7, end_20=47).get_span(100, 120) == (42, 100)


def test_amass_may_be_in_another_folder(folder, tmp_path):
    shutil.move(folder / "amass_data", tmp_path / "AMASS")
    with pytest.raises(UserError, match="no folder amass_data"):
        import_motion(folder, tmp_path / "out")
    assert import_motion(folder, tmp_path / "out", amass=tmp_path / "AMASS").kept == 3


@pytest.mark.parametrize("index", ["", "a,b\n1,2\n", "source_path,start_frame,end_frame,new_name\n"])
def test_another_index_gives_a_one_line_error(folder, tmp_path, index):
    (folder / "index.csv").write_text(index)
    with pytest.raises(UserError, match="no column source_path|nothing to import"):
        import_motion(folder, tmp_path / "out")


def test_a_short_row_is_counted(folder, tmp_path):
    (folder / "index.csv").write_text(ROWS + "./pose_data/KIT/3/walk_poses.npy,0\n")
    assert import_motion(folder, tmp_path / "out", settings=ImportSettings()).left_out["bad_row"] == 4
