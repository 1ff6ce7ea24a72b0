"""Decoys: models of a native structure with the errors that predicted models show."""
