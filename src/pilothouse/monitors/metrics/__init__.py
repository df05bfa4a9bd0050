"""Custom metrics: numbers that the configuration declares, computed of each call as it gets on record.

Refuses to know how a number is charted or alerted on. Invariant: no definition can take the process down,
write anything but its own values, or read anything but the record.
"""
