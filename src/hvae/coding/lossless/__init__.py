"""Bits-back coding: calibrated bins, the orders of pops and pushes, blocks, and the codec that writes them."""
