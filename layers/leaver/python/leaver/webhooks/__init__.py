"""The front door: what HR systems post, proved on its raw bytes, named once, and put on the bus."""
