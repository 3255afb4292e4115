"""`humove convert-smpl`, as a user calls it."""

import numpy as np
from typer.testing import CliRunner

from annotators.smpl.model_file import read_smpl
from humove.cli import app


def test_the_command_writes_what_smplx_needs(smpl_pickle, smpl_arrays, tmp_path) -> None:
    out = tmp_path / "SMPL_NEUTRAL.npz"
    done = CliRunner().invoke(app, ["convert-smpl", str(smpl_pickle), str(out)])
    assert done.exit_code == 0, done.output
    assert "v_template" in done.output and "J_regressor" in done.output
    assert np.array_equal(read_smpl(out).weights, smpl_arrays["weights"])


def test_a_hostile_file_leaves_nothing_behind(tmp_path) -> None:
    bad, out = tmp_path / "bad.pkl", tmp_path / "out.npz"
    bad.write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    done = CliRunner().invoke(app, ["convert-smpl", str(bad), str(out)])
    assert done.exit_code != 0 and "it refers to os.system" in str(done.exception)
    assert list(tmp_path.iterdir()) == [bad]
