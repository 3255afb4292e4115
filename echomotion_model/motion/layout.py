"""The layout of a frame of motion: 51 tokens, 235 features.

features   tokens  content of each token
0..74      0..24   3: the translation v of the root, then the 24 joints n, metres in the camera's frame
75..224    25..49  6: the 24 rotations theta, then the global orientation gamma, as the first two columns of the
                   rotation matrix
225..234   50      10: betas; or, for a stand-in body, its size and a flag
"""

from typing import NamedTuple


class Group(NamedTuple):
    """Tokens of one kind, which share their input and output MLPs."""

    name: str
    tokens: int
    width: int


GROUPS = (Group("position", 25, 3), Group("rotation", 25, 6), Group("shape", 1, 10))
"""In the order of a frame's features and tokens."""
TOKENS = sum(group.tokens for group in GROUPS)
"""51 tokens per frame."""
FEATURES = sum(group.tokens * group.width for group in GROUPS)
"""235 features per frame."""
SPLIT = tuple(group.tokens * group.width for group in GROUPS)
"""Features of each group, for torch.split."""
