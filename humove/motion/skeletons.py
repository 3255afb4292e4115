"""Joint and keypoint names. COCO's spelling wherever COCO has the point; SMPL's own order for SMPL."""

SMPL_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)

MEDIAPIPE_33 = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip


COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip

_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
COCO_WHOLEBODY_133 = (
    *COCO_17,
    *(f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel")),
    *(f"face-{k}" for k in range(68)),  # the 68 points of iBUG, from the image's left to its right
    *(
        f"{side}_{part}"
        for side in ("left", "right")
        for part in ("hand_root", *(f"{finger}{knuckle}" for finger in _FINGERS for knuckle in (1, 2, 3, 4)))
    ),
)
"""COCO-WholeBody in its own order and spelling: body, feet, face, hands."""

SKELETONS = {
    "coco_17": COCO_17,
    "coco_wholebody_133": COCO_WHOLEBODY_133,
    "mediapipe_33": MEDIAPIPE_33,
    "smpl_24": SMPL_JOINTS,
}
"""The names of each skeleton's points, by `Pose2D.skeleton`."""

_FACE_SUMS = ((0, 17, 16), (17, 27, 43), (27, 31, 0), (31, 36, 66), (36, 40, 81), (40, 42, 87), (42, 46, 81),
              (46, 48, 87), (48, 55, 102), (55, 60, 114), (60, 65, 124), (65, 68, 132))  # fmt: skip
"""Runs [start, end) of the 68 face points: the indices of mirrored points sum to the third number; 0 for points on the
middle line."""


def find_mirror_indices(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return for each point the index of its mirror image on the body (itself on the middle line)."""

    def mirror_name(name: str) -> str:
        for a, b in (("left", "right"), ("right", "left")):
            if a in name:
                return name.replace(a, b)
        if name.startswith("face-"):
            k = int(name.removeprefix("face-"))
            across = next(total for start, end, total in _FACE_SUMS if start <= k < end)
            return f"face-{across - k if across else k}"
        return name

    return tuple(names.index(mirror_name(name)) for name in names)
