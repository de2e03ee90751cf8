"""One scoring: what is asked, the images, what a model makes of them, and how well that tells them from its own."""
