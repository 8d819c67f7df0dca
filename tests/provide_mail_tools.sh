#!/bin/sh
# Install Postfix from Debian for the proofs about mail: its smtp-sink and smtp-source, and a server on loopback with a
# configuration of its own. The machine's own mail server is neither configured nor started.
set -u
[ -x /usr/sbin/smtp-sink ] && [ -x /usr/lib/postfix/sbin/master ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Postfix is not here, and only root can install it: apt-get install postfix" >&2
    exit 1
fi
echo "Installing Postfix from Debian for the proofs about mail"
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postfix >/dev/null
