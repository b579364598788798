"""The classes that NNI instantiates: they translate and delegate, nothing else."""
