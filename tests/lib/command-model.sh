#!/bin/bash
# What a command line may be and which rules allow it, said once more and in bash, so that splitting and globbing are the
# daemon's own. Run in a folder that holds a file of each socket name, the daemon's default first among the arguments.
#
# Reads cases from stdin, each a run of fields ended by NUL: the command, 1 or 0 for whether redirects are allowed, the
# number of rules, the rules. Writes a line per case: the code or "accepted", whether bash leaves the words as they are
# ("kept" or "expanded"), and the number of the first rule that allows it, "any" without rules, or "none".

is_name() {
  local name=$1 other
  shift
  for other; do [[ $name == "$other" ]] && return 0; done
  return 1
}

# Sets KEPT to the words as 0.0.2 splits them, and OLDER to those of releases that read without -r.
split() {
  local line
  set -f
  KEPT=($1)
  if [[ $1 == *\\* ]]; then
    read line <<<"$1"
    OLDER=($line)
  else
    OLDER=("${KEPT[@]}")
  fi
  set +f
}

expands() {
  local word=$1 first file
  shift
  [[ $word == *[*?[]* ]] || return 1
  [[ $word == [/.]* || $word == *\\* ]] && return 0
  first=${word%%/*}
  for file in $first; do is_name "$file" "$@" && return 0; done
  return 1
}

redirects() {
  (($# > 1)) && [[ ${@: -2:1} == *[\<\>]* ]]
}

follows() {
  local word log='' flag=''
  for word; do
    case $word in logs | events | *:logs | *-logs) log=1 ;; esac
    case ${word%%=*} in
      --t | --ta | --tai | --tail | --f | --fo | --fol | --foll | --follo | --follow) flag=1 ;;
      --*) ;;
      -*[tf]*) flag=1 ;;
    esac
  done
  [[ $log && $flag ]]
}

bytes() {
  local LC_ALL=C
  echo -n "${#1}"
}

# Sets VERDICT for a command, 1 or 0 for redirects, and the names of the sockets.
judge() {
  local command=$1 allowed=$2 word
  shift 2
  if [[ ! $command ]]; then VERDICT=blank && return; fi
  if ((${#command} > 8000)) && (($(bytes "$command") > 32768)); then VERDICT=too_long && return; fi
  if [[ ${command//$'\t'/} == *[[:cntrl:]]* ]]; then VERDICT=control_character && return; fi
  split "$command"
  for word in "${KEPT[@]}" "${OLDER[@]}"; do
    if expands "$word" "$@"; then VERDICT=glob_refused && return; fi
  done
  if ((!allowed)) && { redirects "${KEPT[@]}" || redirects "${OLDER[@]}"; }; then VERDICT=redirect_refused && return; fi
  if follows "${KEPT[@]}" || follows "${OLDER[@]}"; then VERDICT=never_ends && return; fi
  VERDICT=accepted
}

is_rule() {
  set -f
  local words=($1) word number=0
  set +f
  ((${#words[@]})) || return 1
  [[ $1 == *[\\?[]* || ${1//$'\t'/} == *[[:cntrl:]]* ]] && return 1
  for word in "${words[@]}"; do
    number=$((number + 1))
    [[ $word == '**' ]] && ((number == ${#words[@]})) && continue
    [[ $word == *'**'* ]] && return 1
    [[ $word == *'*'* && ${word,,} =~ ^-+(app|all|global)(=|$) ]] && return 1
  done
  return 0
}

# Whether the rule, the first argument, allows the words that follow.
allows() {
  set -f
  local rule=($1) index word pattern command=0
  set +f
  shift
  local words=("$@")
  if [[ ${rule[-1]} == '**' ]]; then
    unset 'rule[-1]'
    while ((${#rule[@]} < $#)); do rule+=('*'); done
  fi
  ((${#rule[@]} == $#)) || return 1
  while [[ ${words[command]} == -* ]] || { ((command > 0)) && [[ ${words[command - 1]} == --app ]]; }; do
    command=$((command + 1))
  done
  for ((index = 0; index < $#; index++)); do
    word=${words[index]} pattern=${rule[index]}
    if [[ $pattern != *'*'* ]]; then
      [[ $word == "$pattern" ]] || return 1
      continue
    fi
    [[ $word == -* && $pattern != -* ]] && return 1
    [[ ${word,,} =~ ^-+(app|all|global)(=|$) ]] && return 1
    ((index == 0)) && [[ $word == refresh || $word == commands ]] && return 1
    ((index == command)) && [[ $word == *[!A-Za-z0-9_.:-]* ]] && return 1
    ((index == $# - 2)) && [[ $word == *[\<\>]* ]] && return 1
    # Inside [[ ]] bash takes @(a) and its like for patterns too.
    pattern=${pattern//\(/\\(}
    [[ $word == $pattern ]] || return 1
  done
  return 0
}

while IFS= read -r -d '' command; do
  while [[ $command == [$' \t']* ]]; do command=${command#?}; done
  while [[ $command == *[$' \t'] ]]; do command=${command%?}; done
  IFS= read -r -d '' redirects_allowed
  IFS= read -r -d '' count
  rules=()
  for ((number = 0; number < count; number++)); do
    IFS= read -r -d '' "rules[number]"
  done

  judge "$command" "$redirects_allowed" "$@"
  code=$VERDICT
  expansion=kept
  by=none
  if [[ $command != *$'\n'* ]]; then
    split "$command"
    globbed=($command)
    [[ "${globbed[*]@Q}" == "${KEPT[*]@Q}" ]] || expansion=expanded
  fi
  ((count)) || by=any
  judge "$command" 1 "$1"
  if ((count)) && [[ $VERDICT == accepted ]]; then
    split "$command"
    for ((number = 0; number < count; number++)); do
      is_rule "${rules[number]}" || continue
      if allows "${rules[number]}" "${KEPT[@]}" && allows "${rules[number]}" "${OLDER[@]}"; then
        by=$number
        break
      fi
    done
  fi
  echo "$code $expansion $by"
done
