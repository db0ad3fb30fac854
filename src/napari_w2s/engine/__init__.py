"""Any model over any array: tiles, devices, precision, progress and stop. No napari, no Qt."""
