"""Runs that are given away: scrubbed, with a card, packed or pushed; and those that are fetched."""
