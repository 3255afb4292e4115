"""BlazePose (MediaPipe's person detector and landmark model) run by LiteRT: no GL, no MediaPipe.

After the published graphs of MediaPipe 0.10.21 (`pose_detection`, `pose_landmark`; Apache-2.0), without their temporal
smoothing: the fit that follows uses the raw observations of the whole clip.
"""
