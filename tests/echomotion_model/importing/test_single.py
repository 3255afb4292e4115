import numpy as np
import pytest

from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.run import import_motion
from echomotion_model.importing.single import load_motion
from humove.errors import UserError
from shards.motion_only.dataset import open_motion_only
from tests.echomotion_model.importing.sample_files import write_amass
from tests.humove.motion.test_bvh import format_person


def test_one_file_is_read_as_an_import_reads_it(tmp_path):
    path = write_amass(tmp_path / "in" / "a.npz")
    import_motion(path, tmp_path / "out", settings=ImportSettings(val=0, test=0))
    (imported,) = open_motion_only(str(tmp_path / "out")).iterate_samples()
    alone = load_motion(path)
    np.testing.assert_array_equal(alone.motion.joints, imported.motion.joints)
    assert alone.key == imported.key and alone.meta.camera == imported.meta.camera


def test_a_part_is_cut_out(tmp_path):
    sample = load_motion(write_amass(tmp_path / "a.npz"), start_s=0.5, max_seconds=1.0)
    assert sample.meta.source.start_frame == 60 and sample.meta.source.end_frame == 180
    assert len(sample.motion.transl) == 30


def test_a_bvh_is_read_too(tmp_path):
    (tmp_path / "a.BVH").write_text(format_person([{"Hips.Yrotation": float(i)} for i in range(30)]))
    assert load_motion(tmp_path / "a.BVH").meta.source.kind == "bvh"


def test_a_file_without_motion_gives_a_one_line_error(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"x")
    (tmp_path / "a.txt").write_bytes(b"x")
    good = write_amass(tmp_path / "good.npz")
    for path, kwargs, message in (
        (tmp_path / "a.npz", {}, "unreadable: not an npz file"),
        (tmp_path / "a.txt", {}, "give an AMASS file"),
        (tmp_path / "none.npz", {}, "give an AMASS file"),
        (good, {"start_s": 2.0}, "is 2.00 s long"),
        (good, {"start_s": -1.0}, "is 2.00 s long"),
    ):
        with pytest.raises(UserError, match=message):
            load_motion(path, **kwargs)
