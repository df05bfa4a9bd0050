"""The management API: each package's routes mounted, errors in one shape, the documentation and the console.

Refuses to know what any route does. Invariant: no path of an API is ever answered with the console's page.
"""
