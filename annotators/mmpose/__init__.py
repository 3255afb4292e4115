"""RTMPose and DWPose by mmpose: body (COCO-17) and whole body (COCO-WholeBody-133), top-down on the person's track."""
