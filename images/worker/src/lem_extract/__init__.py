"""Reads the parameters of an inference engine out of its source, by `ast`.

It never imports the engine: that would need its GPU libraries, and would run its code. What it
finds is written as `catalogues/<backend>-<version>.json`. It must not know what a parameter is good
for: that stands in the curated file beside it. It hands on facts, and no sentence of the engine's authors.
"""

FORMAT = 2
"""Layout of the files that are written: `schema_version` there."""
