"""Training batches from a data set's shards: every sample once an epoch, in an order that any rank can resume.

The order is driven by the index, not by the tars: each epoch shuffles all samples of a bucket, and a sample is fetched
by a range read of its shard. A stream of whole shards through a shuffle buffer would shuffle worse, could resume only
by reading again what was seen, and would split unevenly over ranks; a sample is megabytes of video, so that a seek for
each costs little on a disk and one request on an object store.
"""
