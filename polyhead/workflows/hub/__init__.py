"""A model that is shared: saved into a folder, loaded from there or from the Hugging Face Hub, and uploaded."""
