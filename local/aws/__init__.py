"""AWS on one machine: what template.yaml declares, made through moto's API."""
