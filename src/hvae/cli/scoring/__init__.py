"""One scoring: the images, what a model makes of them, how well that tells them from its own, and how it is told."""
