"""Other systems' files and commands, translated into ours."""
