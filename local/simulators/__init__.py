"""The two providers, Zoom and Venafi TPP, simulated as real HTTP servers on loopback."""
