"""The configuration: one YAML file and the environment, read once, handed out section by section.

Refuses to know what a setting does: each section is owned by the package that reads it.
Invariant: an unknown key or a wrong value is an error that names the line and what to write instead.
"""
