"""Commands about the files of models."""

from pathlib import Path
from typing import Annotated

import typer


def weights_list() -> None:
    """List every file: name, state, size, licence, source."""
    from annotators.weights.table import check_weights, load_table

    for name, row in load_table().items():
        print(f"{name:<24} {check_weights(name) or 'ok'}  {row.bytes / 1e6:.1f} MB  {row.licence}  {row.source}")


def weights_get(names: Annotated[list[str] | None, typer.Argument(help="Names; none: all.")] = None) -> None:
    """Download missing files and check their hashes."""
    from annotators.weights.table import fetch_weights, load_table

    for name in names or load_table():
        print(fetch_weights(name))


def weights_check(names: Annotated[list[str] | None, typer.Argument(help="Names; none: all.")] = None) -> None:
    """Compare each file's hash with the table's."""
    from annotators.weights.table import load_table, resolve_weights

    for name in names or load_table():
        print(f"{resolve_weights(name)}: ok")


def convert_smpl(
    source: Annotated[Path, typer.Argument(help="A body model's pickle, as published.", metavar="FILE.pkl")],
    out: Annotated[Path, typer.Argument(help="The npz to write.", metavar="OUT.npz")],
) -> None:
    """Convert an official SMPL, SMPL+H or SMPL-X pickle to npz, without running code from it."""
    from annotators.smpl.model_file import convert_to_npz

    print(f"{out}: {', '.join(convert_to_npz(source, out))}")
