"""Type-checks the console page, and nothing more; installs what its lock file names when that is missing.

Refuses to know how the page is built: `build_console.py` does. Invariant: exit status 0 only without a type
error.
"""

import sys

from build_console import SOURCE, BuildError, find_node, install_packages, run


def main() -> int:
    """Runs the TypeScript compiler without output and returns the exit status."""
    try:
        node, npm = find_node()
        install_packages(node, npm)
        compiler = SOURCE / "node_modules" / "typescript" / "bin" / "tsc"
        run([node, compiler, "--noEmit"], "The type check of the console", "Mend the types above.")
    except BuildError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
