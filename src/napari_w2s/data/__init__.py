"""What W2S and other images are on disk: facts, paths, lazy pixels, downloads and simulation."""
