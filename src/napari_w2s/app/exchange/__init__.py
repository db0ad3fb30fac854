"""Models for other programs: ONNX files and BioImage Model Zoo packages."""
