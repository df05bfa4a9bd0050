#!/bin/sh
# Installs the Debian packages that are missing, or names them in one line.
#
#   system_packages.sh PURPOSE PACKAGE[=COMMAND-OR-FILE-OR-LIBRARY]...
#
# A package is there when the command of its name is, or the command, file or library (libx.so.1) after "=". Never fails: what
# needs the package says so by itself (in CI the test that would be skipped for it fails).
set -eu
PATH=$PATH:/usr/sbin:/sbin
purpose=$1
shift

is_there() {
  case $1 in
    lib*.so.*) ldconfig -p 2>/dev/null | grep -qF "$1" ;;
    *) command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] ;;
  esac
}

missing=""
for item in "$@"; do
  package=${item%%=*}
  probe=${item#*=}
  is_there "$probe" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing for $purpose:$missing ..."
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 - the list is meant to split
  install() { apt-get install --yes --quiet --no-install-recommends $missing >/dev/null 2>&1; }
  # The package lists are fetched only when they are missing or too old to install from.
  install || { apt-get update --quiet >/dev/null 2>&1 && install; } && exit 0
fi
echo "Missing for $purpose:$missing (on Debian or Ubuntu: apt-get install$missing)." >&2
