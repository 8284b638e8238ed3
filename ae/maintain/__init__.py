"""For maintainers: keeps records of runs, fills the gallery and the tables of the READMEs."""
