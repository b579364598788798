"""Ask/tell optimizers that know nothing of NNI."""
