"""English sentences for measured facts. Nothing is described that was not measured."""

from dataclasses import dataclass

from annotators.captions.config import CaptionConfig
from annotators.captions.movement.events import Event, Kind
from annotators.captions.movement.kinematics import GAITS, KinematicFacts

_FACING = {
    "camera": "facing the camera",
    "away": "facing away from the camera",
    "left": "facing the left of the picture",
    "right": "facing the right of the picture",
}
_PACED = frozenset(
    {Kind.ARM_RAISE, Kind.ARM_LOWER, Kind.ARM_UP_DOWN, Kind.REACH, Kind.SQUAT, Kind.LUNGE, Kind.CROUCH, Kind.RISE,
     Kind.BEND, Kind.STRAIGHTEN, Kind.TURN, Kind.LEG_LIFT, Kind.KNEE_RAISE}
)  # fmt: skip
_PACE_SCALE = {
    Kind.SQUAT: 2.5, Kind.LUNGE: 2.5, Kind.CROUCH: 2.5, Kind.RISE: 2.5, Kind.BEND: 2.5, Kind.STRAIGHTEN: 2.5,
    Kind.TURN: 1.2,
}  # fmt: skip
"""The factor for a kind's speed before it is compared with the limits for hands and feet."""
_COUNTS = {1: "", 2: " twice", 3: " three times", 4: " four times", 5: " five times"}


@dataclass(frozen=True, slots=True)
class Clause:
    """A verb phrase in two forms: "raises the left arm", "raising the left arm"."""

    finite: str
    gerund: str
    rest: str
    adverb: str = ""

    def format(self, gerund: bool = False) -> str:
        """Return the phrase, in its finite or its gerund form."""
        words = (self.adverb, self.gerund if gerund else self.finite, self.rest)
        return " ".join(w for w in words if w)


def _name_arm(side: str) -> str:
    return "both arms" if side == "both" else f"the {side} arm"


def _name_hand(side: str) -> str:
    return "both hands" if side == "both" else f"the {side} hand"


def _join_words(*words: str) -> str:
    return " ".join(w for w in words if w)


def _phrase_count(event: Event) -> str:
    return _COUNTS.get(event.times, " several times")


def _phrase_turn(event: Event) -> str:
    near = min((45, 90, 135, 180, 270, 360), key=lambda d: abs(d - event.amount))
    return (
        f"about {near} degrees to their {event.side}"
        if event.amount <= 400
        else f"more than once to their {event.side}"
    )


def _phrase_gait(event: Event) -> Clause:
    finite, gerund = {Kind.WALK: ("walks", "walking"), Kind.RUN: ("runs", "running"), Kind.STEP: ("steps", "stepping")}[
        event.kind
    ]
    where = event.direction or ("from foot to foot" if event.kind is Kind.STEP else "")
    return Clause(
        finite, gerund, _join_words(where + ("," if event.level.startswith("lifting") and where else ""), event.level)
    )


def phrase_event(event: Event, config: CaptionConfig) -> Clause:
    """Describe one event."""
    side, way, level = event.side, event.direction, event.level
    adverb = ""
    if event.kind in _PACED:
        pace = event.speed * _PACE_SCALE.get(event.kind, 1.0)
        adverb = "quickly" if pace > config.quick else "slowly" if 0 < pace < config.slow else ""
    match event.kind:
        case Kind.WALK | Kind.RUN | Kind.STEP:
            return _phrase_gait(event)
        case Kind.ARM_RAISE:
            return Clause(
                "raises",
                "raising",
                _join_words(_name_arm(side), "sideways" if level and way.startswith("out") else way, level),
                adverb,
            )
        case Kind.ARM_LOWER:
            return Clause("lowers", "lowering", _name_arm(side), adverb)
        case Kind.ARM_UP_DOWN:
            return Clause("raises and lowers", "raising and lowering", _name_arm(side) + _phrase_count(event), adverb)
        case Kind.REACH:
            return Clause("reaches", "reaching", _join_words(way, f"with {_name_hand(side)}"), adverb)
        case Kind.WAVE:
            return Clause("waves", "waving", _name_hand(side))
        case Kind.ARM_SWING:
            return Clause("swings", "swinging", _join_words(_name_arm(side), "back and forth", way))
        case Kind.ELBOW_BEND:
            return Clause("bends", "bending", "both elbows" if side == "both" else f"the {side} elbow")
        case Kind.ELBOW_STRAIGHTEN:
            return Clause("stretches", "stretching", _name_arm(side))
        case Kind.KICK:
            return Clause("kicks", "kicking", f"forward with the {side} leg" + _phrase_count(event))
        case Kind.LEG_LIFT:
            return Clause("lifts", "lifting", _join_words(f"the {side} leg", way) + _phrase_count(event), adverb)
        case Kind.KNEE_RAISE:
            return Clause("raises", "raising", f"the {side} knee" + _phrase_count(event), adverb)
        case Kind.FOOT_LIFT:
            return Clause("lifts", "lifting", _join_words(f"the {side} foot", way) + _phrase_count(event))
        case Kind.SQUAT:
            if event.level == "shallow":
                return Clause(
                    "bends and straightens", "bending and straightening", "both knees" + _phrase_count(event), adverb
                )
            if event.times > 1:
                return Clause("squats and rises", "squatting and rising", _phrase_count(event).strip(), adverb)
            return Clause("squats down and rises again", "squatting down and rising again", "", adverb)
        case Kind.LUNGE:
            return Clause("lunges", "lunging", f"with the {side} leg in front" + _phrase_count(event), adverb)
        case Kind.CROUCH:
            return Clause("sinks", "sinking", "down, bending both knees", adverb)
        case Kind.RISE:
            return Clause("rises", "rising", "from bent knees", adverb)
        case Kind.BEND:
            return Clause("bends", "bending", "forward at the hips", adverb)
        case Kind.STRAIGHTEN:
            return Clause("straightens", "straightening", "up", adverb)
        case Kind.LEAN:
            return Clause("leans", "leaning", f"to their {side}")
        case Kind.TURN:
            return Clause("turns", "turning", _phrase_turn(event), adverb)
        case Kind.JUMP:
            return Clause("jumps", "jumping", _phrase_count(event).strip())
        case Kind.TRAVEL:
            return Clause("moves", "moving", _join_words(f"{level}," if level else "", way))


