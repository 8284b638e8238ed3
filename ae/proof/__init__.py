"""Whether the lessons are what was published: curves, two styles of one model, errata."""
