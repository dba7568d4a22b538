"""Azure's shape: its names of models, its rules for jobs, and deployments."""
