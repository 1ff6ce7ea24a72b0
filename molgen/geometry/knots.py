"""Where learned curves over the distance of two atoms have their values."""

import numpy as np

KNOTS = np.array([0.0, 2.0, 2.4, 2.8, 3.2, 3.6, 4.0, 4.5, 5.0, 5.6, 6.4, 7.2, 8.0])
"""Å; curves are piecewise linear between them, and zero at the last."""
