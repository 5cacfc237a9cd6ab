"""The terminal side: commands, and what they print. It launches engine processes and never loads torch."""
