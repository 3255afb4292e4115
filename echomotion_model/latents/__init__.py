"""Video latents and text embeddings beside a data set: encoded once, read at every step.

    LATENTS/{split}-{000000}.tar     one for each shard: `{key}.w00.npz` a window's latents, `{key}.t00.npz` a caption
    LATENTS/{split}-{000000}.json    what it holds and what it was made from; written last: without it the tar is none
    LATENTS/null-text-{hash}.npz     the text encoder's embedding of ""

LATENTS is a folder or the address of one (s3://, gs://): DATASET/latents unless another is named.
The time windows are those that the training loader draws in its first epochs, and a loader with latents goes round
them. A side shard is stale when its shard, an encoder or a setting has changed since; `plan.plan_latents` finds
those to be made, `stage.EncodeShard` makes one, on any executor, and `reader.open_latents` reads them.
"""
