"""`hpo-nni`: one file per command."""
