"""A Hugging Face Space that shows a run: its files, their licenses, the folder, and the upload."""
