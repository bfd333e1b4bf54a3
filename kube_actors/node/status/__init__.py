"""What the API is told of pods."""
