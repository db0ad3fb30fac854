"""Train on one's own images: what is asked for, planned, run and used afterwards. No Qt."""
