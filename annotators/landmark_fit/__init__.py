"""SMPL motion from landmarks: repair in time, inverse kinematics, a fit over the whole clip, smoothing, confidence."""
