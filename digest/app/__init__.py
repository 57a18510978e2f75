"""The joining: builds sources, store, output and transport from the settings and hands them to the use cases.

The only folder that knows all hands. Imports of what only some runs need are late, so that a run that finds nothing
new starts quickly.
"""
