"""Lossy coding: levels of rounded latents or of codes sent top first, their layout in a file, and the codec."""
