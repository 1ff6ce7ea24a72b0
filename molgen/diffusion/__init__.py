"""SIDEGEN: ligand poses by denoising diffusion in the field of a target."""
