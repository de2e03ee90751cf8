"""Sequences: piano rolls, sound, text and motion, read from anywhere and brought to one form."""
