"""What the lessons' articles say: published numbers, claims, errata, and the corrected variants."""
