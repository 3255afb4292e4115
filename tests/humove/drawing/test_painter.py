import numpy as np
import pytest

from humove.drawing.backdrop import KINDS, View, paint_backdrop
from humove.drawing.overlay import draw_overlay
from humove.drawing.painter import Clothes, cast_shadow, compute_feature_lift, paint_mesh
from humove.motion.body import Body, compute_joints
from humove.motion.camera import intrinsics_from_fov, project_points

WIDTH, HEIGHT = 240, 320
K = intrinsics_from_fov(WIDTH, HEIGHT, 55)
GREY = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
# A square of two triangles, 1 m wide, facing the camera (its normal towards -z).
SQUARE = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]], dtype=np.float32)
FACES = np.array([[0, 2, 1], [0, 3, 2]])


def repeat_color(color, faces=FACES):
    return np.tile(np.array(color, dtype=np.float32), (len(faces), 1))


def place_body(azimuth: float, pose: np.ndarray | None = None):
    """Place the default body in front of a camera; returns the body, the view, and the mesh in its frame."""
    body = Body.load()
    view = View.look_at(K, WIDTH, HEIGHT, azimuth_deg=azimuth, distance=3.0)
    transl = np.array([[0, -body.rest_vertices[:, 1].min(), 0]])
    mesh = body.compute_vertices(np.zeros((1, 24, 3)) if pose is None else pose, transl)[0]
    return body, view, mesh @ view.rotation.T + view.translation


def test_a_square_fills_the_pixels_that_it_projects_to():
    out = paint_mesh(SQUARE + (0, 0, 2), FACES, repeat_color((200, 0, 0)), K, GREY)
    corners = project_points(SQUARE + (0, 0, 2), K)
    painted = (out != GREY).any(-1)
    area = np.prod(corners.max(0) - corners.min(0))
    assert painted.sum() == pytest.approx(area, rel=0.03)
    rows, columns = np.nonzero(painted)
    assert columns.mean() + 0.5 == pytest.approx(WIDTH / 2, abs=0.6)
    assert rows.mean() + 0.5 == pytest.approx(HEIGHT / 2, abs=0.6)
    assert (GREY == 128).all(), "the background given is left as it is"


def test_faces_turned_away_and_behind_the_camera_are_not_drawn():
    away = paint_mesh(SQUARE + (0, 0, 2), FACES[:, ::-1], repeat_color((200, 0, 0)), K, GREY)
    behind = paint_mesh(SQUARE - (0, 0, 2), FACES, repeat_color((200, 0, 0)), K, GREY)
    np.testing.assert_array_equal(away, GREY)
    np.testing.assert_array_equal(behind, GREY)


