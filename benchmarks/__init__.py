"""What the documentation's figures are made by.

``python -m benchmarks`` measures speed and memory as ratios within one run; other modules measure quality, most of them
on real images, and say in their docstrings how they are run.
"""
