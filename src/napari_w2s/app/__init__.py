"""Use cases and evented state, without Qt or napari: what the command line and the widgets share."""
