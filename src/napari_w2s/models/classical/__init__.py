"""Methods without trained weights, with the same call contract as a network."""
