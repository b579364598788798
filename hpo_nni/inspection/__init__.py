"""What can be looked at before anything starts: this machine, its NNI, the accounts, the data."""
