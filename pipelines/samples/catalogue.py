"""The sample videos, in two families that share no motion, body, view or clothes: `demo` and `held_out`.

Parameters tuned on one family are measured on the other.
"""

from dataclasses import dataclass

from humove.drawing.painter import Clothes

FAMILIES = ("demo", "held_out")

_DEMO_DRESS = (
    Clothes(shirt=(178, 60, 52), trousers=(52, 62, 96)),
    Clothes(shirt=(64, 104, 160), trousers=(70, 70, 74), long_sleeves=True, skin=(198, 140, 104), hair=(30, 24, 22)),
    Clothes(shirt=(226, 222, 208), trousers=(96, 78, 60), shorts=True, hair=(122, 84, 46)),
    Clothes(shirt=(58, 122, 82), trousers=(38, 40, 48), skin=(142, 94, 66), hair=(24, 20, 20)),
)
_HELD_OUT_DRESS = (
    Clothes(shirt=(60, 60, 66), trousers=(150, 140, 118), long_sleeves=True, hair=(150, 120, 70)),
    Clothes(shirt=(206, 152, 60), trousers=(60, 72, 60), skin=(170, 116, 84), hair=(36, 28, 26)),
    Clothes(shirt=(140, 84, 140), trousers=(46, 46, 60), shorts=True, skin=(112, 74, 54), hair=(22, 20, 20)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSpec:
    """All parameters of one rendered clip."""

    name: str
    category: str
    motion: str
    seed: int
    shape: str
    view: str
    azimuth_deg: float
    clothes: Clothes
    scene: str
    size: tuple[int, int]
    frames: int = 75
    fps: int = 30
    fov_deg: float = 55.0
    camera_height: float = 1.2


# motion, category, shape, view, azimuth in degrees, scene; portrait unless the person crosses the frame
_DEMO = (
    ("walk", "Daily Activity", "neutral", "frontal", 0, "room"),
    ("walk", "Daily Activity", "woman", "60", 60, "park"),
    ("walk", "Daily Activity", "man", "profile", 90, "hall"),
    ("reach", "Daily Activity", "woman", "frontal", -10, "room"),
    ("reach", "Daily Activity", "man", "60", -60, "hall"),
    ("squat", "Athletics", "man", "frontal", 10, "hall"),
    ("squat", "Athletics", "neutral", "60", 60, "room"),
    ("jump", "Athletics", "woman", "frontal", 0, "park"),
    ("jump", "Athletics", "neutral", "back", 180, "park"),
    ("turn", "Dancing", "woman", "frontal", 0, "hall"),
    ("wave", "Daily Activity", "man", "frontal", 15, "park"),
    ("wave", "Daily Activity", "neutral", "60", -55, "room"),
)
_HELD_OUT = (
    ("walk", "Daily Activity", "tall_man", "frontal", 12, "hall"),
    ("walk", "Daily Activity", "short_heavy_woman", "60", -58, "room"),
    ("reach", "Daily Activity", "heavy_man", "frontal", 8, "park"),
    ("reach", "Daily Activity", "tall_man", "60", 62, "plain"),
    ("squat", "Athletics", "short_heavy_woman", "frontal", -12, "room"),
    ("squat", "Athletics", "heavy_man", "60", -62, "plain"),
    ("jump", "Athletics", "heavy_man", "frontal", -8, "hall"),
    ("jump", "Athletics", "tall_man", "60", 58, "room"),
    ("lunge", "Athletics", "short_heavy_woman", "frontal", 15, "park"),
    ("lunge", "Athletics", "heavy_man", "60", 60, "hall"),
    ("wave", "Daily Activity", "tall_man", "frontal", -15, "room"),
    ("turn", "Dancing", "short_heavy_woman", "frontal", 0, "plain"),
    ("lunge", "Athletics", "tall_man", "profile", -88, "room"),
    ("walk", "Daily Activity", "heavy_man", "back", 172, "park"),
)


def list_samples(family: str) -> tuple[SampleSpec, ...]:
    """List the family's clips. Raises ValueError for a name that is not in FAMILIES."""
    if family not in FAMILIES:
        raise ValueError(f"no family {family!r}; choose one of {', '.join(FAMILIES)}")
    rows, dress, seed = (_DEMO, _DEMO_DRESS, 0) if family == "demo" else (_HELD_OUT, _HELD_OUT_DRESS, 5000)
    specs = []
    for i, (motion, category, shape, view, azimuth, scene) in enumerate(rows):
        crosses = motion in ("walk", "lunge") and view in ("60", "profile")
        specs.append(
            SampleSpec(
                name=f"{motion}_{view}",
                category=category,
                motion=motion,
                seed=seed + i,
                shape=shape,
                view=view,
                azimuth_deg=float(azimuth),
                clothes=dress[i % len(dress)],
                scene=scene,
                size=(640, 480) if crosses else (480, 640),
                camera_height=1.2 if family == "demo" else (1.0, 1.45, 1.25)[i % 3],
                fov_deg=55.0 if family == "demo" else (50.0, 55.0, 60.0)[i % 3],
            )
        )
    return tuple(specs)
