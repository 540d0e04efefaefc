"""What goes wrong where: slices of a test that are worse than the rest, and errors against facts such as the size."""
