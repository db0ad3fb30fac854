"""The comparison in the viewer: tiles, numbers, maps, curtain and plots."""
