"""Zoom: its REST API, its OAuth endpoints, and what their answers mean."""
