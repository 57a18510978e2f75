"""The composition root: builds sources, store, output and transport from the settings and hands them to the use cases.

The only folder that knows all adapters. Imports of what only some runs need are late, so that a run that finds nothing
new starts quickly.
"""
