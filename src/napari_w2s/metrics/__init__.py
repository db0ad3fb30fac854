"""Image quality against a reference."""
