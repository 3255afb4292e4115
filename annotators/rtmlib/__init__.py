"""RTMPose and DWPose from ONNX files by rtmlib: the same networks without mmpose."""
