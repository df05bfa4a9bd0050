"""The layout of a home folder: every path that more than one process must agree on.

Refuses to know what is inside the files. Invariant: all paths are derived from the home folder alone, so
two homes never meet. Pure path arithmetic: nothing is created or read here.
"""

from hashlib import sha256

import msgspec

LONGEST_RUN_FOLDER = 80
"""A Unix socket's path holds 107 bytes (unix(7)); this leaves room for the longest file name here."""


class Home(msgspec.Struct, frozen=True):
    """Where things are kept, as absolute path strings."""

    root: str

    @property
    def journal(self) -> str:
        """The folder of journal segments."""
        return f"{self.root}/journal"

    @property
    def telemetry(self) -> str:
        """The folder of journal segments of what applications sent, apart from the calls'."""
        return f"{self.root}/telemetry"

    @property
    def staging(self) -> str:
        """The folder where decoded telemetry waits for its place in the analytics files."""
        return f"{self.analytics}/staging"

    @property
    def export_cursor(self) -> str:
        """How far the journal was sent on as OpenTelemetry."""
        return f"{self.root}/state/export-cursor.json"

    @property
    def archive(self) -> str:
        """The folder of cold days, as Parquet."""
        return f"{self.analytics}/archive"

    @property
    def keys(self) -> str:
        """The 0700 folder of secrets: pepper, master key, keyring, signing keys, root key."""
        return f"{self.root}/keys"

    @property
    def pepper(self) -> str:
        """32 random bytes under which API keys and subjects are hashed (0600)."""
        return f"{self.keys}/pepper"

    @property
    def master_key(self) -> str:
        """32 random bytes that wrap the keyring's keys (0600)."""
        return f"{self.keys}/master.key"

    @property
    def keyring(self) -> str:
        """Data subjects' keys, each wrapped by the master key (0600)."""
        return f"{self.keys}/keyring"

    @property
    def signing_key(self) -> str:
        """Ed25519 private key that signs snapshots, raw 32 bytes (0600; control only)."""
        return f"{self.keys}/snapshot.key"

    @property
    def verifying_key(self) -> str:
        """Ed25519 public key that verifies snapshots, raw 32 bytes."""
        return f"{self.keys}/snapshot.pub"

    @property
    def search_key(self) -> str:
        """32 random bytes under which words are hashed for the text index (0600; control only)."""
        return f"{self.keys}/search.key"

    @property
    def root_key(self) -> str:
        """The root API key as text, when Pilothouse made it itself (0600)."""
        return f"{self.keys}/root.key"

    @property
    def snapshot(self) -> str:
        """The signed snapshot that is in force."""
        return f"{self.root}/snapshot/current"

    @property
    def artefacts(self) -> str:
        """The content-addressed store of model files."""
        return f"{self.root}/artefacts"

    @property
    def state(self) -> str:
        """The SQLite database of state."""
        return f"{self.root}/state/state.sqlite"

    @property
    def analytics(self) -> str:
        """The folder of analytics databases: `calls.duckdb` and `content/<day>.duckdb`."""
        return f"{self.root}/analytics"

    @property
    def backups(self) -> str:
        """The folder of backups."""
        return f"{self.root}/backups"

    @property
    def logs(self) -> str:
        """The folder of structured logs, one file a process."""
        return f"{self.root}/logs"

    @property
    def run(self) -> str:
        """The 0700 folder of sockets and the lock; in /tmp when the home's own path is too long."""
        folder = f"{self.root}/run"
        if len(folder.encode()) <= LONGEST_RUN_FOLDER:
            return folder
        return f"/tmp/pilothouse-{sha256(self.root.encode()).hexdigest()[:16]}"  # noqa: S108 - 0700, owner checked at start

    @property
    def control_socket(self) -> str:
        """Where the gateway reaches control; a caller there must still show a key or session."""
        return f"{self.run}/control.sock"

    @property
    def admin_socket(self) -> str:
        """Where local commands reach control; the folder's permission is the credential."""
        return f"{self.run}/admin.sock"

    @property
    def supervisor_status_socket(self) -> str:
        """The supervisor's `/status`."""
        return f"{self.run}/supervisor.sock"

    @property
    def orders_socket(self) -> str:
        """Where the supervisor takes orders: reload, upgrade."""
        return f"{self.run}/orders.sock"

    @property
    def counters(self) -> str:
        """The file in which all gateway workers of this host count against limits."""
        return f"{self.run}/counters.v1"

    @property
    def budgets(self) -> str:
        """What was spent of each budget, so that the counters can be made again with little reading."""
        return f"{self.root}/limits/budgets.json"

    @property
    def host_id(self) -> str:
        """The random name under which this home counts together with others."""
        return f"{self.root}/limits/host"

    def gateway_status_socket(self, worker: str) -> str:
        """Returns where the gateway worker `worker` answers `/status`."""
        return f"{self.run}/gateway-{worker}.sock"

    def engine_socket(self, number: int) -> str:
        """Returns where the engine of the `number`-th local deployment listens."""
        return f"{self.run}/engine-{number}.sock"
