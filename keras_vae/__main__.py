"""`python -m keras_vae`: train a VAE, and evaluate or export what the training left behind."""

import sys

from keras_vae.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