def _select_events(facts: KinematicFacts, limit: int) -> list[Event]:
    """Return the events of the largest weights, in order of time."""
    heavy = [e for e in facts.events if e.weight >= 0.3] or list(facts.events)
    kept = sorted(heavy, key=lambda e: (-e.weight, e.start))[:limit]
    return sorted(kept, key=lambda e: (e.start, -e.weight))


def phrase_predicate(facts: KinematicFacts, config: CaptionConfig) -> str:
    """Describe what the person does: "first raises the left arm above the head, then raises the right arm"."""
    groups: list[list[Event]] = []
    for event in _select_events(facts, config.max_clauses):
        if groups and event.compute_overlap(groups[-1][0]) > 0.5 and len(groups[-1]) < 3:
            groups[-1].append(event)
        else:
            groups.append([event])
    phrases = []
    for group in groups:
        lead = next((e for e in group if e.kind in GAITS), group[0])
        others = [phrase_event(e, config).format(gerund=True) for e in group if e is not lead]
        text = phrase_event(lead, config).format()
        phrases.append(f"{text} while {' and '.join(others)}" if others else text)
    if not phrases:
        return _phrase_idle(facts)
    if len(phrases) == 1:
        return phrases[0]
    if len(phrases) == 2:
        return f"first {phrases[0]}, then {phrases[1]}"
    return f"first {phrases[0]}, then {', then '.join(phrases[1:-1])} and finally {phrases[-1]}"


def _phrase_idle(facts: KinematicFacts) -> str:
    if facts.measured < 0.25:
        return "is in view"
    if facts.still:
        return (
            "stands still" if facts.upright else "stays almost still" + (" with both knees bent" if facts.low else "")
        )
    limbs = [
        f"both {limb}s" if {f"left {limb}", f"right {limb}"} <= set(facts.active) else f"the {side} {limb}"
        for limb in ("arm", "leg")
        for side in [next((a.split()[0] for a in facts.active if a.endswith(limb)), "")]
        if side
    ]
    if limbs:
        return f"moves {' and '.join(limbs)}" + (" while standing" if facts.upright else "")
    return "stands, hardly moving" if facts.upright else "hardly moves"


def write_action(facts: KinematicFacts, config: CaptionConfig) -> str:
    """Write a sentence: "Facing the camera, the person squats down and rises again."."""
    text = phrase_predicate(facts, config)
    facing = _FACING.get(facts.facing, "")
    return f"{facing.capitalize()}, the person {text}." if facing else f"The person {text}."


def write_full(appearance: str, background: str, facts: KinematicFacts, config: CaptionConfig) -> str:
    """Write one or two sentences: who, what, and where."""
    comma = "," if ", with" in appearance else ""
    facing = _FACING.get(facts.facing, "")
    who = f"{appearance[0].upper()}{appearance[1:]}{comma}"
    if facing:
        who = f"{who.removesuffix(',')}, {facing},"
    text = f"{who} {phrase_predicate(facts, config)}."
    return f"{text} {background}" if background else text
