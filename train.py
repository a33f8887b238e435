"""Train a VAE on images: the same as `python -m keras_vae train`. `python train.py --help` lists the settings."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when it is imported

from keras_vae.cli.train import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], prog="train.py"))
