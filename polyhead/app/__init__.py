"""A page in the browser that shows a trained model: try it, see why it predicts what it does, and how well it does."""
