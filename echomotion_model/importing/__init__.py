"""Import of motion as motion-only shards: AMASS, HumanML3D through its index and AMASS, BVH motion capture.

`run.import_motion` imports a folder; `single.load_motion` reads one file in the same way, for generation.
"""
