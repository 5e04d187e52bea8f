# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Commands that arrive damaged are not run, and answers that are damaged are asked for again: the guest's half of
# confirm.rs, which evaluates this in the guest's shell.
stty eof undef susp undef quit undef -ixon

# What a text hashes to, shortened.
resdump_sum() {
    printf %.16s "$(printf %s "$1" | sha256sum)"
}

# A start that was meant: commands are numbered from 1. Without the number's file there was another since.
resdump_begin() {
    echo 0 >/tmp/.number
    cat /tmp/.number
}

# INDEX SUM HEX: keeps a part of a command.
resdump_part() {
    if [ ! -e /tmp/.number ]; then
        echo "<<GONE>>"
        return
    fi
    if [ "$(resdump_sum "$1 $3")" = "$2" ]; then
        printf %s "$3" >"/tmp/.part.$1"
        echo "<<KEPT $1>>"
    else
        echo "<<AGAIN>>"
    fi
}

# NUMBER SUM PARTS HEX: runs a command, once, if all of it is here, and prints its answer.
resdump_run() {
    if [ ! -e /tmp/.number ]; then
        echo "<<GONE>>"
        return
    fi
    resdump_i=0
    resdump_hex=
    while [ "$resdump_i" -lt "${3:-0}" ] 2>/dev/null; do
        resdump_hex=$resdump_hex$(cat "/tmp/.part.$resdump_i")
        resdump_i=$((resdump_i + 1))
    done
    resdump_hex=$resdump_hex$4
    if [ "$(resdump_sum "$1 $3 $resdump_hex")" != "$2" ]; then
        echo "<<AGAIN>>"
        return
    fi
    if [ "$1" != "$(cat /tmp/.number)" ]; then
        echo "$1" >/tmp/.number
        : >/tmp/.status
        : >/tmp/.text
        eval "{ $(printf "$(printf %s "$resdump_hex" | sed 's/../\\x&/g')")
}" </dev/null >/tmp/.answer 2>&1
        resdump_i=$?
        # There is no status where the answer is not whole. A byte of 0 would end a line of awk's.
        echo . >>/tmp/.answer && tr '\000' '?' </tmp/.answer >/tmp/.text && echo "$resdump_i" >/tmp/.status
    fi
    awk -v n="$1" -v status="$(cat /tmp/.status)" '
        function put(text, more, i, s) {
            text = n "." k++ "." more "." text
            for (i = 1; i <= length(text); i++)
                s = (s * 65599 + of[substr(text, i, 1)]) % 4294967291
            printf "~%.0f.%s\n", s, text
        }
        BEGIN { for (i = 1; i < 256; i++) of[sprintf("%c", i)] = i; k = 1 }
        {
            gsub("\r", "")
            while (length($0) > 120) {
                put(substr($0, 1, 120), 1)
                $0 = substr($0, 121)
            }
            put($0, 0)
        }
        END { count = k - 1; k = 0; put(count "." status, 0) }' /tmp/.text
}
