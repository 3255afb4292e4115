"""Training batches from a data set's shards: every sample once per epoch, in an order that any rank can resume.

The order comes from the index, not from the tars: each epoch shuffles all samples of a bucket, and a sample is read by
a range read of its shard. Streaming whole shards through a shuffle buffer would shuffle worse, need to read samples
again on resume, and split unevenly over ranks; as a sample is megabytes of video, a seek per sample costs little on a
disk, and one request on an object store.
"""
