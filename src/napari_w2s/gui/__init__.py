"""The only room that knows napari and Qt: hooks, widgets, and the bridge between layers and images."""
