#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the U-Boot commands that do to a device tree what a compiled overlay would do: not every
# U-Boot can apply overlays.
#
#   boot-commands.sh resmem.dtbo
set -eu

overlay=$1
# References within an overlay are numbered from 1. Those of the tree they go to are not known here:
# ours start where no compiler starts to count.
first=0x52450000

# Prints a property as U-Boot's `fdt set` wants it: its cells where it holds references, else a string
# where that has the same bytes, else its bytes.
value() { # node property
    references=$(fdtget -t u "$overlay" "/__local_fixups__$1" "$2" 2>/dev/null || true)
    [ "$2" = phandle ] && references=0
    if [ -z "$references" ]; then
        bytes=$(fdtget -t bx "$overlay" "$1" "$2")
        text=$(fdtget -t s "$overlay" "$1" "$2" 2>/dev/null | tr -cd 'A-Za-z0-9,._+@/ -')
        case "$bytes" in
        "") ;;
        *" 0 "* | "0 "*) printf ' "[%s]"' "$bytes" ;;
        *" 0") # One string, if plain characters come before its end.
            if [ "${#text}" -eq "$(($(echo "$bytes" | wc -w) - 1))" ]; then
                printf ' "%s"' "$text"
            else
                printf ' "[%s]"' "$bytes"
            fi
            ;;
        *) printf ' "[%s]"' "$bytes" ;;
        esac
        return
    fi
    cells=
    offset=0
    for cell in $(fdtget -t u "$overlay" "$1" "$2"); do
        case " $references " in
        *" $offset "*) cell=$((cell + first)) ;;
        esac
        cells="$cells $(printf '0x%x' "$cell")"
        offset=$((offset + 4))
    done
    printf ' "<%s>"' "${cells# }"
}

# Prints the commands for a node of the overlay that goes to a path of the tree, and all below it.
node() { # node path
    for property in $(fdtget -p "$overlay" "$1"); do
        printf 'fdt set %s "%s"%s\n' "${2:-/}" "$property" "$(value "$1" "$property")"
    done
    for child in $(fdtget -l "$overlay" "$1"); do
        printf 'fdt mknode %s %s\n' "${2:-/}" "$child"
        node "$1/$child" "$2/$child"
    done
}

for fragment in $(fdtget -l "$overlay" / | grep '^fragment@'); do
    target=$(fdtget -t s "$overlay" "/$fragment" target-path)
    node "/$fragment/__overlay__" "${target%/}"
done
