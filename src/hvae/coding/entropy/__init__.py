"""From distributions to integers and bits: curves, bins, symbols, the stack and the queue, and how to compute alike."""
