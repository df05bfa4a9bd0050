"""Questions to the record of calls, each a named function with a typed answer.

Refuses to know verdicts, and how calls got on record.
Invariant: a question reads only, and its cost is bounded in time and memory.
"""
