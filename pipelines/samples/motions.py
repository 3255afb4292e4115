"""Procedural motions with known ground truth. Each is a function of a body, a length, a rate and a seed.

Standing feet do not move. The seed determines speed, amplitude, side and timing, so that seeds give distinct motions.
"""

from collections.abc import Callable

import numpy as np

from humove.motion.body import Body
from humove.motion.retarget import WorldMotion
from pipelines.samples.puppet import Puppet, make_slow_noise

Motion = Callable[[Body, int, float, np.random.Generator], WorldMotion]


def ease(t: np.ndarray, start: float, end: float) -> np.ndarray:
    """Ease from 0 at `start` to 1 at `end` with minimum jerk."""
    s = np.clip((t - start) / (end - start), 0, 1)
    return s**3 * (10 - 15 * s + 6 * s * s)


def pulse(t: np.ndarray, start: float, rise: float, hold: float, fall: float) -> np.ndarray:
    """Pulse from 0 to 1 over `rise` seconds, hold, and fall to 0."""
    return ease(t, start, start + rise) - ease(t, start + rise + hold, start + rise + hold + fall)


def walk(body: Body, frames: int, fps: float, rng: np.random.Generator) -> WorldMotion:
    """Walk straight along +z, through the origin at half time."""
    puppet, t = Puppet(body, frames, fps), np.arange(frames) / fps
    speed, step_time = rng.uniform(0.9, 1.25) * puppet.size, rng.uniform(0.50, 0.60)
    cycle, stance = 2 * step_time, 0.62
    stride, phase0 = speed * cycle, rng.uniform()
    base = t / cycle + phase0
    start = -speed * t[-1] / 2
    z = start + speed * t
    swing = np.cos(2 * np.pi * (base - 0.0))  # +1 where the left foot is foremost
    sway = 0.022 * puppet.size * np.cos(2 * np.pi * (base - 0.31))  # towards the foot that stands
    bob = 0.012 * puppet.size * np.cos(4 * np.pi * (base - 0.31))
    yaw, twist = -np.radians(rng.uniform(4, 7)) * swing, np.radians(rng.uniform(7, 12)) * swing
    puppet.set_pelvis(
        sway, puppet.standing * 0.985 + bob, z, yaw, np.radians(3), np.radians(3) * np.sin(2 * np.pi * base)
    )
    puppet.set_trunk(np.radians(2), twist)
    puppet.set_head(np.radians(2) + 0.02 * make_slow_noise(rng, frames, fps), -0.5 * (yaw + twist))
    width = puppet.hip_width * rng.uniform(0.35, 0.5)
    for side, sign in ((0, 1), (1, -1)):
        own = base + 0.5 * side
        turnover, s = np.floor(own), own % 1.0
        landed = start + (turnover + 0.265 - phase0 - 0.5 * side) * stride
        forward = landed + stride * ease(s, stance, 1.0)
        pitch = (
            -np.radians(18) * (1 - ease(s, 0.0, 0.09))
            + np.radians(42) * (ease(s, 0.38, 0.64) - ease(s, 0.64, 0.86))
            - np.radians(18) * ease(s, 0.84, 1.0)
        )
        lift = 0.055 * puppet.size * np.sin(np.pi * np.clip((s - stance) / (1 - stance), 0, 1)) ** 2
        puppet.set_foot(side, sign * width, forward, sign * np.radians(7), lift, pitch)
        arm = -sign * swing
        amount = np.radians(rng.uniform(18, 28))
        puppet.set_arm(side, amount * arm + 0.04, np.radians(10), np.radians(18) + 0.22 * (1 + arm), -0.15)
    puppet.lower_pelvis()
    puppet.add_jitter(rng)
    return puppet.solve_motion()


def _place_feet(puppet: Puppet, rng: np.random.Generator, width: float = 0.9) -> None:
    """Place the feet under the hips, with hanging arms."""
    for side, sign in ((0, 1), (1, -1)):
        puppet.set_foot(side, sign * width * puppet.hip_width / 2, rng.uniform(-0.03, 0.03), sign * np.radians(9))
        puppet.set_arm(side, 0.05, np.radians(11), np.radians(16), -0.15)


