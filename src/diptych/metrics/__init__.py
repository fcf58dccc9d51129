"""Numbers for rankings and pictures.

`ranking` finds where relevant items stand, `measures` turns that into numbers, `statistics` says how far to trust them;
`image_quality` compares two pictures.
"""
