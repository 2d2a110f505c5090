"""What `python benchmarks` measures, and how it is written down."""