def test_the_nearer_square_hides_the_farther_one_whatever_their_order():
    near, far = SQUARE + (0, 0, 2), SQUARE + (0, 0, 3)
    red, blue = repeat_color((250, 0, 0)), repeat_color((0, 0, 250))
    for first, second, colors in ((near, far, (red, blue)), (far, near, (blue, red))):
        mesh = np.concatenate([first, second])
        out = paint_mesh(mesh, np.concatenate([FACES, FACES + 4]), np.concatenate(colors), K, GREY)
        assert out[HEIGHT // 2, WIDTH // 2, 0] > 90 > out[HEIGHT // 2, WIDTH // 2, 2]


def test_lift_brings_a_face_to_the_front():
    mesh = np.concatenate([SQUARE + (0, 0, 2), SQUARE + (0, 0, 2.02)])
    colors = np.concatenate([repeat_color((250, 0, 0)), repeat_color((0, 0, 250))])
    faces = np.concatenate([FACES, FACES + 4])
    out = paint_mesh(mesh, faces, colors, K, GREY, lift=np.array([0, 0, 0.1, 0.1]))
    assert out[HEIGHT // 2, WIDTH // 2, 2] > 90


def test_opacity_lets_the_background_through():
    whole = paint_mesh(SQUARE + (0, 0, 2), FACES, repeat_color((255, 0, 0)), K, GREY)[HEIGHT // 2, WIDTH // 2].astype(
        int
    )
    half = paint_mesh(SQUARE + (0, 0, 2), FACES, repeat_color((255, 0, 0)), K, GREY, opacity=0.5)[
        HEIGHT // 2, WIDTH // 2
    ]
    np.testing.assert_allclose(half, (whole + 128) / 2, atol=1)


def test_painting_is_deterministic_and_wholly_off_screen_is_harmless():
    body, _, mesh = place_body(20)
    colors = Clothes().get_face_colors(body.regions, body.face_regions)
    first, second = (paint_mesh(mesh, body.faces, colors, K, GREY) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(paint_mesh(mesh + (50, 0, 0), body.faces, colors, K, GREY), GREY)


def test_the_face_shows_from_the_front_and_only_hair_from_behind():
    marked = {}
    for azimuth in (0, 180):
        body, _, mesh = place_body(azimuth)
        colors = np.zeros((len(body.faces), 3), dtype=np.float32)
        colors[np.isin(body.face_regions, [body.regions.index(n) for n in ("iris", "lips", "brow")])] = (255, 0, 0)
        out = paint_mesh(mesh, body.faces, colors, K, GREY, lift=compute_feature_lift(body.regions, body.face_regions))
        marked[azimuth] = int((out[..., 0].astype(int) - out[..., 1] > 40).sum())
    assert marked[0] >= 8 and marked[180] == 0


def test_clothes_cover_what_they_should():
    body = Body.load()
    colors = Clothes(shirt=(1, 2, 3), long_sleeves=True, shorts=True, skin=(9, 9, 9)).get_face_colors(
        body.regions, body.face_regions
    )
    np.testing.assert_array_equal(colors[body.face_regions == body.regions.index("forearm")][0], (1, 2, 3))
    np.testing.assert_array_equal(colors[body.face_regions == body.regions.index("lower_leg")][0], (9, 9, 9))


def test_the_shadow_is_at_the_feet():
    body, view, mesh = place_body(0)
    shaded = cast_shadow(GREY, mesh, body.faces, K, view.compute_floor())
    darker = shaded.astype(int).mean(-1) < 120
    feet = project_points(mesh[mesh[:, 1].argsort()[-20:]], K).mean(0)
    rows, columns = np.nonzero(darker)
    assert darker.sum() > 200 and (shaded <= GREY).all()
    assert np.hypot(columns - feet[0], rows - feet[1]).min() < 12


def test_the_view_looks_at_its_target_from_the_azimuth():
    for azimuth, sign in ((0, 1), (180, -1)):
        view = View.look_at(K, WIDTH, HEIGHT, target=(0.2, 0.9, 0.1), azimuth_deg=azimuth)
        assert np.linalg.det(view.rotation) == pytest.approx(1)
        centre = project_points(view.rotation @ (0.2, 0.9, 0.1) + view.translation, K)
        np.testing.assert_allclose(centre, (WIDTH / 2, HEIGHT / 2), atol=1e-6)
        left = project_points(view.rotation @ (0.6, 0.9, 0.1) + view.translation, K)
        assert sign * (left[0] - centre[0]) > 10, "the left of one who faces the camera is on the image's right"
    normal, level = view.compute_floor()
    on_floor = view.rotation @ (3.0, 0.0, -2.0) + view.translation
    assert normal @ on_floor == pytest.approx(level)


@pytest.mark.parametrize("kind", KINDS)
def test_backdrops_depend_on_their_seed(kind):
    view = View.look_at(K, WIDTH, HEIGHT)
    first, again, other = (paint_backdrop(kind, view, seed) for seed in (1, 1, 2))
    assert first.shape == (HEIGHT, WIDTH, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5
    assert 60 < first.mean() < 230 and first.std() > 8


def test_an_unknown_backdrop_is_named():
    with pytest.raises(ValueError, match="room"):
        paint_backdrop("moon", View.look_at(K, WIDTH, HEIGHT))


def make_row(**changes):
    """Make the arguments of draw_overlay for an upright person (rotated: the camera's y points down)."""
    body = Body.load()
    upright = np.array([np.pi, 0, 0])
    pose, transl = np.zeros((23, 3)), np.array([0, 0.2, 3.0])
    joints = compute_joints(body.rest_joints, upright[None], pose[None], transl[None])[0]
    values = {
        "global_orient": upright, "body_pose": pose, "transl": transl, "rest_joints": body.rest_joints,
        "intrinsics": K, "keypoints": project_points(joints, K), "scores": np.ones(24),
        "confidence": 1.0, "valid": True,
    }  # fmt: skip
    return body, values | changes


def test_the_overlay_covers_the_body_and_shows_confidence_by_colour():
    body, given = make_row()
    sure = draw_overlay(GREY, body, **given)
    pelvis = np.rint(given["keypoints"][0]).astype(int) + (12, -20)
    body, given = make_row(confidence=0.0)
    unsure = draw_overlay(GREY, body, **given)
    x, y = pelvis
    assert (sure[y, x] != 128).any() and sure[y, x, 1] > sure[y, x, 0] and unsure[y, x, 0] > unsure[y, x, 1]
    np.testing.assert_array_equal(GREY, np.full_like(GREY, 128))


def test_the_overlay_ignores_keypoints_off_the_image():
    body, given = make_row(valid=False, confidence=0.0)
    given["keypoints"] = np.full((24, 2), 1e9)
    given["keypoints"][0] = np.nan
    assert draw_overlay(GREY, body, **given).shape == GREY.shape
