"""Listening tests by the MUSHRA method: what is heard, what listeners wrote, and what that says."""
