"""The world on one machine: AWS from template.yaml on moto, the providers simulated, events delivered."""
