"""Rounded latents: levels sent top first, their layout in a file, and the codec that writes them."""
