"""Runs of lessons: begun, gone on with, drawn again, and what they leave in their folders."""
