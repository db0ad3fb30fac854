"""Models from elsewhere: packages of the BioImage Model Zoo, read without running anything in them."""
