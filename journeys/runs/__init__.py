"""The pipeline without a person: its steps once or at an interval, one process at a time, each step noted."""
