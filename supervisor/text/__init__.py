"""What the commands say: tables, timelines, diagnoses, diagrams."""
