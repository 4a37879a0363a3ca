"""The worker of the Python engines: one conversation with lemctl, one engine behind a small interface."""
