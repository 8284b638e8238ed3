"""What the lessons' claims and errata measure, and the networks that judge."""
