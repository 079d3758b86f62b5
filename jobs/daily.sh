#!/usr/bin/env bash
# Clean, score and report one day, or each day of a range, from cron. Prints one status line per day.
#
#   jobs/daily.sh [FIRST-DAY [LAST-DAY]] [--config FILE ...] [--set KEY=VALUE ...]
#
# Days are written as 2015-12-10; the default is yesterday (UTC). The line is one of
#
#   tonality day=2015-12-10 status=ok seconds=35 tweets=90019 rejects=12 damaged=0 scored=90019 positive=41000 log=FILE
#   tonality day=2015-12-10 status=suspect reason=few-tweets,rejects seconds=35 tweets=... log=FILE
#   tonality day=2015-12-10 status=failed stage=clean exit=3 seconds=35 log=FILE
#   tonality day=2015-12-10 status=killed signal=TERM stage=clean seconds=35 log=FILE
#   tonality day=2015-12-10 status=locked lock=FILE
#
# The numbers come from the run records. A suspect day is done but should be checked, for one or more of these reasons:
# no-tweets, few-tweets, rejects, damaged, unscored, no-record.
#
# Exit status: 0 ok or suspect; that of the failing stage (2 settings, 3 nothing usable, 1 anything else); 75 if another
# run holds the lock; 128 plus the number of a signal. In a range, a day with nothing usable does not prevent the next
# from being run, but any other failure does; the status is that of the first failure.
#
# Environment variables:
#   TONALITY_LOGS=logs         folder of the logs, one file per day, and of the lock
#   TONALITY_KEEP_LOGS=90      days after which logs are removed; 0: never
#   TONALITY_WAIT=0            seconds to wait for the lock of another run
#   TONALITY_RECLEAN=0         days before the first to clean and score again, for tweets that arrive late
#   TONALITY_LEAST_TWEETS=50   suspect below this percentage of the previous day's tweets, if known; 0: never
#   TONALITY_MAX_REJECTS=1     suspect above this percentage of rejects among all records
#   TONALITY_MAX_DAMAGED=0     suspect above this number of damaged files
#   TONALITY_COMMAND=tonality  the command, for example "./tonality.pex -m tonality"
#   TONALITY_SUBMIT            a launcher for the stages, for example "spark-submit --master yarn"; default: the command
set -uo pipefail

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit
fi

jobs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
environment=$(dirname "$jobs")/.venv/bin
[ -d "$environment" ] && PATH="$environment:$PATH"
PATH=$PATH:/usr/local/bin:/usr/bin:/bin # cron's PATH may have less
logs=${TONALITY_LOGS:-logs}
keep_logs=${TONALITY_KEEP_LOGS:-90} wait=${TONALITY_WAIT:-0} reclean=${TONALITY_RECLEAN:-0}
least_tweets=${TONALITY_LEAST_TWEETS:-50} max_rejects=${TONALITY_MAX_REJECTS:-1} max_damaged=${TONALITY_MAX_DAMAGED:-0}
read -ra tonality <<<"${TONALITY_COMMAND:-tonality}"
read -ra submit <<<"${TONALITY_SUBMIT:-}"

day='' log='' stage='' child=''
started=$SECONDS

print_line() { # TEXT: print it on one line, whatever the names in it
    printf '%s\n' "${1//[[:cntrl:]]/?}"
}

print_status() { # WORD...: the status of the day, as key=value words
    print_line "tonality day=$day status=$*"
}

fail() { # MESSAGE: end before any stage has started
    print_line "daily.sh: $1" >&2
    print_status failed stage=none exit=2
    exit 2
}

add_days() { # DAY NUMBER: the day this many days later
    date -u -d "$1 $2 day" +%F
}

is_given() { # WORD: true if it is neither empty nor an option
    [[ -n ${1:-} && $1 != -* ]]
}

# shellcheck disable=SC2317 # called by traps
stop() { # NAME NUMBER: handle a signal
    trap '' TERM INT HUP
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        for _ in {1..60}; do
            kill -0 "$child" 2>/dev/null || break
            sleep 1
        done
        kill -KILL "$child" 2>/dev/null
    fi
    print_status killed "signal=$1 stage=${stage:-none} seconds=$((SECONDS - started)) log=$log"
    exit $((128 + $2))
}

await() { # FILE COMMAND...: run it with its output appended to the file; signals interrupt the wait
    local file=$1
    shift
    "$@" >>"$file" 2>&1 &
    child=$!
    wait "$child"
    local status=$?
    child=''
    return $status
}

