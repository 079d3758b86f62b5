#!/usr/bin/env bash
# A day, or each day of a range, for cron: clean, score and report it. A line on stdout says how each went.
#
#   jobs/daily.sh [FIRST-DAY [LAST-DAY]] [--config FILE ...] [--set KEY=VALUE ...]
#
# Days are written 2015-12-10; it is yesterday (UTC) where none is given. The line is one of
#
#   tonality day=2015-12-10 status=ok seconds=35 tweets=90019 rejects=12 damaged=0 scored=90019 positive=41000 log=FILE
#   tonality day=2015-12-10 status=suspect reason=few-tweets,rejects seconds=35 tweets=... log=FILE
#   tonality day=2015-12-10 status=failed stage=clean exit=3 seconds=35 log=FILE
#   tonality day=2015-12-10 status=killed signal=TERM stage=clean seconds=35 log=FILE
#   tonality day=2015-12-10 status=locked lock=FILE
#
# Its numbers are those of the run records. suspect is a day that is done but should be looked at, for one or more of
# these reasons: no-tweets, few-tweets, rejects, damaged, unscored, no-record.
#
# Exit status: 0 ok or suspect; the failing stage's (2 settings, 3 nothing usable, 1 anything else); 75 where another
# run holds the lock; 128 and the signal's number. In a range a day with nothing usable does not keep the next from
# being tried, any other failure does; the first failure's status counts.
#
# The environment:
#   TONALITY_LOGS=logs         the folder of the logs, one file a day, and of the lock
#   TONALITY_KEEP_LOGS=90      days after which a log is removed; 0: none is
#   TONALITY_WAIT=0            seconds to wait for another run's lock
#   TONALITY_RECLEAN=0         days before the first that are cleaned and scored again, for tweets that came late
#   TONALITY_LEAST_TWEETS=50   suspect below so many percent of the day before's tweets, where that is known; 0: never
#   TONALITY_MAX_REJECTS=1     suspect above so many percent of all records
#   TONALITY_MAX_DAMAGED=0     suspect above so many damaged files
#   TONALITY_COMMAND=tonality  the command, for example "./tonality.pex -m tonality"
#   TONALITY_SUBMIT            what stages run through, for example "spark-submit --master yarn"; else the command
set -uo pipefail

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit
fi

jobs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
environment=$(dirname "$jobs")/.venv/bin
[ -d "$environment" ] && PATH="$environment:$PATH"
PATH=$PATH:/usr/local/bin:/usr/bin:/bin # cron's may have less
logs=${TONALITY_LOGS:-logs}
keep_logs=${TONALITY_KEEP_LOGS:-90} wait=${TONALITY_WAIT:-0} reclean=${TONALITY_RECLEAN:-0}
least_tweets=${TONALITY_LEAST_TWEETS:-50} max_rejects=${TONALITY_MAX_REJECTS:-1} max_damaged=${TONALITY_MAX_DAMAGED:-0}
read -ra tonality <<<"${TONALITY_COMMAND:-tonality}"
read -ra submit <<<"${TONALITY_SUBMIT:-}"

day='' log='' stage='' child=''
started=$SECONDS

tell() { # how the day went, as key=value words
    echo "tonality day=$day status=$*"
}

fail() { # FAULT: what cannot be begun, with no stage to blame
    echo "daily.sh: $1" >&2
    tell failed stage=none exit=2
    exit 2
}

later() { # DAY DAYS: the day so many days later
    date -u -d "$1 $2 day" +%F
}

is_given() { # WORD: whether there is one, and no option
    [[ -n ${1:-} && $1 != -* ]]
}

# shellcheck disable=SC2317 # signals call it
stop() { # NAME NUMBER: what a signal does
    trap '' TERM INT HUP
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        for _ in {1..60}; do
            kill -0 "$child" 2>/dev/null || break
            sleep 1
        done
        kill -KILL "$child" 2>/dev/null
    fi
    tell killed "signal=$1 stage=${stage:-none} seconds=$((SECONDS - started)) log=$log"
    exit $((128 + $2))
}

