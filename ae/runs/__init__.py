"""Runs of lessons: training, resuming and redrawing, and the folder that a run leaves."""
