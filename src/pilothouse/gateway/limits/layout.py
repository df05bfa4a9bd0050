"""Where each number stands in the file of counters: a header, an index, then rows of one size.

    header   magic, boot, width of a bucket, newest bucket seen, highest slot, the process of each slot
    index    the numbers of the rows that were made, so that nobody reads the others
    row      digest of the limited id, running totals, one count of calls under way for each worker's slot,
             and two rings of buckets: requests and tokens

A bucket is a 240th of the window (0.25 s of 60 s). 242 are kept, so what was let in is forgotten after 241
buckets at the least and 242 at the most: 60.25 to 60.5 s. Never more than the limit in any 60 s, and at a
steady rate 99.2 % of it.

Refuses to know files and processes. Invariant: another layout has another `MAGIC`, so it is never misread.
"""

from typing import Final

MAGIC: Final = b"PHCNT01\n"

BUCKETS_A_WINDOW: Final = 240
KEPT: Final = 242
"""Buckets that count: a whole window, the one that is being filled, and one that absorbs the moment between
the reading of the clock and the sending of the call."""
SLOTS: Final = 128
"""Workers that may count in one file at once."""
ROWS: Final = 32_768
HEADER_BYTES: Final = 4096
ROWS_AT: Final = HEADER_BYTES + 4 * ROWS
"""The first row, in bytes; between the header and it are the numbers of the rows that were made."""
ROW_BYTES: Final = 2368

# The header, in bytes.
BOOT_AT: Final = 8
BOOT_BYTES: Final = 16
# The header, in cells of 8 bytes.
BUCKET_NS: Final = 3
ROW_COUNT: Final = 4
CLOCK: Final = 5
"""The newest bucket that any worker has seen."""
HIGH_SLOT: Final = 6
"""One more than the highest slot ever taken."""
TAKEN: Final = 7
"""Rows that were made."""
HAS_WINDOWS: Final = 8
"""1 when what the journal knows of the last minute was counted, after the file was made."""
MADE_NS: Final = 9
"""Unix nanoseconds when the file was made."""
PROCESSES: Final = 128
"""The first of `SLOTS` cells: the process id of each slot, 0 when it is free."""

# A row, in bytes.
DIGEST_BYTES: Final = 16
# A row, in cells of 8 bytes.
LAST: Final = 2
"""The bucket up to which the rings hold."""
NEWEST: Final = 3
"""The bucket of the last request that was let in."""
REQUESTS: Final = 4
TOKENS: Final = 5
DAY: Final = 6
"""The UTC day of the next cell, counted from 1970-01-01."""
DAY_NANO_USD: Final = 7
MONTH: Final = 8
"""The UTC month of the next cell: twelve times the year, plus the month from 0."""
MONTH_NANO_USD: Final = 9
MONEY_SINCE_NS: Final = 10
"""Unix nanoseconds since when money is counted here as it is spent; 0: it is not."""
MONEY_FROM_NS: Final = 11
"""Unix nanoseconds up to which the sums hold what came before; what lies between is in the journal."""
IS_RECOUNTED: Final = 12
"""1 when the sums are whole."""
ROW_CELLS: Final = 13
# A row, in cells of 2 and of 4 bytes.
SLOT_CELL: Final = 64
REQUEST_RING: Final = 96
TOKEN_RING: Final = REQUEST_RING + KEPT


def file_bytes(rows: int) -> int:
    """Returns the size of a file of so many rows; it is sparse, so that only rows in use take room."""
    return ROWS_AT + rows * ROW_BYTES
