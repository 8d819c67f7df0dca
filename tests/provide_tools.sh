#!/bin/sh
# Make sure that what the tests need from outside is there: Chromium, nginx, PostgreSQL. $1 is the folder of the
# environment's commands. What cannot be had is left out by the tests, which say so at their end.
set -u
have() { command -v "$1" >/dev/null 2>&1; }

missing=""
have chromium || have chromium-browser || have google-chrome || missing="$missing chromium fonts-dejavu-core"
have nginx || missing="$missing nginx-light"
have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"

if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && have apt-get; then
    echo "Installing from Debian for the tests:$missing"
    # shellcheck disable=SC2086 # a list of names
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi
have chromium || have chromium-browser || have google-chrome || "$1/playwright" install chromium ||
    echo "No Chromium could be had: the browser tests will be left out." >&2
exit 0
