#!/usr/bin/env bash
# One day, for cron: clean, score and report it.
#
#   jobs/daily.sh [YYYY-MM-DD] [--config FILE ...] [--set KEY=VALUE ...]
#
# The day is yesterday (UTC) where none is given. Logs go to $TONALITY_LOGS (default: logs/ in the working directory),
# one file a day. A second run of the same night finds the lock and stops. The last line on stdout says how it went.
# Exit status: the failing stage's (2 settings, 3 nothing usable, 1 anything else), 75 where another run holds the lock.
# Stages run through $TONALITY_SUBMIT, for example "spark-submit --master yarn"; by default `tonality`, in local mode.
set -uo pipefail

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit
fi
day=$(date -u -d yesterday +%F) || exit 1
if [[ ${1:-} =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]]; then
    day=$1
    shift
fi
jobs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
environment=$(dirname "$jobs")/.venv/bin
[ -d "$environment" ] && PATH="$environment:$PATH"
logs=${TONALITY_LOGS:-logs}
mkdir -p "$logs" || exit 1
log=$logs/daily-$day.log
started=$SECONDS

exec 9>"$logs/daily.lock"
if ! flock -n 9; then
    echo "tonality $day: another run holds $logs/daily.lock"
    exit 75
fi

stage() {
    local name=$1
    shift
    echo "== $(date -u +%FT%TZ) $name" >>"$log"
    if [ -n "${TONALITY_SUBMIT:-}" ]; then
        $TONALITY_SUBMIT "$jobs/$name.py" "$@" >>"$log" 2>&1
    else
        tonality "$name" "$@" >>"$log" 2>&1
    fi
    local status=$?
    if [ $status -ne 0 ]; then
        echo "tonality $day: $name failed with status $status after $((SECONDS - started)) s, see $log"
        tail -n 5 "$log" >&2
        exit $status
    fi
}

stage clean "$@" --set "archive.since=$day" --set "archive.until=$day"
stage score "$@" --set "score.since=$day" --set "score.until=$day"
stage report "$@"
echo "tonality $day: done in $((SECONDS - started)) s, $(tail -n 1 "$log")"