def reach(body: Body, frames: int, fps: float, rng: np.random.Generator) -> WorldMotion:
    """Reach with one hand high at the side, then low in front; the weight follows."""
    puppet, t = Puppet(body, frames, fps), np.arange(frames) / fps
    side = int(rng.integers(2))
    sign = 1 if side == 0 else -1
    length = t[-1]
    high = pulse(t, 0.04 * length, 0.24 * length, 0.08 * length, 0.20 * length)
    low = pulse(t, 0.50 * length, 0.20 * length, 0.08 * length, 0.18 * length)
    size = puppet.size
    shift = sign * 0.07 * size * high
    drop = 0.012 + 0.16 * size * low
    puppet.set_pelvis(shift, puppet.standing - drop, -0.07 * size * low, sign * 0.15 * high, 0.35 * low, 0.0)
    puppet.set_trunk(0.55 * low, sign * 0.25 * high, -sign * 0.16 * high)
    puppet.set_head(-0.25 * high + 0.25 * low, sign * 0.5 * high)
    _place_feet(puppet, rng, 1.3)
    other = 1 - side
    puppet.set_arm(other, -0.10 * high + 0.35 * low, np.radians(12) + 0.2 * high, 0.3 + 0.3 * low, -0.15)
    above = np.array([sign * rng.uniform(0.40, 0.55), rng.uniform(1.65, 1.85), rng.uniform(0.15, 0.35)]) * size
    below = np.array([sign * rng.uniform(0.0, 0.15), rng.uniform(0.55, 0.75), rng.uniform(0.40, 0.5)]) * size
    share = np.clip(high + low, 0, 1)
    towards = (high[:, None] * above + low[:, None] * below) / np.maximum(high + low, 1e-6)[:, None]
    puppet.lower_pelvis()
    puppet.move_hand_to(side, towards, share, np.array([sign * 0.7, -0.8, -0.3]))
    puppet.add_jitter(rng)
    return puppet.solve_motion()


def squat(body: Body, frames: int, fps: float, rng: np.random.Generator) -> WorldMotion:
    """Squat down and rise, with arms raised in front for balance."""
    puppet, t = Puppet(body, frames, fps), np.arange(frames) / fps
    period = rng.uniform(1.5, 1.9)
    down = 0.5 - 0.5 * np.cos(2 * np.pi * np.clip(t - 0.1, 0, None) / period)
    depth = rng.uniform(0.24, 0.36) * puppet.size
    puppet.set_pelvis(0.0, puppet.standing - 0.01 - depth * down, -0.16 * puppet.size * down, 0.0, 0.40 * down)
    puppet.set_trunk(0.25 * down, 0.03 * make_slow_noise(rng, frames, fps))
    puppet.set_head(-0.35 * down)
    _place_feet(puppet, rng, rng.uniform(1.4, 1.8))
    for side in (0, 1):
        puppet.set_arm(side, 0.05 + rng.uniform(1.35, 1.55) * down, np.radians(11), np.radians(14) + 0.15 * down, -0.1)
    puppet.lower_pelvis()
    puppet.add_jitter(rng)
    return puppet.solve_motion()


def jump(body: Body, frames: int, fps: float, rng: np.random.Generator) -> WorldMotion:
    """Crouch, leap straight up with swinging arms, land, come to rest."""
    puppet, t = Puppet(body, frames, fps), np.arange(frames) / fps
    size, leap = puppet.size, rng.uniform(0.18, 0.30)
    air = 2 * np.sqrt(2 * leap / 9.81)
    off = 0.35 * t[-1] + rng.uniform(-0.1, 0.1)
    land = off + air
    inside = np.clip((t - off) / air, 0, 1)
    height = 4 * leap * inside * (1 - inside)
    crouch = ease(t, off - 0.75, off - 0.28) - ease(t, off - 0.26, off + 0.02)
    absorb = ease(t, land - 0.03, land + 0.17) - ease(t, land + 0.22, land + 0.8)
    bent = 0.30 * size * crouch + 0.20 * size * absorb
    # On the toes while taking off and just before landing: the pelvis is higher than standing by the ball's reach.
    tiptoe = ease(t, off - 0.16, off) - ease(t, land, land + 0.14)
    puppet.set_pelvis(
        0.0, puppet.standing - 0.01 - bent + height + 0.055 * size * tiptoe, -0.10 * bent / 0.3, 0.0, 1.1 * bent, 0.0
    )
    puppet.set_trunk(0.9 * bent + 0.02 * make_slow_noise(rng, frames, fps))
    puppet.set_head(-0.6 * bent)
    for side, sign in ((0, 1), (1, -1)):
        stance = sign * 0.55 * puppet.hip_width
        puppet.set_foot(side, stance, 0.0, sign * np.radians(8), height, np.radians(38) * tiptoe)
        up = rng.uniform(1.6, 2.1)
        back = ease(t, off - 0.85, off - 0.38) - ease(t, off - 0.50, off + 0.08)
        over = ease(t, off - 0.40, off + 0.14) - ease(t, off + 0.12, land + 0.40)
        throw = -0.5 * back + up * over + 0.3 * absorb
        puppet.set_arm(side, 0.05 + throw, np.radians(14), 0.35 + 0.25 * back, -0.1)
    puppet.lower_pelvis()
    puppet.add_jitter(rng)
    return puppet.solve_motion()


