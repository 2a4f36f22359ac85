# Completion for bash: commands, options, files, and the names of services that a running daemon knows.

_ondemandd_names() {
    ondemandd status --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
}

_ondemandd_commands() {
    ondemandd commands --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d '"' -f 4
}

_ondemandd() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    case $previous in
        --config) mapfile -t COMPREPLY < <(compgen -f -X '!*.json' -- "$word"; compgen -d -- "$word"); return ;;
        --control) mapfile -t COMPREPLY < <(compgen -P unix: -f -- "${word#unix:}"); return ;;
        config) mapfile -t COMPREPLY < <(compgen -W "schema show" -- "$word"); return ;;
        init) mapfile -t COMPREPLY < <(compgen -W "rails-actioncable generic cable" -- "$word"); return ;;
    esac
    if ((COMP_CWORD == 1)); then
        local commands="check explain config init demo status start stop restart pin unpin enable disable logs reload broadcast commands run"
        mapfile -t COMPREPLY < <(compgen -W "$commands --config --help --version" -- "$word")
        return
    fi
    case $command in
        start | stop | restart | pin | unpin | enable | disable | logs)
            local names=
            [[ $word == -* ]] || names=$(_ondemandd_names)
            local options="--config --control --help"
            case $command in
                start | stop | restart | pin | disable) options+=" --no-wait" ;;
                logs) options+=" -f -n" ;;
            esac
            mapfile -t COMPREPLY < <(compgen -W "$names $options" -- "$word")
            ;;
        status | commands) mapfile -t COMPREPLY < <(compgen -W "--json --config --control --help" -- "$word") ;;
        run)
            local names=
            ((COMP_CWORD > 2)) || [[ $word == -* ]] || names=$(_ondemandd_commands)
            mapfile -t COMPREPLY < <(compgen -W "$names --stop --config --control --help" -- "$word")
            ;;
        reload) mapfile -t COMPREPLY < <(compgen -W "--config --control --help" -- "$word") ;;
        config) mapfile -t COMPREPLY < <(compgen -W "--config --json --help" -- "$word") ;;
        demo) mapfile -t COMPREPLY < <(compgen -W "--listen --status --help" -- "$word") ;;
        check | explain) mapfile -t COMPREPLY < <(compgen -W "--config --help" -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "--help" -- "$word") ;;
    esac
}

complete -F _ondemandd ondemandd
