"""One trial: settings, runner, shutdown."""