run() { # STAGE OPTION...: run a stage
    stage=$1
    shift
    echo "== $(date -u +%FT%TZ) $stage" >>"$log"
    if ((${#submit[@]})); then
        await "$log" "${submit[@]}" "$jobs/$stage.py" "$@"
    else
        await "$log" "${tonality[@]}" "$stage" "$@"
    fi
}

clean_and_score() { # DAY OPTION...
    local date=$1
    shift
    run clean "$@" --set "archive.since=$date" --set "archive.until=$date" &&
        run score "$@" --set "score.since=$date" --set "score.until=$date"
}

records() { # DAY OPTION...: the records of runs of this day only, one per line, the newest last
    local date=$1
    shift
    "${tonality[@]}" runs --logfmt --day "$date" "$@" 2>>"$log" | grep " state=done .* since=$date until=$date "
}

number() { # LINE NAME: a number from a record by its name, or nothing
    [[ " $1 " =~ \ $2=([0-9]+)\  ]] && echo "${BASH_REMATCH[1]}"
}

judge() { # OPTION...: print the status of a finished day from its records
    local found cleaned scored previous reasons='' verdict=ok
    local tweets lines rejects damaged total positive
    found=$(records "$day" --part-of "$TONALITY_PART_OF" "$@")
    cleaned=$(grep " stage=clean " <<<"$found" | tail -n 1)
    scored=$(grep " stage=score " <<<"$found" | tail -n 1)
    tweets=$(number "$cleaned" tweets) lines=$(number "$cleaned" lines)
    rejects=$(number "$cleaned" rejects) damaged=$(number "$cleaned" damaged)
    total=$(number "$scored" writes.scored.rows) positive=$(number "$scored" positive)
    previous=$(number "$(records "$(add_days "$day" -1)" --stage clean --last 3 "$@" | tail -n 1)" tweets)
    if [ -z "$tweets" ] || [ -z "$total" ]; then
        reasons+=,no-record
    else
        ((tweets == 0)) && reasons+=,no-tweets
        ((tweets > 0 && tweets * 100 < ${previous:-0} * least_tweets)) && reasons+=,few-tweets
        ((rejects * 100 > lines * max_rejects)) && reasons+=,rejects
        ((damaged > max_damaged)) && reasons+=,damaged
        ((total != tweets)) && reasons+=,unscored
    fi
    [ -z "$reasons" ] || verdict="suspect reason=${reasons#,}"
    print_status "$verdict seconds=$((SECONDS - started)) tweets=$tweets rejects=$rejects damaged=$damaged" \
        "scored=$total positive=$positive log=$log"
}

process_day() { # OPTION...: the day, from its files to its status line
    local status
    started=$SECONDS log=$logs/daily-$day.log
    TONALITY_PART_OF=daily-$day-$(date -u +%Y%m%dT%H%M%SZ)
    export TONALITY_PART_OF
    clean_and_score "$day" "$@" && run report "$@"
    status=$?
    if ((status)); then
        print_status failed "stage=$stage exit=$status seconds=$((SECONDS - started)) log=$log"
        tail -n 5 "$log" >&2
    else
        judge "$@"
    fi
    return $status
}

first=$(date -u -d yesterday +%F)
if is_given "${1:-}"; then
    first=$1
    shift
fi
last=$first
if is_given "${1:-}"; then
    last=$1
    shift
fi
day=$first
for name in keep_logs wait reclean least_tweets max_rejects max_damaged; do
    [[ ${!name} =~ ^(0|[1-9][0-9]{0,8})$ ]] || fail "TONALITY_${name^^} is ${!name}, expected a whole number"
done
for day in "$first" "$last"; do
    [ "$(add_days "$day" 0 2>&1)" = "$day" ] || fail "$day is not a day, expected for example 2015-12-10"
done
day=$first
[[ ! $first > $last ]] || fail "the first day, $first, is after the last, $last"

trap 'stop HUP 1' HUP
trap 'stop INT 2' INT
trap 'stop TERM 15' TERM
if ! mkdir -p "$logs" || ! : >>"$logs/daily.lock"; then
    fail "$logs cannot be written: name another folder with TONALITY_LOGS"
fi
exec 9>>"$logs/daily.lock"
if ! await /dev/null flock -w "$wait" 9; then
    print_status locked "lock=$logs/daily.lock"
    exit 75
fi
((keep_logs)) && find "$logs" -maxdepth 1 -name 'daily-????-??-??.log' -mtime "+$keep_logs" -delete

for ((n = reclean; n > 0; n--)); do
    earlier=$(add_days "$first" "-$n")
    log=$logs/daily-$first.log
    TONALITY_PART_OF=daily-$first-again-$earlier clean_and_score "$earlier" "$@"
    status=$?
    if ((status != 0 && status != 3)); then # 3: the day's files no longer exist, so nothing can have arrived late
        print_status failed "stage=$stage exit=$status of=$earlier seconds=$((SECONDS - started)) log=$log"
        tail -n 5 "$log" >&2
        exit "$status"
    fi
done

result=0
while [[ ! $day > $last ]]; do
    process_day "$@"
    status=$?
    ((result)) || result=$status
    ((status == 0 || status == 3)) || break
    day=$(add_days "$day" 1)
done
exit "$result"
