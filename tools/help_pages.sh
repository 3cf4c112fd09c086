#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/help_pages.sh PROGRAM man|bash FILE: writes mixdown(1), or the completion for bash. Both come from what PROGRAM
# prints with --help, which it prints from the tables that parse its options: nothing is typed twice.
set -eu -o pipefail
program=$1 kind=$2 file=$3
commands=$("$program" --help | awk '/^  [a-z]+ / { print $1 }')
[ -n "$commands" ] || { echo "$program --help lists no commands" >&2; exit 1; }

# Text for roff (no escapes, no requests, a minus that is one), and a name with what it is.
roff='function roff(s) { gsub(/\\/, "\\e", s); gsub(/-/, "\\-", s); return s ~ /^[.\x27]/ ? "\\&" s : s }
    function tag(name, text) { printf ".TP\n.B %s\n%s\n", roff(name), roff(text) }'

# Lines "  NAME   text"; where NAME is long, the text is on the line below.
options='held != "" { sub(/^ +/, ""); tag(held, $0); held = ""; next }
    /^  [^ ]/ {
        options = 1
        sub(/^  /, "")
        at = match($0, /  +/)
        if (at) tag(substr($0, 1, at - 1), substr($0, at + RLENGTH)); else held = $0
        next
    }'

overview() {
    printf '.TH MIXDOWN 1 "" "%s"\n' "$("$program" --version)"
    "$program" --help | awk "$roff"'
        NR == 1 { at = index($0, ": "); printf ".SH NAME\n%s \\- %s\n", substr($0, 1, at - 1), roff(substr($0, at + 2)) }
        /^usage: / { printf ".SH SYNOPSIS\n%s\n.SH COMMANDS\n", roff(substr($0, 8)) }
        /^  [a-z]+ / { name = $1; sub(/^ +[a-z]+ +/, ""); tag(name, $0) }'
}

exit_status() {
    "$program" --help | sed -n 's/.*Exit codes: \(.*\)\./\1/p' | awk "$roff"'{
        print ".SH EXIT STATUS"
        n = split($0, code, ", ")
        for (k = 1; k <= n; k++) { at = index(code[k], " "); tag(substr(code[k], 1, at - 1), substr(code[k], at + 1)) }
    }'
}

man_page() {
    overview
    for command in $commands; do
        printf '.SH %s\n' "$(echo "$command" | tr '[:lower:]' '[:upper:]')"
        "$program" "$command" --help | awk "/^common options:/ { exit } $roff $options"'
            /^usage: / { print roff(substr($0, 8)); about = 1; next }
            about && NF { if (!told++) print ".PP"; print roff($0) }'
    done
    printf '.SH COMMON OPTIONS\n'
    "$program" "$command" --help | sed '1,/^common options:/d' | awk "$roff $options"
    exit_status
}

# Commands, then the options of the one that was given; everything else is a file.
completion() {
    echo '# bash completion for mixdown, made by tools/help_pages.sh'
    echo '_mixdown()'
    echo '{'
    echo '    local word=${COMP_WORDS[COMP_CWORD]} words='
    echo '    COMPREPLY=()'
    echo '    case ${COMP_WORDS[1]} in'
    for command in $commands; do
        echo "    $command) words='$("$program" "$command" --help | grep -oE '^  (-[a-z], )?--[A-Za-z-]+' | grep -oE -e '--.*' | tr '\n' ' ')--help' ;;"
    done
    echo '    esac'
    echo "    [ \"\$COMP_CWORD\" -gt 1 ] || words='$(echo "$commands" | tr '\n' ' ')--help --version'"
    echo '    [[ $COMP_CWORD -gt 1 && $word != -* ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")'
    echo '}'
    echo 'complete -o default -F _mixdown mixdown'
}

case $kind in
man) man_page >"$file.part" ;;
bash) completion >"$file.part" ;;
*) echo "expected man or bash, got '$kind'" >&2; exit 2 ;;
esac
mv "$file.part" "$file"
