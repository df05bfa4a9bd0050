"""Which deployment a call goes to, and what is known of each: strategies, vitals, breakers, retries.

Refuses to know calls, sockets and clients: it sees deployments as seats, and time as a number. Invariant: no
step here costs more than looking at each of a model's deployments once.
"""
