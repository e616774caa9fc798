"""Whose access is ended, and which HR systems are asked: a folder for each of them, and how requests are sent."""
