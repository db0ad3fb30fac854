"""What can restore an image: descriptors, the registry, safe checkpoints, networks and classical methods."""
