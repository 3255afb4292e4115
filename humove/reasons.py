"""Reasons of rejections and faults."""

from enum import StrEnum


class Reason(StrEnum):
    """The reason that a rejected video, shot or clip carries in outcomes.parquet."""

    UNREADABLE = "unreadable"
    NO_VIDEO_STREAM = "no_video_stream"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    TOO_SHORT = "too_short"
    TOO_SMALL = "too_small"
    TOO_DARK = "too_dark"
    OVEREXPOSED = "overexposed"
    BLURRY = "blurry"
    FROZEN = "frozen"
    NO_PERSON = "no_person"
    SEVERAL_PEOPLE = "several_people"
    PARTIAL_BODY = "partial_body"
    PERSON_TOO_SMALL = "person_too_small"
    TRACK_LOST = "track_lost"
    NO_MOTION = "no_motion"
    LOW_MOTION_QUALITY = "low_motion_quality"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    LOW_AESTHETIC = "low_aesthetic"
    LOW_TECHNICAL_QUALITY = "low_technical_quality"
    BURNT_IN_TEXT = "burnt_in_text"
    WATERMARK = "watermark"
    BAD_CAPTION = "bad_caption"
    NOT_SELECTED = "not_selected"
