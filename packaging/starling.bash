# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2207
# Completion of starling and starlingd. The words come from the programs' own
# help, so that a new command or option completes without a change here.

_starling_commands() {
	starling help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_starling_options() {
	"$@" --help 2>/dev/null |
		sed -n 's/^ *\(-[a-zA-Z], \)\?\(--[a-z-]*=\?\).*/\2/p' | tr '\n' ' '
}

_starling_advise() {
	local words="0 1 2 3"
	[ "$1" = --agent ] && words=$(starling status --no-legend 2>/dev/null |
		sed -n 's/^ *\([dm][0-9][0-9]*\) .*/\1/p')
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

_starling() {
	local cur=${COMP_WORDS[COMP_CWORD]} cmd=${COMP_WORDS[1]} i
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "$(_starling_commands)" -- "$cur"))
		return
	fi
	if [ "$cmd" = run ]; then
		# Behind -- (or the first word that is no option): that command's own.
		for ((i = 2; i < COMP_CWORD; i++)); do
			[ "${COMP_WORDS[i]}" = -- ] || continue
			declare -F _command_offset >/dev/null && _command_offset $((i + 1))
			return
		done
	fi
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--role | -r)
		COMPREPLY=($(compgen -W "feeder service orchestrator tool background inference" -- "$cur"))
		return ;;
	--priority | -p)
		COMPREPLY=($(compgen -W "interactive normal batch" -- "$cur"))
		return ;;
	--gpu | --agent)
		[ "$cmd" = advise ] && { _starling_advise "${COMP_WORDS[COMP_CWORD - 1]}"; return; }
		COMPREPLY=($(compgen -W "lease lease,priority= lease,turn= lease,memory= lease,gpu= lease,reserve= share share,percent= share,priority= share,memory= share,gpu=" -- "$cur"))
		return ;;
	--sysroot | --load | -s | -l)
		COMPREPLY=($(compgen -f -- "$cur"))
		compopt -o filenames
		return ;;
	esac
	case $cmd,$cur in
	*,-*)
		COMPREPLY=($(compgen -W "$(_starling_options starling "$cmd")" -- "$cur"))
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace ;;
	explain,*)
		COMPREPLY=($(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur")) ;;
	help,*)
		COMPREPLY=($(compgen -W "$(_starling_commands)" -- "$cur")) ;;
	run,*)
		COMPREPLY=($(compgen -c -- "$cur")) ;;
	esac
}

_starlingd() {
	local cur=${COMP_WORDS[COMP_CWORD]}
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	--noise | --guard | --gpu) COMPREPLY=($(compgen -W "on off" -- "$cur")) ;;
	--mps) COMPREPLY=($(compgen -W "off on" -- "$cur") $(compgen -d -- "$cur")) ;;
	--sched-ext) COMPREPLY=($(compgen -W "never opt-in auto" -- "$cur")) ;;
	--placer) COMPREPLY=($(compgen -W "auto task cgroup sched_ext none" -- "$cur")) ;;
	*) COMPREPLY=($(compgen -W "$(_starling_options starlingd)" -- "$cur"))
	   [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace ;;
	esac
}

complete -F _starling starling
complete -F _starlingd starlingd