await() { # FILE COMMAND...: run it, what it says added to the file, so that a signal need not wait for its end
    local file=$1
    shift
    "$@" >>"$file" 2>&1 &
    child=$!
    wait "$child"
    local status=$?
    child=''
    return $status
}

run() { # STAGE OPTION...
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
    local one=$1
    shift
    run clean "$@" --set "archive.since=$one" --set "archive.until=$one" &&
        run score "$@" --set "score.since=$one" --set "score.until=$one"
}

records() { # DAY OPTION...: the records of that day alone, a line each, the newest last
    local one=$1
    shift
    "${tonality[@]}" runs --logfmt --day "$one" "$@" 2>>"$log" | grep " state=done .* since=$one until=$one "
}

number() { # LINE NAME: the number of that name in a record, or nothing
    [[ " $1 " =~ \ $2=([0-9]+)\  ]] && echo "${BASH_REMATCH[1]}"
}

judge() { # OPTION...: say how a day that is done went, by its records
    local found cleaned scored before reasons='' verdict=ok
    local tweets lines rejects damaged total positive
    found=$(records "$day" --part-of "$TONALITY_PART_OF" "$@")
    cleaned=$(grep " stage=clean " <<<"$found" | tail -n 1)
    scored=$(grep " stage=score " <<<"$found" | tail -n 1)
    tweets=$(number "$cleaned" tweets) lines=$(number "$cleaned" lines)
    rejects=$(number "$cleaned" rejects) damaged=$(number "$cleaned" damaged)
    total=$(number "$scored" writes.scored.rows) positive=$(number "$scored" positive)
    before=$(number "$(records "$(later "$day" -1)" --stage clean --last 3 "$@" | tail -n 1)" tweets)
    if [ -z "$tweets" ] || [ -z "$total" ]; then
        reasons+=,no-record
    else
        ((tweets == 0)) && reasons+=,no-tweets
        ((tweets > 0 && tweets * 100 < ${before:-0} * least_tweets)) && reasons+=,few-tweets
        ((rejects * 100 > lines * max_rejects)) && reasons+=,rejects
        ((damaged > max_damaged)) && reasons+=,damaged
        ((total != tweets)) && reasons+=,unscored
    fi
    [ -z "$reasons" ] || verdict="suspect reason=${reasons#,}"
    tell "$verdict seconds=$((SECONDS - started)) tweets=$tweets rejects=$rejects damaged=$damaged" \
        "scored=$total positive=$positive log=$log"
}

night() { # OPTION...: the day, from its files to its line
    local status
    started=$SECONDS log=$logs/daily-$day.log
    TONALITY_PART_OF=daily-$day-$(date -u +%Y%m%dT%H%M%SZ)
    export TONALITY_PART_OF
    clean_and_score "$day" "$@" && run report "$@"
    status=$?
    if ((status)); then
        tell failed "stage=$stage exit=$status seconds=$((SECONDS - started)) log=$log"
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
    [ "$(later "$day" 0 2>&1)" = "$day" ] || fail "$day is no day, expected one as 2015-12-10"
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
    tell locked "lock=$logs/daily.lock"
    exit 75
fi
((keep_logs)) && find "$logs" -maxdepth 1 -name 'daily-????-??-??.log' -mtime "+$keep_logs" -delete

for ((n = reclean; n > 0; n--)); do
    again=$(later "$first" "-$n")
    log=$logs/daily-$first.log
    TONALITY_PART_OF=daily-$first-again-$again clean_and_score "$again" "$@"
    status=$?
    if ((status != 0 && status != 3)); then # of a day that has no files any more nothing can have come late
        tell failed "stage=$stage exit=$status of=$again seconds=$((SECONDS - started)) log=$log"
        tail -n 5 "$log" >&2
        exit "$status"
    fi
done

result=0
while [[ ! $day > $last ]]; do
    night "$@"
    status=$?
    ((result)) || result=$status
    ((status == 0 || status == 3)) || break
    day=$(later "$day" 1)
done
exit "$result"
