"""Train a VAE."""
