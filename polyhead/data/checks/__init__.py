"""Checks of whole data sets; each returns findings. Those of single formats, inputs and kinds are with these parts."""
