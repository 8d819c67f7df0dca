#!/bin/sh
# Make sure that there is a Chromium for the browser tests. $1 is the folder of the environment's commands.
set -u
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium from Debian for the browser tests."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core && exit 0
fi
"$1/playwright" install chromium && exit 0
echo "No Chromium could be had: the browser tests will be left out." >&2
exit 0
