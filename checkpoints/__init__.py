"""Model weights shipped with molgen; installed as ``molgen.weights``."""
