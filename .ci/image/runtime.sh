#!/bin/sh
# The last stage of the Dockerfile: an account without rights, and the one folder it may write to.
set -eu
groupadd --gid 10001 tassel
useradd --uid 10001 --gid tassel --home-dir /data --no-create-home --shell /usr/sbin/nologin tassel
install -d -o tassel -g tassel -m 0700 /data
rm /tmp/runtime.sh
