"""Who may: organisations, projects, roles, API keys, browser sessions and sign-in links.

Refuses to know what anyone does with it. Invariant: the text of a key or token is held by nobody here but
the one answer that shows it; what is kept is its HMAC under the pepper.
"""
