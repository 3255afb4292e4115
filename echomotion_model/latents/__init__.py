"""Video latents and caption embeddings of a data set, encoded once and read at every training step.

    LATENTS/{split}-{000000}.tar     one per shard: `{key}.w00.npz` a window's latents, `{key}.t00.npz` a caption
    LATENTS/{split}-{000000}.json    its contents and their origin; written last: without it the tar is ignored
    LATENTS/null-text-{hash}.npz     the text encoder's embedding of ""

LATENTS is a folder or the URL of one (s3://, gs://), by default DATASET/latents.
The time windows are those of the training loader's first epochs; a loader with latents cycles through them. A latents
shard is stale when its shard, an encoder or a setting has changed. `plan.plan_latents` finds the shards to encode,
`stage.EncodeShard` encodes one, on any executor, and `reader.open_latents` opens them.
"""