def turn_round(body: Body, frames: int, fps: float, rng: np.random.Generator) -> WorldMotion:
    """Turn on the spot by half a turn or more; the head leads, the feet follow one after the other."""
    puppet, t = Puppet(body, frames, fps), np.arange(frames) / fps
    sign, steps = (1 if rng.uniform() < 0.5 else -1), 6
    whole = sign * np.radians(rng.uniform(170, 260))
    begin, end = 0.06 * t[-1], 0.92 * t[-1]
    yaw = whole * ease(t, begin, end)
    step_time = (end - begin) / (steps + 1)
    half = 0.62 * puppet.hip_width
    lead = 0 if sign > 0 else 1  # the inner foot opens
    for side, out in ((0, 1), (1, -1)):
        own = np.zeros(frames)
        lift = np.zeros(frames)
        heading = 0.0
        for k in range(steps):
            if k % 2 != (0 if side == lead else 1):
                continue
            start = begin + k * step_time
            goal = whole * float(ease(np.array(start + 1.6 * step_time), begin, end))
            goal = whole if k >= steps - 2 else goal
            moved = ease(t, start, start + 0.95 * step_time)
            own += (goal - heading) * moved
            lift += 0.05 * puppet.size * np.sin(np.pi * np.clip((t - start) / (0.95 * step_time), 0, 1)) ** 2
            heading = goal
        x, z = out * half * np.cos(own), -out * half * np.sin(own)
        puppet.set_foot(side, x, z, own + out * np.radians(8), lift, np.radians(8) * lift / (0.05 * puppet.size))
        puppet.set_arm(
            side, 0.05 - out * sign * 0.12 * np.sin(np.pi * ease(t, begin, end)), np.radians(14), 0.35, -0.15
        )
    sway = 0.02 * puppet.size * np.sin(np.pi * (t - begin) / step_time) * ((t > begin) & (t < end - step_time))
    puppet.set_pelvis(
        sway * np.cos(yaw), puppet.standing - 0.02 - np.abs(sway) * 0.4, -sway * np.sin(yaw), yaw, np.radians(2), 0.0
    )
    ahead = whole * ease(t, begin - 0.1, end - 0.25) - yaw
    puppet.set_trunk(0.03, 0.3 * ahead)
    puppet.set_head(0.05, np.clip(0.8 * ahead, -0.8, 0.8))
    puppet.lower_pelvis()
    puppet.add_jitter(rng)
    return puppet.solve_motion()


def wave(body: Body, frames: int, fps: float, rng: np.random.Generator) -> WorldMotion:
    """Wave with one raised hand, with more weight on one leg."""
    puppet, t = Puppet(body, frames, fps), np.arange(frames) / fps
    side = int(rng.integers(2))
    sign = 1 if side == 0 else -1
    up = ease(t, 0.05, 0.8) - ease(t, t[-1] - 0.8, t[-1])
    beat = np.sin(2 * np.pi * rng.uniform(1.3, 1.8) * t) * ease(t, 0.5, 0.9)
    lean = 0.025 * puppet.size * make_slow_noise(rng, frames, fps) - sign * 0.03 * up
    puppet.set_pelvis(
        lean, puppet.standing - 0.015, 0.0, 0.05 * make_slow_noise(rng, frames, fps), 0.0, 0.04 * sign * up
    )
    puppet.set_trunk(0.02, 0.05 * make_slow_noise(rng, frames, fps), -0.08 * sign * up)
    puppet.set_head(-0.05, 0.10 * make_slow_noise(rng, frames, fps))
    _place_feet(puppet, rng, 1.15)
    # Raised sideways to the level of the shoulder, turned so that the forearm stands upright, then swung.
    out = np.radians(11) + np.radians(rng.uniform(60, 75)) * up
    bend = np.radians(16) + np.radians(rng.uniform(70, 85)) * up + 0.35 * beat * up
    puppet.set_arm(side, 0.05 + 0.15 * up, out, bend, -0.15 - 1.45 * up + 0.15 * beat * up)
    puppet.lower_pelvis()
    puppet.add_jitter(rng)
    return puppet.solve_motion()


def lunge(body: Body, frames: int, fps: float, rng: np.random.Generator) -> WorldMotion:
    """Take a long step forward, go down, and return."""
    puppet, t = Puppet(body, frames, fps), np.arange(frames) / fps
    side, length = int(rng.integers(2)), t[-1]
    step = ease(t, 0.08 * length, 0.34 * length) - ease(t, 0.66 * length, 0.92 * length)
    deep = ease(t, 0.24 * length, 0.44 * length) - ease(t, 0.56 * length, 0.76 * length)
    stride = rng.uniform(0.65, 0.85) * puppet.size
    puppet.set_pelvis(0.0, puppet.standing - 0.01 - 0.30 * puppet.size * deep, 0.5 * stride * step, 0.0, 0.12 * deep)
    puppet.set_trunk(0.08 * deep, 0.04 * make_slow_noise(rng, frames, fps))
    puppet.set_head(0.05)
    moving = 4 * step * (1 - step)
    for s, sign in ((0, 1), (1, -1)):
        x = sign * 0.55 * puppet.hip_width
        if s == side:
            puppet.set_foot(s, x, stride * step, sign * np.radians(5), 0.07 * puppet.size * moving)
        else:
            puppet.set_foot(s, x, 0.0, sign * np.radians(5), 0.0, np.radians(48) * step)
        puppet.set_arm(s, 0.1 + 0.25 * deep, np.radians(22), 0.5 + 0.8 * deep, -0.5)
    puppet.lower_pelvis()
    puppet.add_jitter(rng)
    return puppet.solve_motion()


MOTIONS: dict[str, Motion] = {
    "walk": walk, "reach": reach, "squat": squat, "jump": jump, "turn": turn_round, "wave": wave, "lunge": lunge,
}  # fmt: skip
