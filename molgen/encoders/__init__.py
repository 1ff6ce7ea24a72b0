"""Protein encoders: a structure graph in, features of every residue out."""
