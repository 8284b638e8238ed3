"""The lessons: one module an article, each of which runs as a script."""
