"""Still photographs and living faces, both drawn."""
